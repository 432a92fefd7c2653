"""tls-check on the mesh: every row of the truth table, and what goes over the wire beside it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from meshproof import cli
from meshproof.cli import tls
from meshproof.cluster.cluster import OWNED, Cluster
from meshproof.cluster.objects import get
from meshproof.cluster.pods import PodState, pod_state
from meshproof.errors import EnvironmentBroken, UsageFailure
from meshproof.mesh import admin
from meshproof.progress import Progress
from meshproof.suite.tutorial import Tutorial
from meshproof.tls.check import Table, tls_check
from meshproof.tls.evaluation import Row
from meshproof.tls.modes import Status
from meshproof.waiting import PROXIES_SYNCED, WORKLOADS_READY, converge
from tests.suites import SUITE

NAMESPACE = "tls-check"
IMAGE = "localhost/voting/storage:1.0"
NETWORKING, SECURITY = "networking.istio.io/v1", "security.istio.io/v1"
SERVERS = {"STRICT": "mTLS", "PERMISSIVE": "mTLS/HTTP", "DISABLE": "HTTP"}
CLIENTS = {"ISTIO_MUTUAL": "mTLS", "DISABLE": "HTTP", None: "-", "SIMPLE": "TLS"}
OUTCOMES = {
    ("STRICT", "ISTIO_MUTUAL"): "OK",
    ("STRICT", "DISABLE"): "CONFLICT",
    ("STRICT", None): "AUTO",
    ("STRICT", "SIMPLE"): "CONFLICT",
    ("PERMISSIVE", "ISTIO_MUTUAL"): "OK",
    ("PERMISSIVE", "DISABLE"): "OK",
    ("PERMISSIVE", None): "AUTO",
    ("PERMISSIVE", "SIMPLE"): "CONFLICT",
    ("DISABLE", "ISTIO_MUTUAL"): "CONFLICT",
    ("DISABLE", "DISABLE"): "OK",
    ("DISABLE", None): "AUTO",
    ("DISABLE", "SIMPLE"): "CONFLICT",
}

Json = dict[str, Any]


def manifest(api: str, kind: str, name: str, spec: Json | None, **labels: str) -> Json:
    metadata = {"name": name, "labels": OWNED | labels}
    return {"apiVersion": api, "kind": kind, "metadata": metadata} | (
        {"spec": spec} if spec else {}
    )


def workload(name: str, *, injected: bool = True) -> list[Json]:
    """A Redis, and its Service."""
    labels = {"app": name} | ({} if injected else {"sidecar.istio.io/inject": "false"})
    # A proxy that is stopped for a minute stays a ready one.
    patience = {"readiness.status.sidecar.istio.io/failureThreshold": "40"}
    pod = {
        "terminationGracePeriodSeconds": 1,
        # So that the sidecar's own processes can be stopped: a container's first one cannot.
        "shareProcessNamespace": True,
        "containers": [{"name": "redis", "image": IMAGE, "imagePullPolicy": "IfNotPresent"}],
    }
    template = {"metadata": {"labels": labels, "annotations": patience}, "spec": pod}
    # In the form that has no labels to look for.
    chosen = {"matchExpressions": [{"key": "app", "operator": "In", "values": [name]}]}
    return [
        manifest("apps/v1", "Deployment", name, {"selector": chosen, "template": template}),
        manifest("v1", "Service", name,
                 {"selector": {"app": name}, "ports": [{"name": "tcp", "port": 6379}]}),
    ]  # fmt: skip


def policy(mode: str, name: str = "default", **spec: Any) -> Json:
    return manifest(SECURITY, "PeerAuthentication", name, {"mtls": {"mode": mode}, **spec})


def rule(mode: str | None, name: str = "server", **spec: Any) -> Json:
    tls: Json = {"tls": {"mode": mode}} if mode else {}
    # Something must stand in it, so that `kubectl apply` takes a mode away again.
    balancer = {"loadBalancer": {"simple": "LEAST_REQUEST"}}
    whole = {"host": "server", "trafficPolicy": balancer | tls, **spec}
    return manifest(NETWORKING, "DestinationRule", name, whole)


#: Settings for the port alone, without any for TLS.
AT_PORT = {"portLevelSettings": [{"port": {"number": 6379}, "loadBalancer": {"simple": "RANDOM"}}]}


class Field:
    """The namespace that this is tried out in."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.kubectl = ("kubectl", "-n", NAMESPACE)

    def apply(self, *manifests: Json) -> None:
        listed = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        self.cluster.command(*self.kubectl, "apply", "-f", "-", stdin=json.dumps(listed))

    def delete(self, *names: str) -> None:
        self.cluster.command(*self.kubectl, "delete", *names, "--wait=false")

    def pods(self) -> list[PodState]:
        items = get(self.cluster, f"/api/v1/namespaces/{NAMESPACE}/pods")["items"]
        return [pod_state(item) for item in items]

    def pod(self, app: str) -> str:
        return next(pod.name for pod in self.pods() if pod.app == app)

    def ask(self, *hosts: str, client: str | None = "client") -> list[Table]:
        return tls_check(self.cluster, hosts, namespace=NAMESPACE, client=client)

    def look(self, host: str = "server", client: str = "client") -> Row:
        (table,) = self.ask(host, client=client)
        if table.problem:
            raise table.problem
        return table.rows[0]

    def await_row(self, *columns: str, host: str = "server", client: str = "client") -> Row:
        """Wait until the proxies of client and server have a row: STATUS, SERVER, CLIENT, …"""

        def look() -> Row:
            try:
                return self.look(host, client)
            except EnvironmentBroken as error:
                if "has no way to" not in error.sentence:
                    raise
                # A Service was made just now, and the client's proxy does not know of it yet.
                raise LookupError(error.sentence) from error

        return converge(
            look,
            until=lambda row: row.columns[1 : len(columns) + 1] == columns,
            what=f"tls-check says {' '.join(columns)}",
            timeout=PROXIES_SYNCED,
        ).value

    def signal(self, app: str, program: str, name: str) -> None:
        """Send a signal to a program of a pod's sidecar."""
        # The image has no program that finds a process by its name.
        script = (
            f'for comm in /proc/[0-9]*/comm; do [ "$(cat $comm)" = {program} ] && '
            f'kill -{name} "$(basename "$(dirname $comm)")"; done'
        )
        pod = self.pod(app)
        self.cluster.exec(NAMESPACE, pod, "istio-proxy", "sh", "-c", script, check=False)

    def answers(self) -> bool:
        """Whether a call from the client to the server works, whatever tls-check says."""
        # A Redis that is sent TLS waits for more; one that answers does in some 10 ms.
        ping = ("timeout", "3", "redis-cli", "-h", "server", "PING")
        done = self.cluster.exec(NAMESPACE, self.pod("client"), "redis", *ping, check=False)
        return done.stdout.strip() == "PONG"


