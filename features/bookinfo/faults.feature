Feature: Fault injection
  Calls to ratings are delayed at one stage and aborted at the next, for the user jason alone.

  @bookinfo @B2
  Scenario: Only jason's calls to ratings are delayed by 7 seconds
    Given the namespace is at stage "jason-v2"
    And the ratings service answers both jason and everyone else with 200 without delay
    And a sample size that detects 1 % wrong answers with a probability of 99.9 %
    And the tutorial goes on to stage "ratings-delayed"
    When the ratings service is called as jason and, at the same time, as everyone else
    Then every answer to jason takes 7 to 8.5 seconds
    And every answer to jason shows status 200
    And every answer to everyone else takes 0 to 1.5 seconds
    And every answer to everyone else shows status 200

  @bookinfo @B2 @full
  Scenario: While ratings are delayed for jason, reviews are missing only on jason's pages
    Given the namespace is at stage "ratings-delayed"
    And a sample size that detects 1 % wrong answers with a probability of 99.9 %
    And a sample of jason that detects 10 % wrong answers with 99 % probability
    When product pages of jason and, at the same time, product pages of everyone else are sampled
    Then every answer to jason shows no reviews
    And every answer to everyone else shows starless reviews
    And every answer to everyone else takes 0 to 3 seconds

  @bookinfo @B2 @finding
  Scenario: The product page times out before the delayed ratings service answers
    Given the namespace is at stage "ratings-delayed"
    When 10 product pages of jason are viewed concurrently
    Then every answer to jason shows no reviews
    And every answer to jason takes 6 to 7.5 seconds

  @bookinfo @B2
  Scenario: Only jason's calls to ratings are aborted with status 500
    Given the namespace is at stage "ratings-aborted"
    And a sample size that detects 1 % wrong answers with a probability of 99.9 %
    When the ratings service is called as jason and, at the same time, as everyone else
    Then every answer to jason takes 0 to 1.5 seconds
    And every answer to jason shows status 500
    And every answer to everyone else takes 0 to 1.5 seconds
    And every answer to everyone else shows status 200

  @bookinfo @B2 @full
  Scenario: While ratings are aborted for jason, only jason's pages say that ratings are unavailable
    Given the namespace is at stage "ratings-aborted"
    And a sample size that detects 1 % wrong answers with a probability of 99.9 %
    When product pages of jason and of everyone else are sampled alternately through the ingress
    Then every answer to jason shows no ratings
    And every answer to everyone else shows starless reviews

  @bookinfo @B2 @full @needs-pod-log
  Scenario: Aborted calls never reach ratings, according to the logs of the pods
    Given the namespace is at stage "ratings-aborted"
    When 20 product pages are viewed by jason and 20 by another user
    Then the pods logged exactly these numbers of requests for the two users, and none for anybody else
      | workload   | jason | another user |
      | details v1 | 20    | 20           |
      | reviews v1 | 0     | 20           |
      | reviews v2 | 20    | 0            |
      | reviews v3 | 0     | 0            |
      | ratings v1 | 0     | 0            |
