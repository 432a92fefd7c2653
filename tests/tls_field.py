"""A namespace in which tests of tls-check set modes, and the table that they hold it to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from meshproof.cluster.cluster import OWNED, Cluster
from meshproof.cluster.objects import get
from meshproof.cluster.pods import PodState, pod_state
from meshproof.errors import EnvironmentBroken
from meshproof.progress import Progress
from meshproof.suite.tutorial import Tutorial
from meshproof.tls.check import Table, tls_check
from meshproof.tls.evaluation import Row
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


#: The gateway, as it is typed.
GATEWAY = "istio-ingressgateway.istio-system"


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

    def hold_precedence(self, case: str) -> None:
        """Add what is beside STRICT and ISTIO_MUTUAL, and hold tls-check to its row."""
        manifests, columns = PRECEDENCE[case]
        self.apply(policy("STRICT"), rule("ISTIO_MUTUAL"))
        self.await_row("OK", "mTLS", "mTLS", "default/tls-check", "server/tls-check")
        # What is pushed with a change that can be seen is loaded when that is, seen or not.
        marker = rule("DISABLE", f"seen-{list(PRECEDENCE).index(case)}", host="client")
        self.apply(*manifests, marker)
        try:
            converge(
                lambda: self.look("client").client.loaded.rule,
                until=lambda name: name == f"{marker['metadata']['name']}/{NAMESPACE}",
                what="the client's proxy has the change",
                timeout=PROXIES_SYNCED,
            )
            self.await_row(*columns.split())
        finally:
            added = [m for m in (*manifests, marker) if m["metadata"]["name"] != "server"]
            self.delete(*(f"{m['kind']}/{m['metadata']['name']}" for m in added))

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

    def hold(self, server: str, client: str | None) -> None:
        """Set the modes of server and client, and hold tls-check to the table and to the wire."""
        self.apply(policy(server), rule(client))
        outcome = OUTCOMES[server, client]
        names = f"default/{NAMESPACE}", f"server/{NAMESPACE}"
        self.await_row(outcome, SERVERS[server], CLIENTS[client], *names)
        assert self.answers() is (outcome != "CONFLICT"), f"and yet tls-check says {outcome}"


@contextmanager
def tls_field(cluster: Cluster, progress: Progress, *more: str) -> Iterator[Field]:
    """A namespace with a client, a server and more of them in the mesh, and one outside of it."""
    tutorial = Tutorial(cluster, NAMESPACE, SUITE, progress=progress)
    tutorial.delete()
    found = Field(cluster)
    labels = {"istio-injection": "enabled"}
    namespace = manifest("v1", "Namespace", NAMESPACE, None, **labels)
    namespace["metadata"]["annotations"] = cluster.ownership["annotations"]
    cluster.core.create_namespace(namespace)
    try:
        meshed = [part for name in ("client", "server", *more) for part in workload(name)]
        found.apply(*meshed, *workload("bare", injected=False))
        converge(
            found.pods,
            until=lambda pods: len(pods) == 3 + len(more) and all(pod.settled for pod in pods),
            what="the workloads run",
            timeout=WORKLOADS_READY,
        )
        yield found
    finally:
        tutorial.delete(wait=False)
