"""A client outside the mesh: what it gets from each server, in plain text and in TLS (T2)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.objects import get, is_probe, namespace_object
from meshproof.cluster.pods import PROXY
from meshproof.paths import DATA
from meshproof.probes.forged_certificate import KeyPair
from meshproof.probes.scratch_namespace import delete_pod, make_pod, namespace_aside
from meshproof.progress import Progress
from meshproof.suite.model import Workload
from meshproof.waiting import PROXIES_SYNCED, converge
from meshproof.wording import quoted

CLIENT = DATA / "manifests" / "probes" / "outside-client.yaml"
POD = "outside-client"
IDENTITY = DATA / "manifests" / "probes" / "mesh-identity.yaml"
IDENTITY_POD = "mesh-identity"
#: Where the proxy of that identity writes its certificate, as the manifest says.
WRITTEN = "/var/lib/istio/data"
#: What a client of the mesh says that it speaks, in the TLS handshake.
MESH_ALPN = ("istio",)
#: Asks every target once, each on a connection of its own. Reads from standard input the
#: targets and, for TLS, a certificate or nothing in its stead; prints for each whether it
#: was connected, what came back, and how it ended. In TLS 1.3 a client learns that it is
#: refused only after its own handshake, so what counts is what it can read.
ASK = """
import json, os, socket, ssl, sys
asked = json.load(sys.stdin)

def secured(connection):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if asked["certificate"]:
        files = [os.memfd_create(part) for part in ("certificate", "key")]
        for file, part in zip(files, ("certificate", "key")):
            os.write(file, asked[part].encode())
        context.load_cert_chain(*(f"/proc/self/fd/{file}" for file in files))
    if asked["alpn"]:
        context.set_alpn_protocols(asked["alpn"])
    return context.wrap_socket(connection)

seen = []
for host, port, request in asked["targets"]:
    connected, received, end = False, b"", "closed"
    try:
        connection = socket.create_connection((host, port), timeout=10)
        connected = True
        if asked["tls"]:
            connection = secured(connection)
        connection.sendall(request.encode())
        while not received and (part := connection.recv(4096)):
            received += part
        connection.close()
    except OSError as problem:
        end = f"{type(problem).__name__} {problem}"
    seen.append([connected, received.decode(errors="replace"), end])
json.dump(seen, sys.stdout)
"""


@dataclass(frozen=True)
class Target:
    """One address to ask: a port of a pod, or of a Service.

    ``app`` is whose application would answer, ``protocol`` the port's name. ``path`` is what
    an application answers in HTTP without changing anything.
    """

    name: str
    app: str
    host: str
    port: int
    protocol: str
    path: str = ""

    def request(self, marker: str, *, tls: bool) -> str:
        """What is sent: a question that any server of this protocol answers at once.

        MySQL's speaks first. In plain text it is interrupted all the same: the sidecar that
        takes mutual TLS only says nothing until it knows what its caller speaks.
        """
        if self.protocol == "mysql":
            return "" if tls else marker
        if self.protocol == "redis":
            return f"*2\r\n$4\r\nECHO\r\n${len(marker)}\r\n{marker}\r\n"
        head = f"GET {self.path or '/'}?{marker} HTTP/1.1\r\nHost: {self.app}:{self.port}\r\n"
        return f"{head}Connection: close\r\n\r\n"


#: The version of MySQL's protocol, with which its greeting begins, after a packet's header.
PROTOCOL, PROTOCOL_AT = "\n", 4


def targets_of(
    services: Iterable[Mapping[str, Any]], pods: Iterable[Mapping[str, Any]]
) -> list[Target]:
    """Return each port of each Service, by the Service's name and by each pod behind it."""
    found, all_pods = [], list(pods)
    for service in services:
        metadata, spec = service["metadata"], service["spec"]
        if is_probe(service):
            continue
        for port in spec["ports"]:
            name = f"Service {metadata['name']}:{port['port']}"
            host = f"{metadata['name']}.{metadata['namespace']}"
            app = spec["selector"]["app"]
            found.append(Target(name, app, host, port["port"], port["name"]))
            for pod in all_pods:
                labels = pod["metadata"].get("labels") or {}
                own = own_port(pod, port["targetPort"])
                if own and spec["selector"].items() <= labels.items():
                    name, address = f"{pod['metadata']['name']}:{own}", pod["status"]["podIP"]
                    found.append(Target(name, app, address, own, port["name"]))
    return found


def own_port(pod: Mapping[str, Any], target: int | str) -> int | None:
    """Return a pod's port that a Service's ``targetPort`` means, a number or a name.

    None where the pod has no port of the name: then it is no endpoint of the Service's port.
    """
    if isinstance(target, int):
        return target
    ports = [port for c in pod["spec"]["containers"] for port in c.get("ports", [])]
    return next((port["containerPort"] for port in ports if port.get("name") == target), None)


