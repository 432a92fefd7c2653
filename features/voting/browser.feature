Feature: The page in a browser
  What a user sees who opens the page, at each stage from "exposed" on.

  @full
  Scenario Outline: A desktop browser and a phone browser show the page of each stage
    Given the namespace is at stage "<stage>"
    When the page is opened in a desktop browser and in a phone browser
    Then the browser showed these pages
      | device  | version   | store   | analytics   |
      | desktop | <version> | <store> | <analytics> |
      | phone   | <version> | <store> | <analytics> |
    And "Cats", "Dogs", "Reset" and "Feature flag" can be clicked on both devices, nothing is cut off
    And axe-core finds nothing wrong with labels, contrast and structure
    And every resource that the browser's pages request was loaded

    @deploy @D7
    Examples: Deploy
      | stage   | version | store | analytics |
      | exposed | 1.0     | redis | 1.0       |

    @update @U2
    Examples: Update, before lock-down
      | stage   | version | store | analytics  |
      | updated | 1.0     | redis | 1.0 or 1.1 |

    @update @U5
    Examples: Update, after lock-down
      | stage     | version | store | analytics |
      | lock-down | 1.0     | redis | 1.1       |

    @canary @C4
    Examples: Canary, without the flag
      | stage  | version | store | analytics |
      | canary | 1.0     | redis | 1.1       |

    @finalize @F1
    Examples: Finalize, without the flag
      | stage      | version | store | analytics |
      | rolled-out | 2.0     | mysql | 1.1       |
      | cleaned-up | 2.0     | mysql | 1.1       |

  @full
  Scenario Outline: The page can be used by keyboard alone
    Given the namespace is at stage "<stage>"
    When the page is used by keyboard: Tab to move, Enter on "Cats", Space on "Feature flag"
    Then Tab reached "Cats", "Dogs", "Reset" and "Feature flag", each with a visible focus
    And the browser showed these pages
      | after        | version          | store          | flag |
      | opening      | <version before> | <store before> | off  |
      | Cats         | <version before> | <store before> | off  |
      | Feature flag | <version after>  | <store after>  | on   |
    And each vote added exactly one to its own category

    @deploy @D7
    Examples: Deploy
      | stage   | version before | store before | version after | store after |
      | exposed | 1.0            | redis        | 1.0           | redis       |

    @canary @C4
    Examples: Canary
      | stage  | version before | store before | version after | store after |
      | canary | 1.0            | redis        | 2.0           | mysql       |

    @finalize @F1
    Examples: Finalize
      | stage      | version before | store before | version after | store after |
      | cleaned-up | 2.0            | mysql        | 2.0           | mysql       |
