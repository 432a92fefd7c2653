"""tls-check on the mesh, and what goes over the wire beside it: a test of each kind.

Every row of the truth table, and every rule of precedence: ``tests/thorough/test_tls_check.py``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from meshproof import cli
from meshproof.cli import tls
from meshproof.cluster.cluster import Cluster
from meshproof.errors import UsageFailure
from meshproof.mesh import admin
from meshproof.progress import Progress
from meshproof.tls.modes import Status
from meshproof.waiting import PROXIES_SYNCED, converge
from tests.tls_field import GATEWAY, NAMESPACE, Field, manifest, policy, rule, tls_field


@pytest.fixture(scope="module")
def field(cluster: Cluster, progress: Progress) -> Iterator[Field]:
    with tls_field(cluster, progress) as found:
        yield found


def test_without_policy_and_rule_it_is_automatic(field: Field) -> None:
    field.await_row("AUTO", "mTLS/HTTP", "-", "-", "-")
    assert field.answers()


@pytest.mark.parametrize(("server", "client"), [("STRICT", "ISTIO_MUTUAL"), ("STRICT", "SIMPLE")])
def test_the_table_holds_on_the_wire(field: Field, server: str, client: str) -> None:
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


def test_what_counts_is_what_istiod_made_of_it(field: Field) -> None:
    """Names and modes; where Istio's own code and istiod disagreed, this would be drift."""
    field.hold_precedence("a port of a workload")


def test_a_proxy_that_refuses_a_change_is_drift(field: Field) -> None:
    # istiod hands it on as it is, and no Envoy has such a filter.
    config = {"@type": "type.googleapis.com/xds.type.v3.TypedStruct", "type_url": "nonsense"}
    nonsense = {"name": "nonsense", "typed_config": config}
    patch = {
        "applyTo": "NETWORK_FILTER",
        "match": {"context": "SIDECAR_INBOUND", "listener": {"name": "virtualInbound"}},
        "patch": {"operation": "INSERT_FIRST", "value": nonsense},
    }
    spec = {"workloadSelector": {"labels": {"app": "server"}}, "configPatches": [patch]}
    unheard_of = manifest("networking.istio.io/v1alpha3", "EnvoyFilter", "unheard-of", spec)
    field.apply(policy("STRICT"), rule("ISTIO_MUTUAL"))
    field.await_row("OK", "mTLS", "mTLS")
    field.apply(unheard_of, policy("PERMISSIVE"))
    try:
        row = converge(
            field.look,
            until=lambda row: "refused what istiod sent it last" in str(row),
            what="the server's proxy has refused the change",
            timeout=PROXIES_SYNCED,
        ).value
        assert row.columns[1:4] == ("DRIFT", "mTLS", "mTLS")
        server = f"the proxy of server {field.pod('server')}.{NAMESPACE}"
        assert row.notes[0].startswith(f"{server} refused what istiod sent it last ("), row.notes
        assert row.notes[1] == (
            f"{server} has not what istiod would send it: PERMISSIVE, and STRICT is loaded"
        )
    finally:
        field.delete("envoyfilter/unheard-of")
    field.await_row("OK", "mTLS/HTTP", "mTLS")


def test_a_server_without_a_proxy_keeps_to_no_policy(field: Field) -> None:
    field.apply(policy("STRICT"))
    row = field.look("bare")
    assert (row.status, row.columns[2]) == (Status.CONFLICT, "HTTP")
    assert "has no proxy: nothing keeps to default/tls-check (STRICT)" in " ".join(row.notes)


def test_a_client_is_found_where_none_is_named(field: Field) -> None:
    (table,) = field.ask("server", client=None)
    assert table.rows[0].client.pod.name == field.pod("client")


@pytest.mark.parametrize(
    ("host", "client", "sentence"),
    [
        ("nobody", None, "There is no Service “nobody” in namespace tls-check; there are: bare, "),
        ("server.nowhere", None, "There is no namespace “nowhere”."),
        ("server:80", None, "has no port 80; it has: 6379."),
        ("server", "nobody", "There is neither a Deployment nor a pod “nobody”"),
        ("server", "bare", "has no proxy"),
        ("server", "client.nowhere", "There is no namespace “nowhere”."),
    ],
)
def test_bad_input_is_a_sentence(
    field: Field, host: str, client: str | None, sentence: str
) -> None:
    with pytest.raises(UsageFailure, match=sentence):
        field.look(host, client or "client")


def test_a_rule_for_other_workloads_is_not_for_a_gateway(field: Field) -> None:
    """Such a rule is for its own namespace alone, whomever it selects."""
    extra = {"selector": {"app": "server"}, "ports": [{"name": "tcp", "port": 6379}]}
    everything = f"*.{NAMESPACE}.svc.cluster.local"
    chosen = {"matchLabels": {"app": "client"}}
    objects = [
        manifest("v1", "Service", "extra", extra),
        rule("DISABLE", "chosen", host="extra", workloadSelector=chosen),
        rule("ISTIO_MUTUAL", "wide", host=everything),
    ]
    field.apply(policy("STRICT"), *objects)
    policy_name = f"default/{NAMESPACE}"
    try:
        field.await_row(
            "OK", "mTLS", "mTLS", policy_name, f"wide/{NAMESPACE}", host="extra", client=GATEWAY
        )
        field.await_row(
            "CONFLICT", "mTLS", "HTTP", policy_name, f"chosen/{NAMESPACE}", host="extra"
        )
    finally:
        field.delete("service/extra", "destinationrule/chosen", "destinationrule/wide")


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


def test_a_proxy_that_does_not_answer_costs_the_other_hosts_nothing(
    field: Field, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(admin, "ANSWER_TIMEOUT", 1.0)
    monkeypatch.setattr(tls, "reach_istiod", lambda _: field.cluster)
    typed = ["tls-check", "bare", "server", "client", "--namespace", NAMESPACE]
    monkeypatch.setattr(sys, "argv", ["meshproof", *typed, "--client", "client"])
    pod = f"{field.pod('server')}.{NAMESPACE}"
    field.signal("server", "envoy", "STOP")
    try:
        with pytest.raises(SystemExit) as ended:
            cli.main()
    finally:
        field.signal("server", "envoy", "CONT")
    printed, said = capsys.readouterr()
    assert ended.value.code == 3
    assert [line.split(":")[0] for line in printed.splitlines() if ":6379 " in line] == [
        f"{name}.{NAMESPACE}.svc.cluster.local" for name in ("bare", "client")
    ]
    assert said.startswith(f"meshproof: The proxy of pod {pod} does not answer")
