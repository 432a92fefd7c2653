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
