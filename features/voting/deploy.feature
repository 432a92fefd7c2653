Feature: Deploy the application
  Version 1.0 of the voting app, its analytics and its storage run in a
  namespace of the mesh, and users reach the page through the ingress gateway.

  @deploy @D1 @own
  Scenario: Pods get a proxy from the moment the namespace is labelled
    Given a namespace of its own, not yet labelled, with a running pod
    When the namespace is labelled as in the tutorial and another pod is made
    Then the pod made before the label has no proxy
    And the pod made after the label has one

  @deploy @D1
  Scenario: The tutorial's namespace asks for injection
    When the tutorial is followed up to "namespace"
    Then the namespace carries the label "istio-injection" with the value "enabled"

  @deploy @D2
  Scenario: Step 1 creates exactly three Deployments and three Services
    Given the tutorial is followed up to "namespace"
    When the tutorial is followed on to "deployed"
    Then the command with "kubernetes/step-1-create-voting-app.yaml" printed
      """
      deployment.apps/voting-storage-1-0 created
      service/voting-storage created
      deployment.apps/voting-analytics-1-0 created
      service/voting-analytics created
      deployment.apps/voting-app-1-0 created
      service/voting-app created
      """
    And these are all the Deployments and Services of the namespace

  @deploy @D3
  Scenario: Every pod runs, whole and at the first attempt
    Given the tutorial is followed up to "deployed"
    When the pods are listed
    Then there are exactly these pods
      | app              | version | pods |
      | voting-app       | 1.0     | 3    |
      | voting-analytics | 1.0     | 1    |
      | voting-storage   | 1.0     | 1    |
    And each is 2/2, Running and has never been restarted
    And the table of "kubectl get pods -n {namespace}" says the same

  @deploy @D4
  Scenario: Every pod has a proxy that agrees with istiod
    Given the tutorial is followed up to "deployed"
    When each pod is described as in the tutorial
    Then every description shows the container "istio-proxy"
    And every proxy has taken over all its configuration from istiod

  @deploy @D5 @published
  Scenario: Gateway and VirtualService open the way in
    Given the tutorial is followed up to "deployed"
    And the page cannot be reached through the ingress
    When the tutorial is followed on to "exposed"
    Then the page is served through the ingress

  @deploy @D6 @published
  Scenario: The tutorial's command prints an address that answers
    Given the tutorial is followed up to "exposed"
    When the tutorial's command for the ingress address is run
    Then it prints an IP address
    And the page is served at that address

  @deploy @D7
  Scenario: The page is version 1.0 on Redis, with simple counts
    Given the tutorial is followed up to "exposed"
    When the page is viewed through the ingress
    Then it shows version "1.0" and store "redis"
    And its analytics are simple counts

  @deploy @D8
  Scenario: Each vote adds one to its own category, everywhere
    Given the tutorial is followed up to "exposed"
    And all votes are reset
    When these votes are cast one by one: "Cats, Dogs, Cats, Cats, Dogs"
    Then each vote added exactly one to its own category
    And all app pods and Redis itself count 3 cats and 2 dogs

  @deploy @D8
  Scenario: Reset sets all counts to zero
    Given the tutorial is followed up to "exposed"
    And these votes are cast one by one: "Dogs, Cats"
    When all votes are reset
    Then all app pods and Redis itself count 0 cats and 0 dogs
