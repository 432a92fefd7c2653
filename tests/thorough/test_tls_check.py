"""tls-check on the mesh: every row of the truth table, and every rule of precedence.

Beside them what would take CI long, or changes istiod's own namespace; all else, and one of each of
these: ``tests/live/test_tls_check.py``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from meshproof.cluster.cluster import Cluster
from meshproof.progress import Progress
from meshproof.tls.modes import Status
from meshproof.waiting import PROXIES_SYNCED, converge
from tests.tls_field import (
    GATEWAY,
    NAMESPACE,
    OUTCOMES,
    PRECEDENCE,
    Field,
    policy,
    rule,
    tls_field,
)

#: The namespace is that of tests/live, too.
pytestmark = pytest.mark.exclusive


@pytest.fixture(scope="module")
def field(cluster: Cluster, progress: Progress) -> Iterator[Field]:
    with tls_field(cluster, progress, "lost") as found:
        # Envoy speaks to istiod through the agent. istiod gives up on one that is silent after
        # 40 s: the last test finds it gone.
        found.signal("lost", "pilot-agent", "STOP")
        yield found


@pytest.mark.parametrize(("server", "client"), OUTCOMES)
def test_the_truth_table(field: Field, server: str, client: str | None) -> None:
    field.hold(server, client)


@pytest.mark.parametrize("case", PRECEDENCE)
def test_what_counts_is_what_istiod_made_of_it(field: Field, case: str) -> None:
    """Names and modes; where Istio's own code and istiod disagreed, this would be drift."""
    field.hold_precedence(case)


def test_a_rule_for_a_gateway_in_its_own_namespace_comes_first(field: Field) -> None:
    gateways = rule(
        "ISTIO_MUTUAL",
        f"{NAMESPACE}-gateways",
        host=f"server.{NAMESPACE}.svc.cluster.local",
        workloadSelector={"matchLabels": {"istio": "ingressgateway"}},
    )
    gateways["metadata"]["namespace"] = "istio-system"
    gateways["metadata"]["annotations"] = field.cluster.ownership["annotations"]
    name = gateways["metadata"]["name"]
    kubectl = ("kubectl", "-n", "istio-system")
    field.apply(policy("STRICT"), rule("ISTIO_MUTUAL"))
    field.await_row("OK", "mTLS", "mTLS", f"default/{NAMESPACE}", f"server/{NAMESPACE}")
    field.cluster.command(*kubectl, "apply", "-f", "-", stdin=json.dumps(gateways))
    try:
        row = field.await_row(
            "OK", "mTLS", "mTLS", f"default/{NAMESPACE}", f"{name}/istio-system", client=GATEWAY
        )
        assert row.notes == ()
    finally:
        field.cluster.command(*kubectl, "delete", "destinationrule", name)


def test_a_proxy_that_is_not_connected_is_drift(field: Field) -> None:
    (row,) = converge(
        lambda: field.ask("lost")[0].rows,
        until=lambda rows: "not connected" in str(rows[0]),
        what="istiod has given the silent proxy up",
        timeout=PROXIES_SYNCED,
    ).value
    assert row.status is Status.DRIFT
    assert row.notes[0] == (
        f"the proxy of server {field.pod('lost')}.{NAMESPACE} is not connected to istiod: "
        "it gets no changes"
    )
