from __future__ import annotations

from typing import Any

import pytest

from meshproof.cluster.shape import DEFAULT
from meshproof.mesh.way_in import Occupant, occupants

INGRESS_SELECTOR = DEFAULT.gateway.selector
OWN = {"app.kubernetes.io/managed-by": "meshproof"}


def gateway(
    *hosts: str, namespace: str = "voting", selector: Any = None, **labels: Any
) -> dict[str, Any]:
    chosen = INGRESS_SELECTOR if selector is None else selector
    servers = [{"hosts": [host]} for host in hosts]
    metadata = {"name": "a", "namespace": namespace, "labels": labels}
    return {"metadata": metadata, "spec": {"selector": chosen, "servers": servers}}


@pytest.mark.parametrize("hosts", [["*"], ["one.example", "*"], ["*/*"], ["./*"], ["voting/*"]])
def test_a_gateway_for_any_host_is_one_however_it_says_so(hosts: list[str]) -> None:
    (found,) = occupants([gateway(*hosts, **OWN)], INGRESS_SELECTOR, ["voting-b"])
    assert found == Occupant("voting", "a", owned=True)
    assert str(found) == (
        "Gateway a in namespace voting leads any host in, and no run follows the tutorial there "
        "any more: `meshproof clean --namespace voting` takes it away."
    )


def test_whoever_else_made_it_is_not_told_to_clean_up() -> None:
    (found,) = occupants([gateway("*")], INGRESS_SELECTOR, [])
    assert not found.owned
    assert "Meshproof did not make it" in str(found)
    assert "clean" not in str(found)


@pytest.mark.parametrize(
    "selector", [{}, {"istio": "ingressgateway", "app": "x"}, {"app": "istio-ingressgateway"}]
)
def test_pods_that_both_may_choose_are_shared(selector: dict[str, str]) -> None:
    assert occupants([gateway("*", selector=selector)], INGRESS_SELECTOR, [])


@pytest.mark.parametrize(
    "other",
    [
        gateway("*", namespace="voting-b"),
        gateway("*.example", "voting/one.example"),
        gateway("*", selector={"istio": "egressgateway"}),
        {"metadata": {"name": "a", "namespace": "voting"}, "spec": {}},
    ],
)
def test_others_are_not_in_the_way(other: dict[str, Any]) -> None:
    assert occupants([other], INGRESS_SELECTOR, ["voting-b"]) == []
