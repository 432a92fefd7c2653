Feature: Fault injection
  Calls of ratings are delayed, and then aborted, for the user jason alone.

  @bookinfo @B2
  Scenario: A delay of 7 seconds is met by jason's calls of ratings, and by nobody else's
    Given stage "jason-v2"
    And the ratings service answers both jason and everyone else with 200 without delay
    And a sample that finds 1 % wrong answers with a probability of 99.9 %
    And stage "ratings-delayed"
    When the ratings service is called as jason and, at the same time, as everyone else
    Then every answer to jason comes within 7 to 8.5 seconds
    And every answer to jason shows status 200
    And every answer to everyone else comes within 0 to 1.5 seconds
    And every answer to everyone else shows status 200

  @bookinfo @B2
  Scenario: While ratings are delayed for jason, only jason's pages have no reviews
    Given stage "ratings-delayed"
    And a sample that finds 1 % wrong answers with a probability of 99.9 %
    And a sample of jason that finds 10 % wrong answers with 99 % probability
    When product pages of jason and, at the same time, product pages of everyone else are sampled
    Then every answer to jason shows no reviews
    And every answer to everyone else shows no stars
    And every answer to everyone else comes within 0 to 3 seconds

  @bookinfo @B2 @finding
  Scenario: The product page gives up before the delayed ratings answer
    Given stage "ratings-delayed"
    When 10 product pages of jason are viewed concurrently
    Then every answer to jason shows no reviews
    And every answer to jason comes within 6 to 7.5 seconds

  @bookinfo @B2
  Scenario: An abort with status 500 is met by jason's calls of ratings, and by nobody else's
    Given stage "ratings-aborted"
    And a sample that finds 1 % wrong answers with a probability of 99.9 %
    When the ratings service is called as jason and, at the same time, as everyone else
    Then every answer to jason comes within 0 to 1.5 seconds
    And every answer to jason shows status 500
    And every answer to everyone else comes within 0 to 1.5 seconds
    And every answer to everyone else shows status 200

  @bookinfo @B2
  Scenario: While ratings are aborted for jason, only jason's pages say that ratings are unavailable
    Given stage "ratings-aborted"
    And a sample that finds 1 % wrong answers with a probability of 99.9 %
    When product pages of jason and of everyone else are sampled in turn through the ingress
    Then every answer to jason shows no ratings
    And every answer to everyone else shows no stars

  @bookinfo @B2 @needs-pod-log
  Scenario: Aborted calls never reach ratings, according to the logs of the pods
    Given stage "ratings-aborted"
    When 20 product pages are viewed by jason, and as many by another user
    Then the pods logged exactly these numbers of requests for the two users, and none for anybody else
      | workload   | jason | another user |
      | details v1 | 20    | 20           |
      | reviews v1 | 0     | 20           |
      | reviews v2 | 20    | 0            |
      | reviews v3 | 0     | 0            |
      | ratings v1 | 0     | 0            |
