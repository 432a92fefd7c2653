Feature: At every step
  What holds at each stage of the tutorial, and from each stage to the next.

  @always @A2 @needs-listing
  Scenario Outline: istioctl analyze finds no issue at the end of a stage
    Given the namespace is at stage "<stage>"
    When istioctl analyzes the namespace
    Then istioctl finds no validation issue

    @full
    Examples: Before the canary, and once it is all
      | stage         |
      | namespace     |
      | deployed      |
      | exposed       |
      | updated       |
      | lock-down     |
      | rolled-out    |

    Examples: The most objects, and the last
      | stage         |
      | canary        |
      | cleaned-up    |

  @always @A2 @full @needs-listing
  Scenario: Until the pods of 2.0 exist, istioctl analyze reports only what refers to them
    Given the namespace is at stage "canary-routed"
    When istioctl analyzes the namespace
    Then istioctl reports no other issues than these
      | code    | object                                   |
      | IST0101 | VirtualService voting-storage            |
      | IST0173 | DestinationRule voting-app               |
      | IST0173 | DestinationRule voting-analytics         |
      | IST0173 | DestinationRule voting-storage           |
      | IST0127 | AuthorizationPolicy voting-app-2-0       |
      | IST0127 | AuthorizationPolicy voting-analytics-2-0 |
      | IST0127 | AuthorizationPolicy voting-storage-2-0   |

  @always @A2 @finding @exclusive @needs-listing
  Scenario: Until the pods of 2.0 exist, istioctl analyze reports everything that refers to them
    Given the namespaces of scenarios that run in parallel are deleted
    And the namespace is at stage "canary-routed"
    When istioctl analyzes the namespace
    Then istioctl reports each of these issues
      | code    | object                                   |
      | IST0101 | VirtualService voting-storage            |
      | IST0173 | DestinationRule voting-app               |
      | IST0173 | DestinationRule voting-analytics         |
      | IST0173 | DestinationRule voting-storage           |
      | IST0127 | AuthorizationPolicy voting-app-2-0       |
      | IST0127 | AuthorizationPolicy voting-analytics-2-0 |
      | IST0127 | AuthorizationPolicy voting-storage-2-0   |

  @always @A4 @long
  Scenario Outline: The commands of a stage are idempotent
    Given the namespace is at stage "<stage>"
    When the commands of stage "<stage>" are run once more
    Then every repeated command says that it changed nothing
    And the namespace is at stage "<stage>" with the same objects and pods as before

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
  Scenario: Every stage can be rolled back to the one before, and two random stages reach each other
    Given the namespace is at stage "cleaned-up"
    When the namespace is rolled back stage by stage, and moved between two random stages and back
    Then every transition reached its stage in the same namespace, no roll-back by published commands

  @always @A3 @last @long @needs-listing
  Scenario: Deleting the tutorial's namespaces leaves nothing of the tutorial in the cluster
    Given all objects and volumes of the cluster were listed before the tutorial was followed
    And the tutorial was followed to a stage with a PersistentVolumeClaim
    When all namespaces of the tutorial are deleted
    Then the cluster holds the same objects and volume directories as were listed

  @always @A1 @canary @C1 @own @long
  Scenario: No request fails at any step of the rollout
    Given stage "exposed" is reached in a separate namespace
    And users without the flag view the page and vote during the whole scenario
    When the tutorial goes on to its last stage, joined by users with the flag at stage "canary"
    Then no request that users made during the scenario failed
    And users without the flag saw only version "1.0", until stage "rolled-out"
    And users without the flag saw only version "2.0", from stage "rolled-out" on
    And every acknowledged vote is stored exactly once, by the version that acknowledged it

  @always @A1 @long
  Scenario: No request fails before step 2a or after step 2b of a lock-down in the published order
    Given the namespace is at stage "updated"
    And users without the flag view the page and vote during the whole scenario
    When traffic is locked down by step 2a and then step 2b, in the published order
    Then no request that ended before step 2a, or that began after step 2b, failed

  @always @A1 @finding @long
  Scenario: Between step 2a and step 2b of a lock-down in the published order every request fails
    Given the namespace is at stage "updated"
    And users without the flag view the page and vote during the whole scenario
    When traffic is locked down by step 2a and then step 2b, in the published order
    Then every request between step 2a and step 2b got a 503
