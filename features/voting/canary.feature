Feature: Roll out a canary release
  Version 2.0 of all components runs beside 1.0, for users who hold the feature
  flag, and keeps its votes in MySQL. The old stack is app 1.0, analytics 1.1 and
  Redis; the new stack is app 2.0, analytics 2.0 and MySQL.

  @canary @C3
  Scenario: Users with the flag get only 2.0, and users without the flag get only 1.0
    Given the namespace is at stage "canary"
    And a sample size that detects 1 % wrong answers with a probability of 99.9 %
    When page views of users with the flag and users without the flag are sampled through the ingress
    Then every answer to users with the flag shows version "2.0"
    And every answer to users without the flag shows version "1.0"

  @canary @C3 @full
  Scenario: Nothing but the flag itself leads to 2.0, whatever else the Cookie header holds
    Given the namespace is at stage "canary"
    When 15 Cookie headers with and 15 without the flag are sent per near miss
    Then per near miss 12 or more headers held the flag and 12 or more did not
    And every answer to users without the flag shows version "1.0"
    And every answer to users with the flag shows version "2.0"

  @canary @C3
  Scenario: The ingress gateway has one route to 2.0, which matches the header cookie alone
    Given the namespace is at stage "canary"
    When the routes to "voting-app" are read from the ingress gateway
    Then each proxy has one route to "voting-app" not to "1.0", which matches "cookie" alone

  @canary @C4
  Scenario: The toggle switches between 1.0 on Redis and 2.0 on MySQL
    Given the namespace is at stage "canary"
    When "Cats, Feature flag, Dogs, Feature flag, Dogs" are clicked one by one in a browser
    Then the browser showed these pages
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
    Given the namespace is at stage "<stage>"
    When the flag is switched on and off in a browser, from a page at a nested path
    Then version "<sets>" set the flag cookie with a lifetime of 15 minutes and path "/"
    And the browser sent the flag for every page of the site
    And version "<clears>" cleared the flag, and the browser no longer sent the flag

    @full
    Examples: Before and after
      | stage      | sets | clears |
      | lock-down  | 1.0  | 1.0    |
      | rolled-out | 2.0  | 2.0    |

    Examples: Canary
      | stage      | sets | clears |
      | canary     | 1.0  | 2.0    |

  @canary @C2 @full
  Scenario: Routing for 2.0 configures exactly what the tutorial lists
    Given the namespace is at stage "lock-down"
    When the tutorial goes on to stage "canary-routed"
    Then the commands with "istio/step-3-add-routing-for-2.0-components.yaml" printed exactly these lines, in any order
      """
      destinationrule.networking.istio.io/voting-app configured
      virtualservice.networking.istio.io/voting-app configured
      destinationrule.networking.istio.io/voting-analytics configured
      virtualservice.networking.istio.io/voting-analytics configured
      destinationrule.networking.istio.io/voting-storage configured
      virtualservice.networking.istio.io/voting-storage configured
      """

  @canary @C1 @full
  Scenario: Adding the routes for 2.0 before its pods changes nothing for users without the flag
    Given the namespace is at stage "lock-down"
    And users without the flag view the page and vote during the whole scenario
    When the tutorial goes on to stage "canary-routed"
    Then no request that users made during the scenario failed
    And users without the flag saw only version "1.0", during the whole scenario

  @canary @C1
  Scenario: Until the pods of 2.0 exist, users without the flag get only 1.0
    Given the namespace is at stage "canary-routed"
    And a sample size that detects 1 % wrong answers with a probability of 99.9 %
    When page views of users with the flag and users without the flag are sampled through the ingress
    Then every answer to users without the flag shows version "1.0"

  @canary @C1 @finding
  Scenario: Until the pods of 2.0 exist, users with the flag get an error
    Given the namespace is at stage "canary-routed"
    And a sample size that detects 1 % wrong answers with a probability of 99.9 %
    When page views of users with the flag are sampled through the ingress
    Then every answer to users with the flag shows status 503

  @canary @C2
  Scenario: The Kubernetes file of step 3 configures and creates exactly what the tutorial lists
    Given the namespace is at stage "canary-routed"
    And the objects of the namespace are listed
    When the tutorial goes on to stage "canary"
    Then the commands with "kubernetes/step-3-update-voting-app-with-new-storage.yaml" printed exactly these lines, in this order
      """
      service/voting-storage configured
      secret/voting-storage-secret created
      deployment.apps/voting-storage-2-0 created
      persistentvolumeclaim/mysql-pv-claim created
      deployment.apps/voting-analytics-2-0 created
      deployment.apps/voting-app-2-0 created
      """
    And the namespace has no new objects but those printed as created

  @canary @C2
  Scenario: All pods and endpoints that step 3 creates become ready
    Given the namespace is at stage "canary"
    When the pods are listed
    Then there are exactly these pods
      | app              | version | pods |
      | voting-app       | 1.0     | 3    |
      | voting-analytics | 1.0     | 1    |
      | voting-analytics | 1.1     | 1    |
      | voting-storage   | 1.0     | 1    |
      | voting-app       | 2.0     | 3    |
      | voting-analytics | 2.0     | 1    |
      | voting-storage   | 2.0     | 1    |
    And every pod is 2/2, Running and was never restarted
    And the table that "kubectl get pods -n {namespace}" prints matches the pods that the API server lists
    And the claim "mysql-pv-claim" is Bound, and the pod of storage 2.0 mounts no other claim
    And the Service "voting-storage" has exactly these ready endpoints
      | port | workload           |
      | 6379 | voting-storage 1.0 |
      | 3306 | voting-storage 2.0 |
    And the readiness probe of storage 2.0 fails with a wrong password or database, and else succeeds

  @canary @C5
  Scenario: A vote cast in one version is never counted by the other version
    Given the namespace is at stage "canary"
    And all votes of version "1.0" are reset
    And all votes of version "2.0" are reset
    When votes are cast one after the other
      | version | vote |
      | 1.0     | Cats |
      | 2.0     | Dogs |
      | 2.0     | Dogs |
      | 1.0     | Cats |
      | 1.0     | Dogs |
      | 2.0     | Cats |
      | 2.0     | Dogs |
    Then Redis holds just the votes cast in 1.0
    And MySQL holds just the votes cast in 2.0
    And after each vote the page of each version counted only the votes of that version

  @canary @C7 @long
  Scenario: The votes of 2.0 outlive the MySQL pod
    Given the namespace is at stage "canary"
    And 5 votes are cast in version "2.0"
    When mysqld is killed and its pod deleted while votes are cast until a new pod runs
    Then MySQL holds every acknowledged vote exactly once
    And every vote that was not stored was answered with 503 and a page that names the storage
    And a MySQL pod other than the deleted one mounts the claim "mysql-pv-claim"
    And the page of version "2.0" counts the votes that MySQL holds

  @canary @C6 @full @needs-access-log @needs-denial-counts
  Scenario: Every workload reaches exactly the workloads that the tutorial's diagram allows
    Given the namespace is at stage "canary"
    And users without the flag reach app 1.0, and users with the flag reach app 2.0
    And a test workload without an AuthorizationPolicy
    When each workload calls every port of every workload, through a test Service for each
    Then the test workload without an AuthorizationPolicy answers each workload, in every protocol
    And each call that the tutorial's diagram allows is answered by a workload of the caller's stack
    And each call that the diagram does not show is denied by policy and counted by the server's proxy

  @canary @C6 @needs-access-log @needs-denial-counts
  Scenario: Through the tutorial's Services every workload reaches its own stack and no other
    Given the namespace is at stage "canary"
    When each workload calls every port of each of the tutorial's Services
    Then each call that the tutorial's diagram allows is answered by a workload of the caller's stack
    And each call that the diagram does not show is denied and counted, or has no route or endpoint

  @canary @C6 @full @needs-access-log @needs-denial-counts
  Scenario: Through the tutorial's Service, a workload that is not allowed to call MySQL receives no byte
    Given the namespace is at stage "canary"
    When each workload that is not allowed to call MySQL calls the tutorial's Service of MySQL
    Then no workload that is not allowed to call MySQL receives a byte from MySQL

  @canary @C6
  Scenario: Whatever the request, the loaded authorization policies allow only callers of the tutorial's diagram
    Given the namespace is at stage "canary"
    When the authorization policies that the sidecars have loaded are read
    Then the policies allow only callers of the diagram, and the ingress gateway to call "voting-app"

  @canary @C6 @full
  Scenario Outline: Every route to analytics in an app's sidecar leads to the analytics of the app's stack
    Given the namespace is at stage "canary"
    When the routes to "voting-analytics" are read from the sidecars of "<app>"
    Then every route to "voting-analytics" leads to version "<analytics>"

    Examples:
      | app            | analytics |
      | voting-app 1.0 | 1.1       |
      | voting-app 2.0 | 2.0       |

  @canary @C6 @finding @needs-access-log @needs-denial-counts
  Scenario: Through a Service of MySQL alone, a workload that is not allowed to call MySQL receives MySQL's greeting
    Given the namespace is at stage "canary"
    When each workload that is not allowed to call MySQL calls a test Service of MySQL
    Then each workload that is not allowed to call MySQL receives MySQL's greeting
