Feature: Roll out a canary release
  Version 2.0 of all components runs beside 1.0, for users who hold the feature
  flag, and keeps its votes in MySQL.

  @canary @C3
  Scenario: Holders of the flag get only 2.0, and everyone else only 1.0
    Given the tutorial is followed up to "canary"
    When page views are sampled through the ingress, in turn with the flag and without it, enough to notice a leak of 1 % with 99.9 % confidence
    Then every page with the flag is version "2.0"
    And every page without it is version "1.0"

  @canary @C3
  Scenario: Nothing but the flag itself leads to 2.0, whatever else the Cookie header holds
    Given the tutorial is followed up to "canary"
    When the page is viewed with generated headers, 15 with the flag and as many without it for each kind of near miss
    Then of each kind at least 12 requests held the flag, and as many did not
    And exactly those that held it got version "2.0", and all others "1.0"

  @canary @C4
  Scenario: The toggle switches between 1.0 on Redis and 2.0 on MySQL
    Given the tutorial is followed up to "canary"
    When these are clicked in a browser: "Cats, Feature flag, Dogs, Feature flag, Dogs"
    Then the browser showed one page after the other
      | after        | version | store | flag |
      | opening      | 1.0     | redis | off  |
      | Cats         | 1.0     | redis | off  |
      | Feature flag | 2.0     | mysql | on   |
      | Dogs         | 2.0     | mysql | on   |
      | Feature flag | 1.0     | redis | off  |
      | Dogs         | 1.0     | redis | off  |
    And each vote added exactly one to its own category

  @canary @C8
  Scenario Outline: The flag lasts 15 minutes and is sent for the whole site
    Given the tutorial is followed up to "<stage>"
    When the flag is switched on and off in a browser, from a page deep in the site
    Then version "<sets>" set it for 15 minutes and path "/", and the browser keeps it as long
    And the browser sent it for every page of the site, until version "<clears>" cleared it

    Examples:
      | stage      | sets | clears |
      | lock-down  | 1.0  | 1.0    |
      | canary     | 1.0  | 2.0    |
      | rolled-out | 2.0  | 2.0    |
