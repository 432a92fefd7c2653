Feature: Deploy the application
  Version 1.0 of the voting app, its analytics and its storage run in a
  namespace of the mesh, and users reach the page through the ingress gateway.

  @deploy @D1 @own @full
  Scenario: Pods created after the namespace is labelled for injection have a proxy
    Given a pod in a separate namespace without the injection label has no proxy
    When the separate namespace gets the injection label
    Then a new pod in the separate namespace has a proxy

  @deploy @D1
  Scenario: The tutorial's namespace asks for injection
    When the tutorial goes on to stage "namespace"
    Then the namespace carries the label "istio-injection" with the value "enabled"

  @deploy @D2
  Scenario: Step 1 creates exactly three Deployments and three Services
    Given the namespace is at stage "namespace"
    And the objects of the namespace are listed
    When the tutorial goes on to stage "deployed"
    Then the commands with "kubernetes/step-1-create-voting-app.yaml" printed exactly these lines, in this order
      """
      deployment.apps/voting-storage-1-0 created
      service/voting-storage created
      deployment.apps/voting-analytics-1-0 created
      service/voting-analytics created
      deployment.apps/voting-app-1-0 created
      service/voting-app created
      """
    And the namespace has no new Deployments and Services but those printed as created

  @deploy @D3
  Scenario: Every pod runs, is ready and was never restarted
    Given the namespace is at stage "deployed"
    When the pods are listed
    Then there are exactly these pods
      | app              | version | pods |
      | voting-app       | 1.0     | 3    |
      | voting-analytics | 1.0     | 1    |
      | voting-storage   | 1.0     | 1    |
    And every pod is 2/2, Running and was never restarted
    And the table that "kubectl get pods -n {namespace}" prints matches the pods that the API server lists

  @deploy @D4
  Scenario: Every pod has a proxy that is in sync with istiod
    Given the namespace is at stage "deployed"
    When each pod is described by the tutorial's command
    Then every description shows the container "istio-proxy"
    And every proxy is in sync with istiod

  @deploy @D5 @published
  Scenario: Gateway and VirtualService make the page reachable through the ingress
    Given the namespace is at stage "deployed"
    And 20 requests through the ingress get a 404 or no answer
    When the tutorial goes on to stage "exposed"
    Then a request through the ingress gets the page with 200

  @deploy @D6 @published @needs-address
  Scenario: The tutorial's command prints an address that answers
    Given the namespace is at stage "exposed"
    When the tutorial's command for the ingress address is run
    Then the printed address is an IP address
    And a request to the printed address gets the page with 200

  @deploy @D7
  Scenario: The page is version 1.0 on Redis, with simple counts
    Given the namespace is at stage "exposed"
    When the page is viewed through the ingress
    Then the page of an app pod shows version "1.0" and store "redis"
    And the page shows analytics as simple counts, "Cats: n | Dogs: m"

  @deploy @D8
  Scenario: Each vote adds one to its own category in every app pod and in Redis
    Given the namespace is at stage "exposed"
    And all votes of version "1.0" are reset
    When 3 votes for cats and 2 votes for dogs are cast one after the other
    Then each vote added exactly one to its own category
    And every app pod and Redis count 3 cats and 2 dogs

  @deploy @D8 @full
  Scenario: Reset sets all counts to zero
    Given the namespace is at stage "exposed"
    And 2 votes for cats and 2 votes for dogs are cast one after the other
    When all votes of version "1.0" are reset
    Then every app pod and Redis count 0 cats and 0 dogs
