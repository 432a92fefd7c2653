Feature: Traffic shifting
  Half of all page views get reviews v3, with red stars, then all of them do, and
  at last mutual TLS is enforced.

  @bookinfo @B3 @needs-pod-log
  Scenario: Half of all pages are of reviews v1, and half of v3
    Given the namespace is at stage "half-v3"
    And a sequential hypothesis test that distinguishes even shares from 60/40
    When product pages are sampled through the ingress until the sequential test has decided
    Then every answer to readers shows starless reviews or red stars
    And starless reviews and red stars each make up half of the answers
    And each version of reviews logged exactly as many requests as pages showed its reviews

  @bookinfo @B3
  Scenario: After the shift all users get reviews v3
    Given the namespace is at stage "all-v3"
    And a sample size that detects 1 % wrong answers with a probability of 99.9 %
    When product pages of jason and of everyone else are sampled alternately through the ingress
    Then every answer to jason shows red stars
    And every answer to everyone else shows red stars

  @bookinfo @B3 @full
  Scenario: After the shift every route of the sidecars to reviews leads to v3
    Given the namespace is at stage "all-v3"
    When the routes to "reviews" are read from all sidecars
    Then every route to "reviews" leads to version "v3"

  @bookinfo @B1 @B2 @B3 @full
  Scenario: No product page request fails during routing, fault injection and traffic shifting
    Given the namespace is at stage "subsets"
    And readers and jason view the product page during the whole scenario
    When the tutorial goes on to stage "strict"
    Then no request that users made during the scenario failed
    And readers saw only starless reviews, from stage "all-v1" until stage "half-v3"
    And readers saw only red stars, from stage "all-v3" on

  @bookinfo @B3 @baseline @full
  Scenario: Before mutual TLS is enforced, tls-check shows that mutual TLS is automatic
    Given the namespace is at stage "all-v3"
    When tls-check is run for "productpage, details, reviews, ratings" with any workload as the client
    Then tls-check prints these rows
      | HOST:PORT                                      | STATUS | SERVER    | CLIENT | AUTHN POLICY | DESTINATION RULE        |
      | productpage.{namespace}.svc.cluster.local:9080 | AUTO   | mTLS/HTTP | -      | -            | productpage/{namespace} |
      | details.{namespace}.svc.cluster.local:9080     | AUTO   | mTLS/HTTP | -      | -            | details/{namespace}     |
      | reviews.{namespace}.svc.cluster.local:9080     | AUTO   | mTLS/HTTP | -      | -            | reviews/{namespace}     |
      | ratings.{namespace}.svc.cluster.local:9080     | AUTO   | mTLS/HTTP | -      | -            | ratings/{namespace}     |

  @bookinfo @B3
  Scenario: Where mutual TLS is enforced, tls-check shows mutual TLS on both sides of every service
    Given the namespace is at stage "strict"
    When tls-check is run for "productpage, details, reviews, ratings" with any workload as the client
    Then tls-check prints these rows
      | HOST:PORT                                      | STATUS | SERVER | CLIENT | AUTHN POLICY        | DESTINATION RULE        |
      | productpage.{namespace}.svc.cluster.local:9080 | OK     | mTLS   | mTLS   | default/{namespace} | productpage/{namespace} |
      | details.{namespace}.svc.cluster.local:9080     | OK     | mTLS   | mTLS   | default/{namespace} | details/{namespace}     |
      | reviews.{namespace}.svc.cluster.local:9080     | OK     | mTLS   | mTLS   | default/{namespace} | reviews/{namespace}     |
      | ratings.{namespace}.svc.cluster.local:9080     | OK     | mTLS   | mTLS   | default/{namespace} | ratings/{namespace}     |

  @bookinfo @B3 @full @needs-pod-log
  Scenario: Where mutual TLS is enforced, v3 is the only version of reviews in use, according to the logs of the pods
    Given the namespace is at stage "strict"
    When 20 product pages are viewed by jason and 20 by another user
    Then the pods logged exactly these numbers of requests for the two users, and none for anybody else
      | workload   | jason | another user |
      | details v1 | 20    | 20           |
      | reviews v1 | 0     | 0            |
      | reviews v2 | 0     | 0            |
      | reviews v3 | 20    | 20           |
      | ratings v1 | 20    | 20           |

  @bookinfo @B3 @full @needs-access-log
  Scenario: Where mutual TLS is enforced, each call for a page carries its caller's own identity
    Given the namespace is at stage "strict"
    When 20 product pages are viewed by jason and 20 by another user
    Then the access logs of the servers' proxies show exactly these callers
      | caller               | server         | protocol | identity                                                                  |
      | istio-ingressgateway | productpage v1 | HTTP     | spiffe://{domain}/ns/istio-system/sa/istio-ingressgateway-service-account |
      | productpage v1       | details v1     | HTTP     | spiffe://{domain}/ns/{namespace}/sa/bookinfo-productpage                  |
      | productpage v1       | reviews v3     | HTTP     | spiffe://{domain}/ns/{namespace}/sa/bookinfo-productpage                  |
      | reviews v3           | ratings v1     | HTTP     | spiffe://{domain}/ns/{namespace}/sa/bookinfo-reviews                      |

  @bookinfo @B3 @full @needs-request-counts @needs-refusal-counts
  Scenario: Once mutual TLS is enforced, a client outside the mesh is refused by all of Bookinfo
    Given the namespace is at stage "all-v3"
    And a client outside the mesh is served in plain text by every pod and every Service
    And the tutorial goes on to stage "strict"
    When the client outside the mesh calls every port of every pod and every Service in plain text
    Then every port accepts the TCP connection of the client outside the mesh and sends no byte
    And the servers' proxies count each attempt as refused by mutual TLS and forward no byte