@dataclass(frozen=True)
class Attempt:
    """What came of asking a target: ``received`` is what came back first, ``end`` how it ended."""

    target: Target
    marker: str
    connected: bool
    received: str
    end: str

    @property
    def served(self) -> bool:
        """Whether the application itself answered."""
        if self.target.protocol == "redis":
            return self.marker in self.received
        if self.target.protocol == "mysql":
            return self.received[PROTOCOL_AT : PROTOCOL_AT + 1] == PROTOCOL
        return self.received.startswith("HTTP/1.1 200 ")

    @property
    def refused(self) -> bool:
        """Whether a connection came about and not a byte came back on it."""
        return self.connected and not self.received

    def __str__(self) -> str:
        """Return the outcome in a line."""
        if not self.connected:
            return f"{self.target.name}: no connection ({self.end})"
        came = quoted(self.received.splitlines()[0]) if self.received else "not a byte"
        return f"{self.target.name}: {came} ({self.end})"


def answered(attempts: Iterable[Attempt]) -> list[str]:
    """Say which attempts brought anything back, or met no proxy at all: those not refused."""
    return [str(attempt) for attempt in attempts if not attempt.refused]


def find_targets(
    cluster: Cluster, namespace: str, workloads: Iterable[Workload] = ()
) -> list[Target]:
    """Return the targets that a namespace has now; of ``workloads`` their path is asked for."""
    paths = {one.app: one.path or one.health for one in workloads}
    listed = (
        get(cluster, f"/api/v1/namespaces/{namespace}/{kind}")["items"]
        for kind in ("services", "pods")
    )
    return [replace(one, path=paths.get(one.app, "")) for one in targets_of(*listed)]


@dataclass(frozen=True)
class OutsideClient:
    """A pod without a proxy in a namespace without injection."""

    cluster: Cluster
    namespace: str
    pod: str

    def there(self) -> bool:
        """Whether its namespace is still there; who asks what a run leaves behind deletes it."""
        found = namespace_object(self.cluster, self.namespace)
        return found is not None and "deletionTimestamp" not in found["metadata"]

    def ask(
        self,
        targets: Sequence[Target],
        *,
        tls: bool = True,
        shown: KeyPair | None = None,
        alpn: Sequence[str] = (),
    ) -> list[Attempt]:
        """Ask each target once, on a connection of its own, in TLS or in plain text.

        ``shown`` is the certificate that it shows, ``alpn`` the protocols that it says it
        speaks. Raises ``CommandFailed`` where the client itself cannot run.
        """
        marker = f"marker-{uuid.uuid4()}"
        asked = {
            "targets": [
                (target.host, target.port, target.request(marker, tls=tls)) for target in targets
            ],
            "tls": tls,
            "certificate": shown.certificate if shown else "",
            "key": shown.key if shown else "",
            "alpn": list(alpn),
        }
        # By standard input: a key has no place among a command's arguments.
        done = self.cluster.exec(
            self.namespace, self.pod, "client", "python3", "-c", ASK, stdin=json.dumps(asked)
        )
        answers = json.loads(done.stdout)
        return [Attempt(one, marker, *seen) for one, seen in zip(targets, answers, strict=True)]


@contextmanager
def outside_client(cluster: Cluster, namespace: str, progress: Progress) -> Iterator[OutsideClient]:
    """Have a client outside the mesh, in a namespace of this name that ends with it."""
    with namespace_aside(cluster, namespace, progress):
        make_pod(cluster, namespace, CLIENT, POD)
        yield OutsideClient(cluster, namespace, POD)


def mesh_certificate(cluster: Cluster, namespace: str) -> KeyPair:
    """Return a certificate that the mesh gives to the app's identity in this namespace.

    A pod of that identity is made for it and taken away again. Raises ``NotConverged``
    where its proxy does not write one down.
    """
    delete_pod(cluster, namespace, IDENTITY_POD)  # one that a killed run left behind
    try:
        make_pod(cluster, namespace, IDENTITY, IDENTITY_POD)
        files = [f"{WRITTEN}/{name}" for name in ("cert-chain.pem", "key.pem")]
        read = converge(
            lambda: [
                cluster.exec(namespace, IDENTITY_POD, PROXY, "cat", file, check=False)
                for file in files
            ],
            until=lambda done: all(one.ok for one in done),
            what=f"the proxy of pod {IDENTITY_POD} has a certificate of the mesh",
            timeout=PROXIES_SYNCED,
        ).value
        return KeyPair(*(done.stdout for done in read))
    finally:
        delete_pod(cluster, namespace, IDENTITY_POD)
