Feature: Deploy Bookinfo
  All components of Bookinfo run in a namespace of the mesh, reviews in three
  versions, and users reach the product page through the ingress gateway.

  @bookinfo @B1
  Scenario: Bookinfo's file creates exactly what the tutorial lists
    Given the namespace is at stage "namespace"
    And the objects of the namespace are listed
    When the tutorial goes on to stage "deployed"
    Then the commands with "platform/kube/bookinfo.yaml" printed exactly these lines, in this order
      """
      service/details created
      serviceaccount/bookinfo-details created
      deployment.apps/details-v1 created
      service/ratings created
      serviceaccount/bookinfo-ratings created
      deployment.apps/ratings-v1 created
      service/reviews created
      serviceaccount/bookinfo-reviews created
      deployment.apps/reviews-v1 created
      deployment.apps/reviews-v2 created
      deployment.apps/reviews-v3 created
      service/productpage created
      serviceaccount/bookinfo-productpage created
      deployment.apps/productpage-v1 created
      """
    And the namespace has no new objects but those printed as created

  @bookinfo @B1
  Scenario: Every component of Bookinfo runs with a proxy, reviews in three versions
    Given the namespace is at stage "deployed"
    When the pods are listed
    Then there are exactly these pods
      | app         | version | pods |
      | productpage | v1      | 1    |
      | details     | v1      | 1    |
      | reviews     | v1      | 1    |
      | reviews     | v2      | 1    |
      | reviews     | v3      | 1    |
      | ratings     | v1      | 1    |
    And every pod is 2/2, Running and was never restarted
    And every proxy is in sync with istiod

  @bookinfo @B1
  Scenario: Bookinfo's Gateway and VirtualService make the product page reachable through the ingress
    Given the namespace is at stage "deployed"
    And 20 requests through the ingress get a 404 or no answer
    When the tutorial goes on to stage "exposed"
    Then a request through the ingress gets the page with 200

  @bookinfo @B3 @last @long @needs-listing
  Scenario: Deleting the tutorial's namespaces leaves nothing of Bookinfo in the cluster
    Given all objects and volumes of the cluster were listed before the tutorial was followed
    And the namespace is at stage "strict"
    And the cluster holds objects of the tutorial
    When all namespaces of the tutorial are deleted
    Then the cluster holds the same objects and volume directories as were listed
