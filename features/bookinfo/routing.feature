Feature: Request routing
  All users get reviews v1, without stars, until the user jason is routed to v2,
  with black stars.

  @bookinfo @B1 @baseline
  Scenario: Once routes lead all components to v1, all users get reviews v1
    Given stage "subsets"
    And among 90 product pages some show no stars, some black stars and some red stars
    And stage "all-v1"
    And a sample that finds 1 % wrong answers with a probability of 99.9 %
    When product pages of jason and of everyone else are sampled in turn through the ingress
    Then every answer to jason shows no stars
    And every answer to everyone else shows no stars

  @bookinfo @B1
  Scenario: Jason gets reviews v2, and everyone else v1
    Given stage "jason-v2"
    And a sample that finds 1 % wrong answers with a probability of 99.9 %
    When product pages of jason and of everyone else are sampled in turn through the ingress
    Then every answer to jason shows black stars
    And every answer to everyone else shows no stars

  @bookinfo @B1
  Scenario: Nothing but signing in as jason leads to reviews v2
    Given stage "jason-v2"
    When the product page is viewed 3 times for each way to be jason and for each near miss
    Then every answer to everyone else shows no stars
    And every answer to jason shows black stars

  @bookinfo @B1
  Scenario: Every route of the sidecars to another version of reviews than v1 asks for the header of the user alone
    Given stage "jason-v2"
    When the routes to "reviews" are read from all sidecars
    Then each proxy has routes to "reviews" other than "v1", by header "end-user" alone

  @bookinfo @B1 @needs-pod-log
  Scenario: Reviews v2 is called for jason alone, according to the logs of the pods
    Given stage "jason-v2"
    When 20 product pages are viewed by jason, and as many by another user
    Then the pods logged exactly these numbers of requests for the two users, and none for anybody else
      | workload   | jason | another user |
      | details v1 | 20    | 20           |
      | reviews v1 | 0     | 20           |
      | reviews v2 | 20    | 0            |
      | reviews v3 | 0     | 0            |
      | ratings v1 | 20    | 0            |

  @bookinfo @B1
  Scenario: In a browser, black stars come with signing in as jason and go with signing out
    Given stage "jason-v2"
    When jason signs in by the page's form in a browser, signs out, and anna signs in
    Then the browser showed these pages
      | after          | signed in | reviews     |
      | opening        | nobody    | no stars    |
      | jason signs in | jason     | black stars |
      | signing out    | nobody    | no stars    |
      | anna signs in  | anna      | no stars    |
    And everything that the browser's pages ask for was loaded
