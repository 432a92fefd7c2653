Feature: Finalize the rollout
  All users get version 2.0, and nothing is left of the versions before it.

  @finalize @F1
  Scenario: All users get 2.0, with the flag or without
    Given the namespace is at stage "rolled-out"
    And a sample size that detects 1 % wrong answers with a probability of 99.9 %
    When page views of users with the flag and users without the flag are sampled through the ingress
    Then every answer to users with the flag shows version "2.0"
    And every answer to users without the flag shows version "2.0"

  @finalize @F1 @full
  Scenario: Every route of the ingress gateway leads to 2.0
    Given the namespace is at stage "rolled-out"
    When the routes to "voting-app" are read from the ingress gateway
    Then every route to "voting-app" leads to version "2.0"

  @finalize @F2 @baseline @full
  Scenario: During the canary, routing rules and proxies refer to the old and the new versions
    Given the namespace is at stage "canary"
    When the versions in routing rules and in the proxies' configuration are read
    Then DestinationRules and VirtualServices refer to exactly these versions
      | rule                             | versions         |
      | DestinationRule voting-app       | 1.0 and 2.0      |
      | VirtualService voting-app        | 1.0 and 2.0      |
      | DestinationRule voting-analytics | 1.1 and 2.0      |
      | VirtualService voting-analytics  | 1.0, 1.1 and 2.0 |
      | DestinationRule voting-storage   | 1.0 and 2.0      |
      | VirtualService voting-storage    | 1.0, 1.1 and 2.0 |
    And every proxy has clusters or routes for exactly the versions "1.0, 1.1 and 2.0"

  @finalize @F2
  Scenario: After the clean-up no routing rule and no proxy refers to an old version
    Given the namespace is at stage "cleaned-up"
    When the versions in routing rules and in the proxies' configuration are read
    Then DestinationRules and VirtualServices refer to exactly these versions
      | rule                             | versions |
      | DestinationRule voting-app       | 2.0      |
      | VirtualService voting-app        | 2.0      |
      | DestinationRule voting-analytics | 2.0      |
      | VirtualService voting-analytics  | 2.0      |
      | DestinationRule voting-storage   | 2.0      |
      | VirtualService voting-storage    | 2.0      |
    And every proxy has clusters or routes for exactly the versions "2.0"

  @finalize @F3 @needs-request-counts
  Scenario: Once all users get 2.0, nothing reaches the old versions any more
    Given the namespace is at stage "canary"
    And a sample size that detects 1 % wrong answers with a probability of 99.9 %
    And of 30 requests without the flag the proxy of each old version counts just its own
    When the tutorial goes on to stage "rolled-out"
    Then no old version's proxy counts a request of users with and without the flag

  @finalize @F3 @full
  Scenario: No request fails while the old versions are deleted
    Given the namespace is at stage "rolled-out"
    And users without the flag view the page and vote during the whole scenario
    And users with the flag view the page and vote during the whole scenario
    When the tutorial goes on to stage "cleaned-up"
    Then no request that users made during the scenario failed
    And users without the flag saw only version "2.0", during the whole scenario
    And users with the flag saw only version "2.0", during the whole scenario

  @finalize @F4
  Scenario: Only 2.0 is left, with all votes that were cast in it
    Given the namespace is at stage "rolled-out"
    And 6 votes are cast in version "2.0"
    When the tutorial goes on to stage "cleaned-up"
    Then there are exactly these pods
      | app              | version | pods |
      | voting-app       | 2.0     | 3    |
      | voting-analytics | 2.0     | 1    |
      | voting-storage   | 2.0     | 1    |
    And every pod is 2/2, Running and was never restarted
    And MySQL holds exactly the votes that it held before
    And the page of version "2.0" counts the votes that MySQL holds
