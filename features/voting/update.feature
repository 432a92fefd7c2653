Feature: Update the application
  Version 1.1 of analytics runs beside 1.0 and gets half of the traffic, and then
  traffic is locked down to 1.1 alone.

  @update @U1
  Scenario: Step 2 creates analytics 1.1 and nothing else
    Given the namespace is at stage "exposed"
    And the pods of the namespace are listed
    When the tutorial goes on to stage "updated"
    Then the commands with "kubernetes/step-2-update-voting-analytics-to-1.1.yaml" printed exactly these lines, in this order
      """
      deployment.apps/voting-analytics-1-1 created
      """
    And every listed pod is still there, Running and never restarted

  @update @U2 @published @full @needs-address
  Scenario: The tutorial's own loop shows analytics in either format
    Given the namespace is at stage "updated"
    When the tutorial's loop of 5 requests is run
    Then every answer to the loop shows analytics "1.0" or "1.1"

  @update @U2
  Scenario: Half of the page views show analytics 1.0, and half show analytics 1.1
    Given the namespace is at stage "updated"
    And a sequential hypothesis test that distinguishes even shares from 60/40
    When page views are sampled through the ingress until the sequential test has decided
    Then every answer to users without the flag shows analytics "1.0" or "1.1"
    And every answer shows the same vote counts
    And analytics "1.0" and "1.1" each make up half of the answers

  @update @U2 @full
  Scenario: Every app pod gets both versions of analytics evenly
    Given the namespace is at stage "updated"
    And a sequential hypothesis test that distinguishes even shares from 60/40
    When every app pod calls analytics until the sequential test of that pod has decided
    Then every answer to the app pods shows analytics "1.0" or "1.1"
    And every answer shows the same vote counts
    And analytics "1.0" and "1.1" each make up half of the answers

  @update @U4
  Scenario: Locking down creates what the tutorial lists
    Given the namespace is at stage "updated"
    When the tutorial goes on to stage "lock-down"
    Then the commands with "istio/step-2a-update-voting-app-virtualservice.yaml" printed exactly these lines, in any order
      """
      virtualservice.networking.istio.io/voting-app configured
      """
    And the commands with "istio/step-2b-add-routing-for-all-components.yaml" printed exactly these lines, in any order
      """
      peerauthentication.security.istio.io/default created
      destinationrule.networking.istio.io/voting-app created
      destinationrule.networking.istio.io/voting-analytics created
      virtualservice.networking.istio.io/voting-analytics created
      destinationrule.networking.istio.io/voting-storage created
      virtualservice.networking.istio.io/voting-storage created
      """
    And these objects, and no others, set a mode of mutual TLS
      | object                           | mode         |
      | PeerAuthentication default       | STRICT       |
      | DestinationRule voting-app       | ISTIO_MUTUAL |
      | DestinationRule voting-analytics | ISTIO_MUTUAL |
      | DestinationRule voting-storage   | ISTIO_MUTUAL |

  @update @U3
  Scenario Outline: Analytics 1.1 shows totals and whole percentages
    Given the namespace is at stage "lock-down"
    And all votes of version "1.0" are reset
    When <cats> votes for cats and <dogs> votes for dogs are cast one after the other
    Then the page shows the analytics "<text>"

    @full
    Examples: Few votes
      | cats | dogs | text                                |
      | 0    | 0    | Cats: 0/0 (0%) \| Dogs: 0/0 (0%)    |
      | 2    | 4    | Cats: 2/6 (33%) \| Dogs: 4/6 (67%)  |
      | 3    | 0    | Cats: 3/3 (100%) \| Dogs: 0/3 (0%)  |

    Examples: Rounded up and down
      | cats | dogs | text                                |
      | 4    | 3    | Cats: 4/7 (57%) \| Dogs: 3/7 (43%)  |

  @update @U5 @published @full @needs-address
  Scenario: After lock-down the tutorial's own loop shows only analytics 1.1
    Given the namespace is at stage "lock-down"
    When the tutorial's loop of 5 requests is run
    Then every answer to the loop shows analytics "1.1"

  @update @U5
  Scenario: After lock-down only analytics 1.1 answers
    Given the namespace is at stage "lock-down"
    And a sample size that detects 1 % wrong answers with a probability of 99.9 %
    When page views of users without the flag are sampled through the ingress
    Then every answer to users without the flag shows analytics "1.1"

  @update @U5 @full
  Scenario: After lock-down every route of the sidecars to analytics leads to 1.1
    Given the namespace is at stage "lock-down"
    When the routes to "voting-analytics" are read from all sidecars
    Then every route to "voting-analytics" leads to version "1.1"

  @update @U5 @full
  Scenario Outline: After lock-down every app pod reaches only analytics 1.1
    Given the namespace is at stage "lock-down"
    And a sample size that detects 1 % wrong answers with a probability of 99.9 %
    When every app pod calls analytics on <connections> connections until the sample is complete
    Then every answer to the app pods shows analytics "1.1"

    Examples:
      | connections |
      | kept        |
      | fresh       |

  @update @U6 @full @needs-request-counts @needs-denial-counts
  Scenario: After lock-down no traffic reaches analytics 1.0, or leaves it
    Given the namespace is at stage "updated"
    And a sample size that detects 1 % wrong answers with a probability of 99.9 %
    And of 40 page views the proxy of "voting-analytics 1.0" counts just those that show its format
    And "voting-analytics 1.0" answers a request from "voting-app 1.0" on a new connection with 200
    And "voting-app 1.0" answers a request from "voting-analytics 1.0" on a new connection with 200
    And "voting-analytics 1.1" answers a request from "voting-analytics 1.0" on a new connection with 200
    And Redis answers PING from "voting-analytics 1.0" on a new connection
    When the tutorial goes on to stage "lock-down"
    Then the Service "voting-analytics" has exactly these ready endpoints
      | port | workload             |
      | 8080 | voting-analytics 1.0 |
      | 8080 | voting-analytics 1.1 |
    And the proxy of "voting-analytics 1.0" counts no request while page views are sampled
    And "voting-analytics 1.0" denies a request from "voting-app 1.0" on a new connection with 403 and counts it
    And "voting-app 1.0" denies a request from "voting-analytics 1.0" on a new connection with 403 and counts it
    And "voting-analytics 1.1" denies a request from "voting-analytics 1.0" on a new connection with 403 and counts it
    And PING from "voting-analytics 1.0" on a new connection gets no byte from Redis, whose proxy counts it

  @update @U6
  Scenario: After lock-down no authorization policy that a sidecar has loaded allows calls to or from analytics 1.0
    Given the namespace is at stage "lock-down"
    When the authorization policies that the sidecars have loaded are read
    Then the authorization policies allow no call from "anyone" to "voting-analytics 1.0"
    And the authorization policies allow no call from "voting-analytics 1.0" to "anyone"
