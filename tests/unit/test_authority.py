"""What istiod proves, over a port-forward that is a stand-in."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from meshproof.cluster.shape import DEFAULT
from meshproof.errors import EnvironmentBroken
from meshproof.mesh import authority
from meshproof.mesh.authority import istiods_name, prove_istiod, stated_root, trust_domain
from tests.authority import Authority, key_pem, new_key, pem_of

MESH = Authority.root()
ROOT = pem_of(MESH.certificate).decode()
NAME = "istiod.istio-system.svc"


class Istiod:
    """A server that proves itself by a certificate of an authority, for a name."""

    def __init__(self, folder: Path, signer: Authority, name: str) -> None:
        key = new_key()
        file = folder / "istiod.pem"
        file.write_bytes(key_pem(key) + pem_of(signer.issue_for_host(name, key)))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(file)
        self.near, self.far = socket.socketpair()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def socket(self, port: int) -> socket.socket:
        assert port == 15012
        return self.near

    def _serve(self) -> None:
        try:
            with self.context.wrap_socket(self.far, server_side=True) as connection:
                connection.sendall(b"more than was asked for")
                connection.recv(1)
        except OSError:
            self.far.close()  # refused


@pytest.fixture
def istiods(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Istiod]]:
    """Those that are reached, in turn; each is closed in the end."""
    waiting: list[Istiod] = []
    reached: list[Istiod] = []

    def port_forward(_: object, namespace: str, pod: str, port: int) -> Istiod:
        assert (namespace, pod, port) == ("istio-system", "istiod-1", 15012)
        reached.append(waiting.pop(0))
        return reached[-1]

    monkeypatch.setattr(authority, "port_forward", port_forward)
    yield waiting
    for istiod in reached:
        istiod.thread.join(5)
        assert not istiod.thread.is_alive()


def cluster(config: str = "trustDomain: cluster.local", pods: int = 1) -> Any:
    maps = {("istio", "istio-system"): {"mesh": config}}
    maps["istio-ca-root-cert", "istio-system"] = {"root-cert.pem": ROOT}
    listed = [SimpleNamespace(metadata=SimpleNamespace(name="istiod-1"))] * pods

    def read(name: str, namespace: str) -> Any:
        return SimpleNamespace(data=maps[name, namespace])

    def pods_of(namespace: str, label_selector: str) -> Any:
        assert (namespace, label_selector) == ("istio-system", "app=istiod")
        return SimpleNamespace(items=listed)

    core = SimpleNamespace(read_namespaced_config_map=read, list_namespaced_pod=pods_of)
    return SimpleNamespace(core=core, mesh=DEFAULT)


def test_the_root_is_read_where_the_committed_roles_let_it_be() -> None:
    assert stated_root(cluster()) == ROOT


def test_istiod_proves_itself_by_the_root(istiods: list[Istiod], tmp_path: Path) -> None:
    istiods.append(Istiod(tmp_path, MESH, NAME))
    assert prove_istiod(cluster(), ROOT).startswith(f"istiod-1 is {NAME} by certificate ")


def test_istiod_of_another_root_of_the_same_name_is_refused(
    istiods: list[Istiod], tmp_path: Path
) -> None:
    istiods.append(Istiod(tmp_path, Authority.root(), NAME))
    with pytest.raises(ssl.SSLCertVerificationError):
        prove_istiod(cluster(), ROOT)


def test_whoever_has_another_name_is_not_istiod(istiods: list[Istiod], tmp_path: Path) -> None:
    istiods.append(Istiod(tmp_path, MESH, "voting-app.voting.svc"))
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        prove_istiod(cluster(), ROOT)


def test_an_istiod_that_says_nothing_is_a_broken_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    near, far = socket.socketpair()
    forward = SimpleNamespace(socket=lambda _: near)
    monkeypatch.setattr(authority, "port_forward", lambda *_: forward)
    far.close()
    with pytest.raises(EnvironmentBroken, match="pod istiod-1"):
        prove_istiod(cluster(), ROOT)


def test_a_mesh_without_istiod_is_a_broken_environment() -> None:
    with pytest.raises(EnvironmentBroken, match="no istiod"):
        prove_istiod(cluster(pods=0), ROOT)


@pytest.mark.parametrize(
    ("config", "domain", "name"),
    [
        ({}, "cluster.local", NAME),
        ({"trustDomain": "example.org", "defaultConfig": {}}, "example.org", NAME),
        (
            {"defaultConfig": {"discoveryAddress": "istiod-canary.istio-system.svc:15012"}},
            "cluster.local",
            "istiod-canary.istio-system.svc",
        ),
    ],
)
def test_the_meshs_domain_and_istiods_name_are_its_configurations(
    config: dict[str, Any], domain: str, name: str
) -> None:
    assert (trust_domain(config), istiods_name(config, DEFAULT)) == (domain, name)
