"""An API server with its store and Istio's kinds: no kubelet, no controllers, and no mesh."""

from __future__ import annotations

import secrets
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from meshproof.cluster.cluster import Cluster, make_tools
from meshproof.cluster.objects import KINDS, get
from meshproof.supply.workshop import Workshop
from meshproof.waiting import API_SERVER, converge

#: The recipes that it is made of.
RECIPES = ("etcd", "kubernetes", "istio")
#: Seconds that a process has to end once it is told to.
END = 20


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


@contextmanager
def running(argv: Sequence[str | Path], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program meanwhile, with its output in a file."""
    with log.open("wb") as output:
        process = subprocess.Popen(argv, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def api_server(shop: Workshop, folder: Path) -> Iterator[Cluster]:
    """Run kube-apiserver on loopback, with all that it keeps in a folder, and Istio's kinds."""
    shop.provide(*RECIPES)
    peers, clients, port = free_ports(3)
    store, key, tokens = (folder / name for name in ("store", "accounts.key", "tokens.csv"))
    token = secrets.token_hex(16)
    tokens.write_text(f'{token},tester,1,"system:masters"\n')
    key.write_bytes(
        rsa.generate_private_key(65537, 2048).private_bytes(
            Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
        )
    )
    etcd: list[str | Path] = [
        shop.folder("etcd") / "bin" / "etcd",
        f"--data-dir={store}",
        "--unsafe-no-fsync",  # nothing of it is needed once the tests have ended
        f"--listen-client-urls=http://127.0.0.1:{clients}",
        f"--advertise-client-urls=http://127.0.0.1:{clients}",
        f"--listen-peer-urls=http://127.0.0.1:{peers}",
        f"--initial-advertise-peer-urls=http://127.0.0.1:{peers}",
        f"--initial-cluster=default=http://127.0.0.1:{peers}",
    ]
    server: list[str | Path] = [
        shop.folder("kubernetes") / "bin" / "kube-apiserver",
        f"--etcd-servers=http://127.0.0.1:{clients}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={folder / 'serving'}",
        f"--token-auth-file={tokens}",
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--endpoint-reconciler-type=none",
        # These wait for controllers: one makes each namespace's account, one takes a claim's
        # finalizer away, one deletes what belongs to a Deployment that is deleted.
        "--disable-admission-plugins=ServiceAccount,StorageObjectInUseProtection",
        "--enable-garbage-collector=false",
    ]
    with running(etcd, folder / "etcd.log"), running(server, folder / "server.log") as process:
        tools = make_tools(
            folder / "bin",
            {
                "kubectl": shop.folder("kubernetes") / "bin" / "kubectl",
                "istioctl": shop.folder("istio") / "bin" / "istioctl",
            },
        )
        cluster = Cluster("api", folder / "kubeconfig", tools)
        cluster.kubeconfig.write_text(kubeconfig(port, folder / "serving" / "apiserver.crt", token))
        try:
            await_server(cluster, process)
        except Exception as error:
            error.add_note((folder / "server.log").read_text()[-3000:])
            raise
        install_istios_kinds(cluster)
        yield cluster


def kubeconfig(port: int, authority: Path, token: str) -> str:
    """The kubeconfig that leads to a server on loopback."""
    server = {"server": f"https://127.0.0.1:{port}", "certificate-authority": str(authority)}
    return yaml.safe_dump({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "api",
        "clusters": [{"name": "api", "cluster": server}],
        "users": [{"name": "tester", "user": {"token": token}}],
        "contexts": [{"name": "api", "context": {"cluster": "api", "user": "tester"}}],
    })  # fmt: skip


def await_server(cluster: Cluster, process: subprocess.Popen[bytes]) -> None:
    """Wait until the server says that it is ready."""

    def look() -> bool:
        ready = cluster.command("kubectl", "get", "--raw", "/readyz", check=False).ok
        return ready or process.poll() is not None

    converge(look, until=bool, what="the API server is ready", timeout=API_SERVER)
    assert process.poll() is None, f"kube-apiserver ended with {process.returncode}"


def install_istios_kinds(cluster: Cluster) -> None:
    """Apply the CustomResourceDefinitions that istioctl has in it, and wait for their kinds."""
    printed = cluster.command("istioctl", "manifest", "generate", "--set", "profile=minimal").stdout
    kinds = [one for one in yaml.safe_load_all(printed) if one and one["kind"] == DEFINITION]
    cluster.command("kubectl", "apply", "-f", "-", stdin=yaml.safe_dump_all(kinds))
    paths = [path.format(namespace="default") for path in KINDS.values()]
    converge(
        lambda: [get(cluster, path) for path in paths],
        until=lambda lists: len(lists) == len(paths),
        what="the API server has Istio's kinds",
        timeout=API_SERVER,
    )


DEFINITION = "CustomResourceDefinition"
