Feature: Mutual TLS
  What the live proxies have loaded, on both sides of every call, is mutual TLS.

  @mtls @T1
  Scenario: Before lock-down mutual TLS is automatic, and nothing demands it
    Given the tutorial is followed up to "updated"
    When tls-check is run for "voting-app", "voting-analytics" and "voting-storage"
    Then it prints these rows
      | HOST:PORT                                           | STATUS | SERVER    | CLIENT | AUTHN POLICY | DESTINATION RULE |
      | voting-app.{namespace}.svc.cluster.local:8080       | AUTO   | mTLS/HTTP | -      | -            | -                |
      | voting-analytics.{namespace}.svc.cluster.local:8080 | AUTO   | mTLS/HTTP | -      | -            | -                |
      | voting-storage.{namespace}.svc.cluster.local:6379   | AUTO   | mTLS/HTTP | -      | -            | -                |

  @mtls @T1
  Scenario: After lock-down tls-check shows mutual TLS on both sides of every service
    Given the tutorial is followed up to "lock-down"
    When tls-check is run for "voting-app", "voting-analytics" and "voting-storage"
    Then it prints these rows
      | HOST:PORT                                           | STATUS | SERVER | CLIENT | AUTHN POLICY        | DESTINATION RULE             |
      | voting-app.{namespace}.svc.cluster.local:8080       | OK     | mTLS   | mTLS   | default/{namespace} | voting-app/{namespace}       |
      | voting-analytics.{namespace}.svc.cluster.local:8080 | OK     | mTLS   | mTLS   | default/{namespace} | voting-analytics/{namespace} |
      | voting-storage.{namespace}.svc.cluster.local:6379   | OK     | mTLS   | mTLS   | default/{namespace} | voting-storage/{namespace}   |
