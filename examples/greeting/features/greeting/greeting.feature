Feature: A greeting and its canary
  A page says hello in two versions, and testers see the second one first.

  @greet @G1
  Scenario: Both versions of the greeting run with a proxy
    Given the namespace is at stage "deployed"
    When the pods are listed
    Then there are exactly these pods
      | app      | version | pods |
      | greeting | v1      | 1    |
      | greeting | v2      | 1    |
    And every pod is 2/2, Running and was never restarted
    And every proxy is in sync with istiod

  @greet @G1
  Scenario: The greeting is out of reach until its Gateway is applied
    Given the namespace is at stage "deployed"
    And 20 requests through the ingress get a 404 or no answer
    When the tutorial goes on to stage "exposed"
    Then a request through the ingress gets the page with 200

  @canary @G2
  Scenario: Testers get version 2, and nobody else does
    Given the namespace is at stage "canary"
    And a sample size that detects 1 % wrong answers with a probability of 99.9 %
    When greetings are asked for by testers and by everyone else
    Then every answer to testers shows version "v2"
    And every answer to everyone else shows version "v1"
