Feature: Mutual TLS
  What the live proxies have loaded, on both sides of every call, is mutual TLS.

  @mtls @T1
  Scenario: Before lock-down mutual TLS is automatic, and nothing demands it
    Given stage "updated"
    When tls-check is run for "voting-app, voting-analytics, voting-storage"
    Then tls-check prints these rows
      | HOST:PORT                                           | STATUS | SERVER    | CLIENT | AUTHN POLICY | DESTINATION RULE |
      | voting-app.{namespace}.svc.cluster.local:8080       | AUTO   | mTLS/HTTP | -      | -            | -                |
      | voting-analytics.{namespace}.svc.cluster.local:8080 | AUTO   | mTLS/HTTP | -      | -            | -                |
      | voting-storage.{namespace}.svc.cluster.local:6379   | AUTO   | mTLS/HTTP | -      | -            | -                |

  @mtls @T1
  Scenario: After lock-down tls-check shows mutual TLS on both sides of every service
    Given stage "lock-down"
    When tls-check is run for "voting-app, voting-analytics, voting-storage"
    Then tls-check prints these rows
      | HOST:PORT                                           | STATUS | SERVER | CLIENT | AUTHN POLICY        | DESTINATION RULE             |
      | voting-app.{namespace}.svc.cluster.local:8080       | OK     | mTLS   | mTLS   | default/{namespace} | voting-app/{namespace}       |
      | voting-analytics.{namespace}.svc.cluster.local:8080 | OK     | mTLS   | mTLS   | default/{namespace} | voting-analytics/{namespace} |
      | voting-storage.{namespace}.svc.cluster.local:6379   | OK     | mTLS   | mTLS   | default/{namespace} | voting-storage/{namespace}   |

  @mtls @T1
  Scenario Outline: Beside version 2.0 tls-check shows the same, and MySQL's port too
    Given stage "canary"
    When tls-check is run for "voting-app, voting-analytics, voting-storage" with "<client>" as the client
    Then tls-check prints these rows
      | HOST:PORT                                           | STATUS | SERVER | CLIENT | AUTHN POLICY        | DESTINATION RULE             |
      | voting-app.{namespace}.svc.cluster.local:8080       | OK     | mTLS   | mTLS   | default/{namespace} | voting-app/{namespace}       |
      | voting-analytics.{namespace}.svc.cluster.local:8080 | OK     | mTLS   | mTLS   | default/{namespace} | voting-analytics/{namespace} |
      | voting-storage.{namespace}.svc.cluster.local:6379   | OK     | mTLS   | mTLS   | default/{namespace} | voting-storage/{namespace}   |
      | voting-storage.{namespace}.svc.cluster.local:3306   | OK     | mTLS   | mTLS   | default/{namespace} | voting-storage/{namespace}   |

    Examples:
      | client         |
      | voting-app-1-0 |
      | voting-app-2-0 |

  @mtls @T2 @needs-request-counts @needs-refusal-counts
  Scenario: A client outside the mesh is refused in plain text
    Given stage "updated"
    And a client outside the mesh gets answers in plain text from every pod and every Service
    When the tutorial goes on to stage "lock-down"
    Then the same client connects, and in plain text gets not a byte
    And the proxies count each attempt as refused, and pass none on

  @mtls @T2 @needs-request-counts @needs-refusal-counts
  Scenario: A client outside the mesh is refused by version 2.0, too, and by MySQL
    Given stage "canary"
    And a client outside the mesh reads MySQL's kind of greeting in plain text, where no proxy is
    When it asks every pod and every Service in plain text
    Then it connects, and gets not a byte
    And the proxies count each attempt as refused, and pass none on

  @mtls @T2 @needs-request-counts @needs-refusal-counts
  Scenario Outline: A client outside the mesh is refused in TLS without a certificate of the mesh
    Given stage "<stage>"
    And a client outside the mesh is let in everywhere with a certificate of the mesh
    When it shows none, and one of its own making with the app's name in it
    Then it connects, and gets not a byte
    And the proxies count each attempt as refused, and pass none on

    Examples:
      | stage     |
      | lock-down |
      | canary    |

  @mtls @T3 @needs-access-log
  Scenario: Each call carries the caller's own identity
    Given stage "lock-down"
    When the page is viewed 20 times, and every app pod and analytics 1.1 open a connection to storage
    Then the servers' proxies saw these callers, and no others
      | caller               | server               | protocol | as                                                                        |
      | istio-ingressgateway | voting-app 1.0       | HTTP     | spiffe://{domain}/ns/istio-system/sa/istio-ingressgateway-service-account |
      | voting-app 1.0       | voting-analytics 1.1 | HTTP     | spiffe://{domain}/ns/{namespace}/sa/voting-app-1-0                        |
      | voting-app 1.0       | voting-storage 1.0   | TCP      | spiffe://{domain}/ns/{namespace}/sa/voting-app-1-0                        |
      | voting-analytics 1.1 | voting-storage 1.0   | TCP      | spiffe://{domain}/ns/{namespace}/sa/voting-analytics-1-1                  |

  @mtls @T3 @needs-access-log
  Scenario: In either stack each call carries the caller's own identity, those to MySQL too
    Given stage "canary"
    When the page is viewed 20 times without the flag and as often with it, and every pod that has a storage opens a connection to it
    Then the servers' proxies saw these callers, and no others
      | caller               | server               | protocol | as                                                                        |
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
    Given stage "lock-down"
    And the root that the namespace trusts, by which istiod itself is certified
    When the certificates that the proxies hold are read
    Then each is certified by that root, the only one that its proxy trusts
    And each is made out to its pod's own service account alone, for both ends of a call
    And each is good for a day at most, and not overdue for renewal
    And no two of them have a serial number or a key in common
    And no proxy is told to renew it at another time than Istio's own, half of its life

  @mtls @T5 @own @long
  Scenario: Certificates are renewed before they expire, and calls go on
    Given a namespace of its own, where certificates are good for 20 seconds
    And a connection that one of its pods has opened to the other
    When both proxies have renewed their certificates
    Then each was renewed in time, about half of its life before its end, with a key of its own
    And the new ones are of the same root, and made out to the same service accounts
    And once the old ones have expired, that connection still answers, and a new one does too

  @mtls @T4 @needs-nodes
  Scenario: Nothing between pods can be read on the wire
    Given mutual TLS is off in a namespace of its own, where captured packets show the marker of a vote
    And stage "lock-down"
    When votes with a marker are cast while the packets between pods are captured on the nodes
    Then the capture is whole, and holds what these workloads said to each other
      | from                 | to                   |
      | istio-ingressgateway | voting-app 1.0       |
      | voting-app 1.0       | voting-analytics 1.1 |
      | voting-app 1.0       | voting-storage 1.0   |
      | voting-analytics 1.1 | voting-storage 1.0   |
    And all of it is TLS
    And the marker is nowhere in it
