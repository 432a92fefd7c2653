Feature: At every step
  What holds at the end of each stage of the tutorial.

  @always @A2
  Scenario Outline: Istio's own analysis finds nothing at the end of a stage
    Given the tutorial is followed up to "<stage>"
    When Istio analyzes the namespace
    Then it finds nothing to complain of

    Examples:
      | stage     |
      | namespace |
      | deployed  |
      | exposed   |
      | updated   |
      | lock-down |

  @always @A1
  Scenario: No request fails at any step of the rollout
    Given the way in through the ingress is free
    And users without the flag, from "exposed" on, in a namespace of its own
    When the tutorial is gone through to its end, with users who have the flag from "canary" on
    Then no request failed at any step
    And every acknowledged vote is stored exactly once, in the store of the version that said so