@pytest.fixture(scope="module")
def field(cluster: Cluster, progress: Progress) -> Iterator[Field]:
    """A namespace with a client and a server in the mesh, one outside of it, and a lost one."""
    tutorial = Tutorial(cluster, NAMESPACE, SUITE, progress=progress)
    tutorial.delete()
    found = Field(cluster)
    labels = {"istio-injection": "enabled"}
    namespace = manifest("v1", "Namespace", NAMESPACE, None, **labels)
    namespace["metadata"]["annotations"] = cluster.ownership["annotations"]
    cluster.core.create_namespace(namespace)
    try:
        meshed = [part for name in ("client", "server", "lost") for part in workload(name)]
        found.apply(*meshed, *workload("bare", injected=False))
        converge(
            found.pods,
            until=lambda pods: len(pods) == 4 and all(pod.settled for pod in pods),
            what="the four workloads run",
            timeout=WORKLOADS_READY,
        )
        # Envoy speaks to istiod through the agent. istiod gives up on one that is silent after
        # 40 s: the last tests find it gone.
        found.signal("lost", "pilot-agent", "STOP")
        yield found
    finally:
        tutorial.delete(wait=False)


def test_without_policy_and_rule_it_is_automatic(field: Field) -> None:
    field.await_row("AUTO", "mTLS/HTTP", "-", "-", "-")
    assert field.answers()


@pytest.mark.parametrize(("server", "client"), OUTCOMES)
def test_the_truth_table(field: Field, server: str, client: str | None) -> None:
    field.apply(policy(server), rule(client))
    outcome = OUTCOMES[server, client]
    field.await_row(
        outcome, SERVERS[server], CLIENTS[client], f"default/{NAMESPACE}", f"server/{NAMESPACE}"
    )
    assert field.answers() is (outcome != "CONFLICT"), f"and yet tls-check says {outcome}"


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


#: The gateway, as it is typed.
GATEWAY = "istio-ingressgateway.istio-system"


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
