Feature: Roll out a canary release
  Version 2.0 of all components runs beside 1.0, for users who hold the feature
  flag, and keeps its votes in MySQL. A workload's stack is what it may call: of
  the old one app 1.0, analytics 1.1 and Redis, of the new one app 2.0,
  analytics 2.0 and MySQL.

  @canary @C3
  Scenario: Holders of the flag get only 2.0, and everyone else only 1.0
    Given stage "canary"
    And a sample that finds 1 % wrong answers with a probability of 99.9 %
    When page views of users with the flag and users without the flag are sampled through the ingress
    Then every answer to users with the flag shows version "2.0"
    And every answer to users without the flag shows version "1.0"

  @canary @C3
  Scenario: Nothing but the flag itself leads to 2.0, whatever else the Cookie header holds
    Given stage "canary"
    When 15 Cookie headers with the flag and 15 without it are sent for each near miss
    Then for each near miss 12 or more Cookie headers held the flag, and as many did not
    And every answer to users without the flag shows version "1.0"
    And every answer to users with the flag shows version "2.0"

  @canary @C3
  Scenario: The ingress gateway has one route to 2.0, and it asks for the cookie alone
    Given stage "canary"
    When the routes to "voting-app" are read from the ingress gateway
    Then each proxy has one route to "voting-app" other than "1.0", by header "cookie" alone

  @canary @C4
  Scenario: The toggle switches between 1.0 on Redis and 2.0 on MySQL
    Given stage "canary"
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
    Given stage "<stage>"
    When the flag is switched on and off in a browser, from a page at a nested path
    Then version "<sets>" set the flag cookie with a lifetime of 15 minutes and path "/"
    And the browser sent the flag for every page of the site
    And version "<clears>" cleared the flag, and the browser no longer sent the flag

    Examples:
      | stage      | sets | clears |
      | lock-down  | 1.0  | 1.0    |
      | canary     | 1.0  | 2.0    |
      | rolled-out | 2.0  | 2.0    |

  @canary @C2
  Scenario: Routing for 2.0 configures exactly what the tutorial lists
    Given stage "lock-down"
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

  @canary @C1
  Scenario: Routes for 2.0 come first, and users without the flag see no change
    Given stage "lock-down"
    And users without the flag view the page and vote throughout
    When the tutorial goes on to stage "canary-routed"
    Then no request that users made throughout failed
    And users without the flag saw version "1.0" alone throughout

  @canary @C1
  Scenario: Until 2.0 is there, every page without the flag is 1.0
    Given stage "canary-routed"
    And a sample that finds 1 % wrong answers with a probability of 99.9 %
    When page views of users with the flag and users without the flag are sampled through the ingress
    Then every answer to users without the flag shows version "1.0"

  @canary @C1 @finding
  Scenario: Until 2.0 is there, the flag leads to an error
    Given stage "canary-routed"
    And a sample that finds 1 % wrong answers with a probability of 99.9 %
    When page views of users with the flag are sampled through the ingress
    Then every answer to users with the flag shows status 503

  @canary @C2
  Scenario: Step 3 configures and creates exactly what the tutorial lists
    Given stage "canary-routed"
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
  Scenario: All that step 3 brings gets ready
    Given stage "canary"
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
    And the table of "kubectl get pods -n {namespace}" lists the pods as the API server has them
    And the claim "mysql-pv-claim" is Bound, and the pod of storage 2.0 mounts no other claim
    And the Service "voting-storage" has exactly these ready endpoints
      | port | workload           |
      | 6379 | voting-storage 1.0 |
      | 3306 | voting-storage 2.0 |
    And the readiness probe of storage 2.0 fails with a wrong password or database, and else succeeds

  @canary @C5
  Scenario: A vote in one version never shows in the other
    Given stage "canary"
    And all votes of version "1.0" are reset
    And all votes of version "2.0" are reset
    When votes are cast in turn
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
    Given stage "canary"
    And 5 votes are cast in version "2.0"
    When mysqld gets SIGKILL and its pod is deleted while more votes are cast, until a new pod runs
    Then MySQL holds every acknowledged vote exactly once
    And every vote that was not stored was answered with 503 and a page that names the storage
    And a MySQL pod other than the deleted one mounts the claim "mysql-pv-claim"
    And the page of version "2.0" counts the votes that MySQL holds

  @canary @C6 @needs-access-log @needs-denial-counts
  Scenario: Every workload reaches whom the tutorial's diagram lets it reach, and nobody else
    Given stage "canary"
    And users without the flag reach app 1.0, and users with the flag reach app 2.0
    And a test workload without an AuthorizationPolicy
    When each workload calls every port of every workload, by a test Service for the called workload
    Then the test workload without an AuthorizationPolicy answers each workload, in every protocol
    And each call that the tutorial's diagram allows is answered by a workload of the caller's stack
    And each call that the diagram forbids is denied by policy, and counted by the called proxy

  @canary @C6 @needs-access-log @needs-denial-counts
  Scenario: By the tutorial's own names every workload reaches its own stack, and nobody else
    Given stage "canary"
    When each workload calls every port of each of the tutorial's Services
    Then each call that the tutorial's diagram allows is answered by a workload of the caller's stack
    And each call that the diagram forbids is denied and counted, or finds no route or endpoint

  @canary @C6 @needs-access-log @needs-denial-counts
  Scenario: Through the tutorial's Service, a workload that is not allowed to call MySQL receives no byte
    Given stage "canary"
    When each workload that is not allowed to call MySQL calls the tutorial's Service of MySQL
    Then no workload that is not allowed to call MySQL receives a byte from MySQL

  @canary @C6
  Scenario: The authorization policies that sidecars have loaded allow only callers of the tutorial's diagram, for any request
    Given stage "canary"
    When the authorization policies that the sidecars have loaded are read
    Then the policies allow only callers of the diagram, and the ingress gateway to call "voting-app"

  @canary @C6
  Scenario Outline: Every route to analytics that a sidecar has loaded leads its own app to the analytics of its own stack
    Given stage "canary"
    When the routes to "voting-analytics" are read from the sidecars of "<app>"
    Then every route to "voting-analytics" leads to version "<analytics>"

    Examples:
      | app            | analytics |
      | voting-app 1.0 | 1.1       |
      | voting-app 2.0 | 2.0       |

  @canary @C6 @finding @needs-access-log @needs-denial-counts
  Scenario: Through a Service that selects MySQL alone, a workload that is not allowed to call MySQL receives its greeting
    Given stage "canary"
    When each workload that is not allowed to call MySQL calls a test Service of MySQL
    Then each workload that is not allowed to call MySQL receives MySQL's greeting
