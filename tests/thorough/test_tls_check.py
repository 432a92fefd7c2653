"""tls-check on the mesh: every row of the truth table, and every rule of precedence."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from meshproof.cluster.cluster import Cluster
from meshproof.progress import Progress
from meshproof.tls.modes import Status
from meshproof.waiting import PROXIES_SYNCED, converge
from tests.tls_field import (
    AT_PORT,
    GATEWAY,
    NAMESPACE,
    OUTCOMES,
    SECURITY,
    Field,
    Json,
    manifest,
    policy,
    rule,
    tls_field,
)


@pytest.fixture(scope="module")
def field(cluster: Cluster, progress: Progress) -> Iterator[Field]:
    with tls_field(cluster, progress) as found:
        yield found


@pytest.mark.parametrize(("server", "client"), OUTCOMES)
def test_the_truth_table(field: Field, server: str, client: str | None) -> None:
    field.hold(server, client)


def test_automatic_is_a_conflict_where_istiod_is_misled(field: Field) -> None:
    # istiod looks at the namespace's mode to decide for the client, not at the workload's.
    workloads_own = policy("STRICT", "own", selector={"matchLabels": {"app": "server"}})
    field.apply(policy("DISABLE"), workloads_own, rule(None))
    try:
        field.await_row("CONFLICT", "mTLS", "-", f"own/{NAMESPACE}")
        assert not field.answers()
    finally:
        field.delete("peerauthentication/own")


def test_a_subset_that_differs_has_a_row_of_its_own(field: Field) -> None:
    plain = {"name": "plain", "labels": {"app": "server"}}
    subsets = [plain | {"trafficPolicy": {"tls": {"mode": "DISABLE"}}}]
    field.apply(policy("STRICT"), rule("ISTIO_MUTUAL", subsets=subsets))
    field.await_row("OK", "mTLS", "mTLS")
    (table,) = field.ask("server")
    assert [row.columns[:2] for row in table.rows[1:]] == [
        (f"server.{NAMESPACE}.svc.cluster.local:6379|plain", "CONFLICT")
    ]


OF_SERVER = {"selector": {"matchLabels": {"app": "server"}}}
SUBSET = {"name": "all", "labels": {"app": "server"}}
#: Objects beside STRICT and ISTIO_MUTUAL, and the columns from STATUS on that they lead to.
PRECEDENCE: dict[str, tuple[list[Json], str]] = {
    "a port of a workload": (
        [policy("STRICT", "own", portLevelMtls={"6379": {"mode": "DISABLE"}}, **OF_SERVER)],
        "CONFLICT HTTP mTLS own/tls-check server/tls-check",
    ),
    "a workload without a mode": (
        [policy("UNSET", "own", **OF_SERVER)],
        "OK mTLS mTLS default/tls-check server/tls-check",
    ),
    "another workload": (
        [policy("DISABLE", "own", selector={"matchLabels": {"app": "client"}})],
        "OK mTLS mTLS default/tls-check server/tls-check",
    ),
    "a policy that says nothing": (
        [manifest(SECURITY, "PeerAuthentication", "empty", None)],
        "OK mTLS mTLS default/tls-check server/tls-check",
    ),
    "a younger policy": (
        [policy("DISABLE", "a-younger-one")],
        "OK mTLS mTLS default/tls-check server/tls-check",
    ),
    "a port of the rule": (
        [rule("ISTIO_MUTUAL", trafficPolicy={"tls": {"mode": "ISTIO_MUTUAL"}, **AT_PORT})],
        "AUTO mTLS - default/tls-check server/tls-check",
    ),
    "a port of a subset": (
        [rule("ISTIO_MUTUAL", subsets=[SUBSET | {"trafficPolicy": AT_PORT}])],
        "OK mTLS mTLS default/tls-check server/tls-check",
    ),
    "a wider host": (
        [rule("DISABLE", "a-wider-one", host="*.tls-check.svc.cluster.local")],
        "OK mTLS mTLS default/tls-check server/tls-check",
    ),
    "a younger rule": (
        [rule("DISABLE", "a-younger-one", subsets=[SUBSET])],
        "OK mTLS mTLS default/tls-check server/tls-check",
    ),
    "a younger rule for other namespaces' eyes, which is not merged": (
        [rule("ISTIO_MUTUAL", "later", exportTo=["."])],
        "OK mTLS mTLS default/tls-check later/tls-check",
    ),
    "a rule for the client": (
        [rule("DISABLE", "own", workloadSelector={"matchLabels": {"app": "client"}})],
        "CONFLICT mTLS HTTP default/tls-check own/tls-check",
    ),
    "a rule for another client": (
        [rule("DISABLE", "own", workloadSelector={"matchLabels": {"app": "server"}})],
        "OK mTLS mTLS default/tls-check server/tls-check",
    ),
}


@pytest.mark.parametrize("case", PRECEDENCE)
def test_what_counts_is_what_istiod_made_of_it(field: Field, case: str) -> None:
    """Names and modes; where Istio's own code and istiod disagreed, this would be drift."""
    manifests, columns = PRECEDENCE[case]
    field.apply(policy("STRICT"), rule("ISTIO_MUTUAL"))
    field.await_row("OK", "mTLS", "mTLS", "default/tls-check", "server/tls-check")
    # What is pushed with a change that can be seen is loaded when that is, seen or not.
    marker = rule("DISABLE", f"seen-{list(PRECEDENCE).index(case)}", host="client")
    field.apply(*manifests, marker)
    try:
        converge(
            lambda: field.look("client").client.loaded.rule,
            until=lambda name: name == f"{marker['metadata']['name']}/{NAMESPACE}",
            what="the client's proxy has the change",
            timeout=PROXIES_SYNCED,
        )
        field.await_row(*columns.split())
    finally:
        added = [m for m in (*manifests, marker) if m["metadata"]["name"] != "server"]
        field.delete(*(f"{m['kind']}/{m['metadata']['name']}" for m in added))


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


def test_a_header_before_tls_is_a_conflict_and_the_other_hosts_have_their_rows(
    field: Field,
) -> None:
    headed = {"tls": {"mode": "ISTIO_MUTUAL"}, "proxyProtocol": {"version": "V1"}}
    subset = {"name": "all", "labels": {"app": "server"}}
    field.apply(policy("STRICT"), rule(None, trafficPolicy=headed, subsets=[subset]))
    row = field.await_row("CONFLICT", "mTLS", "mTLS", f"default/{NAMESPACE}", f"server/{NAMESPACE}")
    assert row.notes[-1].endswith("begins each connection with a PROXY header (V1)")
    assert not field.answers()
    assert [bool(table.rows) for table in field.ask("bare", "server")] == [True, True]


def test_a_deployments_pods_are_those_that_it_made(field: Field) -> None:
    """All of these select their pods by expressions, and other pods come before by name."""
    row = field.look("server", client="server")
    assert row.client.pod.name == field.pod("server")


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
