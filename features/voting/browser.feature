Feature: The page in a browser
  What a reader sees who opens the page, at each stage from which it is served.

  Scenario Outline: A browser shows the page of each stage, on a desk and on a phone
    Given stage "<stage>"
    When the page is opened in a desktop browser and in a phone browser
    Then the browser showed these pages
      | device     | version   | store   | analytics   |
      | on a desk  | <version> | <store> | <analytics> |
      | on a phone | <version> | <store> | <analytics> |
    And "Cats", "Dogs", "Reset" and "Feature flag" can be clicked on both devices, nothing is cut off
    And axe-core finds nothing wrong with labels, contrast and structure
    And everything that the browser's pages ask for was loaded

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

  Scenario Outline: The page can be used by keyboard alone
    Given stage "<stage>"
    When the page is used by keyboard alone: Tab throughout, Enter on "Cats", Space on "Feature flag"
    Then Tab led to "Cats", "Dogs", "Reset" and "Feature flag", each with a focus that can be seen
    And the browser showed these pages
      | after        | version  | store    | flag |
      | opening      | <before> | <store>  | off  |
      | Cats         | <before> | <store>  | off  |
      | Feature flag | <after>  | <led to> | on   |
    And each vote added exactly one to its own category

    @deploy @D7
    Examples: Deploy
      | stage   | before | store | after | led to |
      | exposed | 1.0    | redis | 1.0   | redis  |

    @canary @C4
    Examples: Canary
      | stage  | before | store | after | led to |
      | canary | 1.0    | redis | 2.0   | mysql  |

    @finalize @F1
    Examples: Finalize
      | stage      | before | store | after | led to |
      | cleaned-up | 2.0    | mysql | 2.0   | mysql  |
