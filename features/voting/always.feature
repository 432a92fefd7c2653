Feature: At every step
  What holds at the end of each stage of the tutorial.

  @always @A2 @needs-listing
  Scenario Outline: Istio's own analysis finds nothing at the end of a stage
    Given stage "<stage>"
    When istioctl analyzes the namespace
    Then istioctl finds no validation issue

    Examples:
      | stage         |
      | namespace     |
      | deployed      |
      | exposed       |
      | updated       |
      | lock-down     |
      | canary        |
      | rolled-out    |
      | cleaned-up    |

  @always @A2 @needs-listing
  Scenario: After the routes for 2.0 and before its pods, Istio's own analysis reports only what 2.0 will bring
    Given stage "canary-routed"
    When istioctl analyzes the namespace
    Then istioctl reports no other issues than these
      | code    | of                                       |
      | IST0101 | VirtualService voting-storage            |
      | IST0173 | DestinationRule voting-app               |
      | IST0173 | DestinationRule voting-analytics         |
      | IST0173 | DestinationRule voting-storage           |
      | IST0127 | AuthorizationPolicy voting-app-2-0       |
      | IST0127 | AuthorizationPolicy voting-analytics-2-0 |
      | IST0127 | AuthorizationPolicy voting-storage-2-0   |

  @always @A2 @finding @exclusive @needs-listing
  Scenario: After the routes for 2.0 and before its pods, Istio's own analysis reports all that 2.0 will bring
    Given the namespaces of the run's other lanes, whose pods Istio's analysis would count, are deleted
    And stage "canary-routed"
    When istioctl analyzes the namespace
    Then istioctl reports each of these issues
      | code    | of                                       |
      | IST0101 | VirtualService voting-storage            |
      | IST0173 | DestinationRule voting-app               |
      | IST0173 | DestinationRule voting-analytics         |
      | IST0173 | DestinationRule voting-storage           |
      | IST0127 | AuthorizationPolicy voting-app-2-0       |
      | IST0127 | AuthorizationPolicy voting-analytics-2-0 |
      | IST0127 | AuthorizationPolicy voting-storage-2-0   |

  @always @A4 @long
  Scenario Outline: The commands of a stage change nothing the second time
    Given stage "<stage>"
    When the commands of stage "<stage>" are run once more
    Then every repeated command says that it changed nothing
    And the namespace is still at stage "<stage>" with the same objects and pods

    Examples:
      | stage         |
      | namespace     |
      | deployed      |
      | exposed       |
      | updated       |
      | lock-down     |
      | canary-routed |
      | canary        |
      | rolled-out    |
      | cleaned-up    |

  @always @A4 @long
  Scenario: Every stage can be taken back to the one before, and two stages drawn at random lead to each other
    Given stage "cleaned-up"
    When the namespace is taken back stage by stage, and to and fro between two random stages
    Then every transition reached its target in the same namespace, those back by no stage's commands

  @always @A3 @last @long @needs-listing
  Scenario: Nothing is left behind
    Given all objects and volumes of the cluster were listed before the tutorial was followed
    And the tutorial was followed to a stage with a PersistentVolumeClaim
    When all namespaces of the tutorial are deleted
    Then the cluster holds the same objects and folders of volumes as were listed

  @always @A1 @canary @C1 @own @long
  Scenario: No request fails at any step of the rollout
    Given stage "exposed" is reached in a separate namespace
    And users without the flag view the page and vote throughout
    When the tutorial goes on to its last stage, with users with the flag from stage "canary" on
    Then no request that users made throughout failed
    And users without the flag saw version "1.0" alone until stage "rolled-out"
    And users without the flag saw version "2.0" alone from stage "rolled-out" on
    And every acknowledged vote is stored exactly once, by the version that acknowledged it

  @always @A1 @long
  Scenario: Before and after a lock-down in the published order no request fails
    Given stage "updated"
    And users without the flag view the page and vote throughout
    When traffic is locked down in the published order, step 2a and then step 2b
    Then no request that ended before step 2a, or that began after step 2b, failed

  @always @A1 @finding @long
  Scenario: Locking down in the published order has an outage
    Given stage "updated"
    And users without the flag view the page and vote throughout
    When traffic is locked down in the published order, step 2a and then step 2b
    Then every request between step 2a and step 2b got a 503
