"""tls-check on the mesh: every row of the truth table, and what goes over the wire beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from meshproof.cluster.cluster import OWNED, Cluster
from meshproof.errors import EnvironmentBroken, UsageFailure
from meshproof.mesh import admin
from meshproof.progress import Progress
from meshproof.tls.check import tls_check
from meshproof.tls.judge import Row
from meshproof.tls.modes import Status
from meshproof.tutorial.objects import get
from meshproof.tutorial.pods import PodState, pod_state
from meshproof.tutorial.tutorial import Tutorial
from meshproof.waiting import PROXIES_SYNCED, WORKLOADS_READY, converge

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
    pod = {
        "terminationGracePeriodSeconds": 1,
        "containers": [{"name": "redis", "image": IMAGE, "imagePullPolicy": "IfNotPresent"}],
    }
    template = {"metadata": {"labels": labels}, "spec": pod}
    return [
        manifest("apps/v1", "Deployment", name,
                 {"selector": {"matchLabels": {"app": name}}, "template": template}),
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

    def look(self, host: str = "server", client: str = "client") -> Row:
        (table,) = tls_check(self.cluster, [host], namespace=NAMESPACE, client=client)
        return table.rows[0]

    def await_row(self, *columns: str) -> Row:
        """Wait until the proxies of client and server have a row: STATUS, SERVER, CLIENT, …"""
        return converge(
            self.look,
            until=lambda row: row.columns[1 : len(columns) + 1] == columns,
            what=f"tls-check says {' '.join(columns)}",
            timeout=PROXIES_SYNCED,
        ).value

    def answers(self) -> bool:
        """Whether a call from the client to the server works, whatever tls-check says."""
        # A Redis that is sent TLS waits for more; one that answers does in some 10 ms.
        ping = ("timeout", "3", "redis-cli", "-h", "server", "PING")
        done = self.cluster.exec(NAMESPACE, self.pod("client"), "redis", *ping, check=False)
        return done.stdout.strip() == "PONG"


@pytest.fixture(scope="module")
def field(cluster: Cluster, progress: Progress) -> Iterator[Field]:
    """A namespace with a client and a server in the mesh, and a server outside of it."""
    tutorial = Tutorial(cluster, NAMESPACE, progress=progress)
    tutorial.delete()
    found = Field(cluster)
    labels = {"istio-injection": "enabled"}
    found.cluster.core.create_namespace(manifest("v1", "Namespace", NAMESPACE, None, **labels))
    try:
        found.apply(*workload("client"), *workload("server"), *workload("bare", injected=False))
        converge(
            found.pods,
            until=lambda pods: len(pods) == 3 and all(pod.settled for pod in pods),
            what="the three workloads run",
            timeout=WORKLOADS_READY,
        )
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
    (table,) = tls_check(field.cluster, ["server"], namespace=NAMESPACE, client="client")
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
def test_objects_are_read_as_istiod_reads_them(field: Field, case: str) -> None:
    """Where they were read otherwise, what is loaded would be called drift."""
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
            until=lambda row: "refused its last change" in str(row),
            what="the server's proxy has refused the change",
            timeout=PROXIES_SYNCED,
        ).value
        assert row.columns[1:4] == ("DRIFT", "mTLS", "mTLS")
        refused = f"PeerAuthentication default/{NAMESPACE} says PERMISSIVE, and STRICT is loaded"
        assert row.notes[0].startswith(refused), row.notes
    finally:
        field.delete("envoyfilter/unheard-of")
    field.await_row("OK", "mTLS/HTTP", "mTLS")


def test_a_server_without_a_proxy_keeps_to_no_policy(field: Field) -> None:
    field.apply(policy("STRICT"))
    row = field.look("bare")
    assert (row.status, row.columns[2]) == (Status.CONFLICT, "HTTP")
    assert "has no proxy: nothing keeps to default/tls-check (STRICT)" in " ".join(row.notes)


def test_a_client_is_found_where_none_is_named(field: Field) -> None:
    (table,) = tls_check(field.cluster, ["server"], namespace=NAMESPACE)
    assert table.rows[0].client.pod.name == field.pod("client")


@pytest.mark.parametrize(
    ("host", "client", "sentence"),
    [
        ("nobody", None, "There is no Service “nobody” in namespace tls-check; there are: bare, "),
        ("server.nowhere", None, "There is no namespace “nowhere”."),
        ("server:80", None, "has no port 80; it has: 6379."),
        ("server", "nobody", "There is neither a Deployment nor a pod “nobody”"),
        ("server", "bare", "has no proxy"),
    ],
)
def test_bad_input_is_a_sentence(
    field: Field, host: str, client: str | None, sentence: str
) -> None:
    with pytest.raises(UsageFailure, match=sentence):
        tls_check(field.cluster, [host], namespace=NAMESPACE, client=client)


def test_a_proxy_that_does_not_answer_is_no_table(
    field: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin, "ANSWER_TIMEOUT", 1.0)

    def signal(name: str) -> None:
        # The image has no program that finds a process by its name.
        script = (
            'for comm in /proc/[0-9]*/comm; do [ "$(cat $comm)" = envoy ] && '
            f'kill -{name} "$(basename "$(dirname $comm)")"; done'
        )
        pod = field.pod("server")
        field.cluster.exec(NAMESPACE, pod, "istio-proxy", "sh", "-c", script, check=False)

    signal("STOP")
    try:
        with pytest.raises(EnvironmentBroken, match=r"The proxy of pod server-\S+ does not answer"):
            field.look()
    finally:
        signal("CONT")
