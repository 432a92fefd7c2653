Feature: Request routing
  All users get reviews v1, without stars, until the user jason is routed to v2,
  with black stars.

  @bookinfo @B1 @baseline @full
  Scenario: Once all components are routed to v1, all users get reviews v1
    Given the namespace is at stage "subsets"
    And among 90 product pages some show no stars, some black stars and some red stars
    And the tutorial goes on to stage "all-v1"
    And a sample size that detects 1 % wrong answers with a probability of 99.9 %
    When product pages of jason and of everyone else are sampled alternately through the ingress
    Then every answer to jason shows starless reviews
    And every answer to everyone else shows starless reviews

  @bookinfo @B1
  Scenario: Jason gets reviews v2, and everyone else v1
    Given the namespace is at stage "jason-v2"
    And a sample size that detects 1 % wrong answers with a probability of 99.9 %
    When product pages of jason and of everyone else are sampled alternately through the ingress
    Then every answer to jason shows black stars
    And every answer to everyone else shows starless reviews

  @bookinfo @B1 @full
  Scenario: Nothing but signing in as jason leads to reviews v2
    Given the namespace is at stage "jason-v2"
    When the product page is viewed 3 times per way to sign in as jason and per near miss
    Then every answer to everyone else shows starless reviews
    And every answer to jason shows black stars

  @bookinfo @B1 @full
  Scenario: Every route of the sidecars to reviews v2 or v3 matches the header end-user alone
    Given the namespace is at stage "jason-v2"
    When the routes to "reviews" are read from all sidecars
    Then each proxy has routes to "reviews" not to "v1", and these match "end-user" alone

  @bookinfo @B1 @full @needs-pod-log
  Scenario: Reviews v2 is called for jason alone, according to the logs of the pods
    Given the namespace is at stage "jason-v2"
    When 20 product pages are viewed by jason and 20 by another user
    Then the pods logged exactly these numbers of requests for the two users, and none for anybody else
      | workload   | jason | another user |
      | details v1 | 20    | 20           |
      | reviews v1 | 0     | 20           |
      | reviews v2 | 20    | 0            |
      | reviews v3 | 0     | 0            |
      | ratings v1 | 20    | 0            |

  @bookinfo @B1 @full
  Scenario: In a browser, black stars show only while jason is signed in
    Given the namespace is at stage "jason-v2"
    When jason signs in by the page's form in a browser, signs out, and anna signs in
    Then the browser showed these pages
      | after          | signed in | reviews     |
      | opening        | nobody    | starless reviews    |
      | jason signs in | jason     | black stars |
      | signing out    | nobody    | starless reviews    |
      | anna signs in  | anna      | starless reviews    |
    And every resource that the browser's pages request was loaded
