"""Finding the shape of a mesh by what runs: what is chosen, and what is left to the user."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes.client.exceptions import ApiException

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.shape import DEFAULT, GatewayShape
from meshproof.errors import EnvironmentBroken, UsageFailure
from meshproof.mesh import discovery
from meshproof.mesh.discovery import (
    DEPLOYMENTS,
    SERVICES,
    WEBHOOKS,
    Asked,
    find_control_plane,
    find_gateway,
)

NOTHING = Asked()
Answers = dict[str, list[dict[str, Any]]]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """What the API server lists, by path; a path with a name in it leads to one object."""
    found: Answers = {DEPLOYMENTS: [], SERVICES: [], WEBHOOKS: []}

    def get(_: Cluster, path: str) -> Any:
        if "/services/" in path:
            if path not in found:
                raise ApiException(status=404)
            return found[path][0]
        return {"items": found[path]}

    monkeypatch.setattr(discovery, "get", get)
    return found


def istiod(namespace: str, revision: str | None = None) -> dict[str, Any]:
    name = f"istiod-{revision}" if revision else "istiod"
    labels = {"app": "istiod", "istio.io/rev": revision or "default"}
    return {"metadata": {"namespace": namespace, "name": name, "labels": labels}}


def tag(name: str, revision: str) -> dict[str, Any]:
    return {"metadata": {"labels": {"istio.io/tag": name, "istio.io/rev": revision}}}


def add_gateway(
    answers: Answers,
    namespace: str,
    name: str,
    *,
    selector: dict[str, str] | None = None,
    kind: str = "LoadBalancer",
    ports: tuple[int, ...] = (15021, 80),
    revision: str | None = "default",
    role: str = "router",
    account: str = "gateway-account",
    pods: int = 1,
) -> dict[str, Any]:
    chosen = {"app": name, "istio": name} if selector is None else selector
    service = {
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"type": kind, "selector": chosen, "ports": [{"port": port} for port in ports]},
    }
    said = {"istio.io/rev": revision} if revision else {}
    pod = {
        "metadata": {
            "name": f"{name}-deployed-5f-x",
            "labels": {**chosen, **said, "pod-template-hash": "5f"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": f"{name}-deployed-5f"}],
        },
        "spec": {
            "serviceAccountName": account,
            "containers": [{"name": "istio-proxy", "args": ["proxy", role, "--domain"]}],
        },
    }
    answers[SERVICES].append(service)
    answers[f"/api/v1/namespaces/{namespace}/services/{name}"] = [service]
    query = "%2C".join(f"{key}%3D{value}" for key, value in chosen.items())
    answers[f"/api/v1/namespaces/{namespace}/pods?labelSelector={query}"] = [pod] * pods
    return service


def test_an_istio_as_istioctl_installs_it_has_the_tutorials_shape(
    answers: Answers, cluster: Cluster
) -> None:
    answers[DEPLOYMENTS] = [istiod("istio-system")]
    add_gateway(
        answers, "istio-system", "istio-ingressgateway",
        selector={"app": "istio-ingressgateway", "istio": "ingressgateway"},
        account="istio-ingressgateway-service-account",
    )  # fmt: skip
    add_gateway(
        answers, "istio-system", "istio-egressgateway", kind="ClusterIP",
        selector={"app": "istio-egressgateway", "istio": "egressgateway"},
    )  # fmt: skip
    found = find_control_plane(cluster, NOTHING)
    assert found == DEFAULT
    gateway = find_gateway(cluster, found, NOTHING).shape
    assert gateway.deployment == "istio-ingressgateway-deployed"
    assert (gateway.service, gateway.labels, gateway.principal) == (
        DEFAULT.gateway.service,
        DEFAULT.gateway.labels,
        DEFAULT.gateway.principal,
    )


def test_the_shape_of_akss_addon_is_found(answers: Answers, cluster: Cluster) -> None:
    answers[DEPLOYMENTS] = [istiod("aks-istio-system", "asm-1-22")]
    name = "aks-istio-ingressgateway-external"
    add_gateway(answers, "aks-istio-ingress", name, revision="asm-1-22", account=name)
    mesh = find_control_plane(cluster, NOTHING)
    assert (mesh.namespace, mesh.revision, mesh.deployment) == (
        "aks-istio-system",
        "asm-1-22",
        "istiod-asm-1-22",
    )
    assert find_gateway(cluster, mesh, NOTHING).shape == GatewayShape(
        "aks-istio-ingress", name, f"{name}-deployed", (("istio", name),), name
    )


def test_without_an_istiod_there_is_no_mesh(answers: Answers, cluster: Cluster) -> None:
    with pytest.raises(EnvironmentBroken, match="There is no istiod on the cluster"):
        find_control_plane(cluster, Asked(revision="x"))


TWO = [istiod("istio-system", "1-30"), istiod("istio-system", "1-31"), istiod("other", "1-31")]


@pytest.mark.parametrize("asked", [NOTHING, Asked(revision="1-31"), Asked("istio-system")])
def test_of_several_revisions_one_must_be_named(
    answers: Answers, cluster: Cluster, asked: Asked
) -> None:
    answers[DEPLOYMENTS] = TWO
    with pytest.raises(UsageFailure, match=r"more than one istiod.*1-30 in istio-system.*other"):
        find_control_plane(cluster, asked)


@pytest.mark.parametrize(
    ("asked", "place"),
    [
        (Asked(revision="1-30"), ("istio-system", "1-30", "")),
        (Asked("other"), ("other", "1-31", "")),
        (Asked("istio-system", "1-31"), ("istio-system", "1-31", "")),
        (Asked(revision="stable"), ("istio-system", "1-30", "stable")),
    ],
)
def test_one_is_named_by_revision_tag_or_namespace(
    answers: Answers, cluster: Cluster, asked: Asked, place: tuple[str, str, str]
) -> None:
    answers[DEPLOYMENTS], answers[WEBHOOKS] = TWO, [tag("stable", "1-30")]
    found = find_control_plane(cluster, asked)
    assert (found.namespace, found.revision, found.tag) == place


@pytest.mark.parametrize(
    "asked", [Asked(revision="1-29"), Asked("nowhere"), Asked("other", "1-30")]
)
def test_one_that_is_not_there_is_refused_with_those_that_are(
    answers: Answers, cluster: Cluster, asked: Asked
) -> None:
    answers[DEPLOYMENTS] = TWO
    with pytest.raises(UsageFailure, match=r"No istiod is as .*1-30 in istio-system"):
        find_control_plane(cluster, asked)


def test_several_gateways_are_left_to_the_user(answers: Answers, cluster: Cluster) -> None:
    add_gateway(answers, "a", "one")
    add_gateway(answers, "b", "two", kind="NodePort")
    with pytest.raises(UsageFailure, match=r"more than one ingress gateway \(a/one.*b/two\)"):
        find_gateway(cluster, DEFAULT, NOTHING)
    assert find_gateway(cluster, DEFAULT, Asked(ingress="b/two")).name == "b/two"


@pytest.mark.parametrize(
    "other",
    [
        {"kind": "ClusterIP"},
        {"ports": (443, 15443)},
        {"role": "sidecar"},
        {"revision": "another"},
        {"selector": {"gateway.networking.k8s.io/gateway-name": "theirs"}},
        {"selector": {}},
        {"pods": 0},
    ],
    ids=str,
)
def test_what_is_no_way_in_for_the_tutorial_does_not_count(
    answers: Answers, cluster: Cluster, other: dict[str, Any]
) -> None:
    add_gateway(answers, "a", "one")
    add_gateway(answers, "b", "two", **other)
    assert find_gateway(cluster, DEFAULT, NOTHING).name == "a/one"


def test_one_within_the_cluster_counts_where_none_leads_in(
    answers: Answers, cluster: Cluster
) -> None:
    add_gateway(answers, "a", "one", kind="ClusterIP")
    add_gateway(answers, "b", "not-istios", role="sidecar")
    assert find_gateway(cluster, DEFAULT, NOTHING).name == "a/one"


def test_a_gateway_that_says_nothing_of_its_revision_may_be_any_ones(
    answers: Answers, cluster: Cluster
) -> None:
    add_gateway(answers, "a", "one", revision=None)
    assert find_gateway(cluster, DEFAULT, NOTHING).name == "a/one"


def test_without_a_gateway_there_is_no_way_in(answers: Answers, cluster: Cluster) -> None:
    with pytest.raises(EnvironmentBroken, match="The mesh has no ingress gateway"):
        find_gateway(cluster, DEFAULT, NOTHING)


def test_a_gateway_that_is_named_must_be_one(answers: Answers, cluster: Cluster) -> None:
    with pytest.raises(UsageFailure, match="There is no Service a/none"):
        find_gateway(cluster, DEFAULT, Asked(ingress="a/none"))
    add_gateway(answers, "a", "app", role="sidecar")
    with pytest.raises(UsageFailure, match="leads to no pod of a gateway"):
        find_gateway(cluster, DEFAULT, Asked(ingress="a/app"))
    add_gateway(answers, "a", "other-port", ports=(8080,))
    assert find_gateway(cluster, DEFAULT, Asked(ingress="a/other-port")).shape.name == "other-port"
