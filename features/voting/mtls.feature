Feature: Mutual TLS
  The proxies on both sides of every call have loaded a configuration with mutual TLS.

  @mtls @T1 @baseline @full
  Scenario: Before lock-down mutual TLS is automatic and not enforced
    Given the namespace is at stage "updated"
    When tls-check is run for "voting-app, voting-analytics, voting-storage" with any workload as the client
    Then tls-check prints these rows
      | HOST:PORT                                           | STATUS | SERVER    | CLIENT | AUTHN POLICY | DESTINATION RULE |
      | voting-app.{namespace}.svc.cluster.local:8080       | AUTO   | mTLS/HTTP | -      | -            | -                |
      | voting-analytics.{namespace}.svc.cluster.local:8080 | AUTO   | mTLS/HTTP | -      | -            | -                |
      | voting-storage.{namespace}.svc.cluster.local:6379   | AUTO   | mTLS/HTTP | -      | -            | -                |

  @mtls @T1 @full
  Scenario: After lock-down tls-check shows mutual TLS on both sides of every service
    Given the namespace is at stage "lock-down"
    When tls-check is run for "voting-app, voting-analytics, voting-storage" with any workload as the client
    Then tls-check prints these rows
      | HOST:PORT                                           | STATUS | SERVER | CLIENT | AUTHN POLICY        | DESTINATION RULE             |
      | voting-app.{namespace}.svc.cluster.local:8080       | OK     | mTLS   | mTLS   | default/{namespace} | voting-app/{namespace}       |
      | voting-analytics.{namespace}.svc.cluster.local:8080 | OK     | mTLS   | mTLS   | default/{namespace} | voting-analytics/{namespace} |
      | voting-storage.{namespace}.svc.cluster.local:6379   | OK     | mTLS   | mTLS   | default/{namespace} | voting-storage/{namespace}   |

  @mtls @T1
  Scenario Outline: During the canary tls-check shows mutual TLS on both sides of every port of a service
    Given the namespace is at stage "canary"
    When tls-check is run for "voting-app, voting-analytics, voting-storage" with "<client>" as the client
    Then tls-check prints these rows
      | HOST:PORT                                           | STATUS | SERVER | CLIENT | AUTHN POLICY        | DESTINATION RULE             |
      | voting-app.{namespace}.svc.cluster.local:8080       | OK     | mTLS   | mTLS   | default/{namespace} | voting-app/{namespace}       |
      | voting-analytics.{namespace}.svc.cluster.local:8080 | OK     | mTLS   | mTLS   | default/{namespace} | voting-analytics/{namespace} |
      | voting-storage.{namespace}.svc.cluster.local:6379   | OK     | mTLS   | mTLS   | default/{namespace} | voting-storage/{namespace}   |
      | voting-storage.{namespace}.svc.cluster.local:3306   | OK     | mTLS   | mTLS   | default/{namespace} | voting-storage/{namespace}   |

    @full
    Examples: The old version
      | client         |
      | voting-app-1-0 |

    Examples: The new version
      | client         |
      | voting-app-2-0 |

  @mtls @T2 @full @needs-request-counts @needs-refusal-counts
  Scenario: A client outside the mesh that speaks plain text is refused
    Given the namespace is at stage "updated"
    And a client outside the mesh is served in plain text by every pod and every Service
    And the tutorial goes on to stage "lock-down"
    When the client outside the mesh calls every port of every pod and every Service in plain text
    Then every port accepts the TCP connection of the client outside the mesh and sends no byte
    And the servers' proxies count each attempt as refused by mutual TLS and forward no byte

  @mtls @T2 @needs-request-counts @needs-refusal-counts
  Scenario: A client outside the mesh is refused by version 2.0, including MySQL
    Given the namespace is at stage "canary"
    And a client outside the mesh reads the greeting of a MySQL server that has no proxy
    When the client outside the mesh calls every port of every pod and every Service in plain text
    Then every port accepts the TCP connection of the client outside the mesh and sends no byte
    And the servers' proxies count each attempt as refused by mutual TLS and forward no byte

  @mtls @T2 @full @needs-request-counts @needs-refusal-counts
  Scenario Outline: A client outside the mesh that speaks TLS without a certificate of the mesh is refused
    Given the namespace is at stage "<stage>"
    And a client outside the mesh with a certificate of the mesh is answered in TLS by all ports
    When the client outside the mesh calls every port of every pod and every Service in TLS without a certificate of the mesh
    Then every port accepts the TCP connection of the client outside the mesh and sends no byte
    And the servers' proxies count each attempt as refused by mutual TLS and forward no byte

    Examples:
      | stage     |
      | lock-down |
      | canary    |

  @mtls @T3 @full @needs-access-log
  Scenario: Each call carries the caller's own identity
    Given the namespace is at stage "lock-down"
    When 20 pages are viewed by users without the flag, and each client of a storage connects to it
    Then the access logs of the servers' proxies show exactly these callers
      | caller               | server               | protocol | identity                                                                  |
      | istio-ingressgateway | voting-app 1.0       | HTTP     | spiffe://{domain}/ns/istio-system/sa/istio-ingressgateway-service-account |
      | voting-app 1.0       | voting-analytics 1.1 | HTTP     | spiffe://{domain}/ns/{namespace}/sa/voting-app-1-0                        |
      | voting-app 1.0       | voting-storage 1.0   | TCP      | spiffe://{domain}/ns/{namespace}/sa/voting-app-1-0                        |
      | voting-analytics 1.1 | voting-storage 1.0   | TCP      | spiffe://{domain}/ns/{namespace}/sa/voting-analytics-1-1                  |

  @mtls @T3 @needs-access-log
  Scenario: In both stacks each call carries the caller's own identity, also each call to MySQL
    Given the namespace is at stage "canary"
    When 20 pages are viewed by users without the flag and users with the flag, and each client of a storage connects to it
    Then the access logs of the servers' proxies show exactly these callers
      | caller               | server               | protocol | identity                                                                  |
      | istio-ingressgateway | voting-app 1.0       | HTTP     | spiffe://{domain}/ns/istio-system/sa/istio-ingressgateway-service-account |
      | istio-ingressgateway | voting-app 2.0       | HTTP     | spiffe://{domain}/ns/istio-system/sa/istio-ingressgateway-service-account |
      | voting-app 1.0       | voting-analytics 1.1 | HTTP     | spiffe://{domain}/ns/{namespace}/sa/voting-app-1-0                        |
      | voting-app 1.0       | voting-storage 1.0   | TCP      | spiffe://{domain}/ns/{namespace}/sa/voting-app-1-0                        |
      | voting-analytics 1.1 | voting-storage 1.0   | TCP      | spiffe://{domain}/ns/{namespace}/sa/voting-analytics-1-1                  |
      | voting-app 2.0       | voting-analytics 2.0 | HTTP     | spiffe://{domain}/ns/{namespace}/sa/voting-app-2-0                        |
      | voting-app 2.0       | voting-storage 2.0   | TCP      | spiffe://{domain}/ns/{namespace}/sa/voting-app-2-0                        |
      | voting-analytics 2.0 | voting-storage 2.0   | TCP      | spiffe://{domain}/ns/{namespace}/sa/voting-analytics-2-0                  |

  @mtls @T5
  Scenario: Every proxy holds a certificate of the mesh, made out to its own service account
    Given the namespace is at stage "lock-down"
    And istiod's certificate chains to the root CA that istiod publishes in the namespace
    When the certificates that the proxies hold are read
    Then every certificate chains to the root CA of istiod, and its proxy trusts no other root
    And every certificate holds only its pod's identity, for client and server authentication
    And every certificate has a lifetime of 24 hours at most, and is not overdue for renewal
    And no two certificates have a serial number or a key in common
    And no proxy overrides Istio's default time of certificate renewal

  @mtls @T5 @own @long
  Scenario: Certificates are renewed before they expire, and calls go on
    Given a separate namespace whose certificates are valid for 20 seconds
    And an open connection between two pods of the separate namespace
    When the proxies of both pods have renewed their short-lived certificates
    Then every certificate was renewed with about half of its lifetime left, and with a new key
    And the renewed certificates have the root and the service accounts of the first ones
    And the open connection and a new connection get answers after the first certificates expired

  @mtls @T4 @needs-nodes
  Scenario: Nothing between pods can be read on the wire
    Given in a separate namespace without mutual TLS, captured packets show a vote's marker string
    And the namespace is at stage "lock-down"
    When votes with a marker string are cast while packets between pods are captured on the nodes
    Then the capture is complete, and holds connections between each of these pairs of workloads
      | from                 | to                   |
      | istio-ingressgateway | voting-app 1.0       |
      | voting-app 1.0       | voting-analytics 1.1 |
      | voting-app 1.0       | voting-storage 1.0   |
      | voting-analytics 1.1 | voting-storage 1.0   |
    And every captured connection is TLS
    And no captured packet holds the marker string
