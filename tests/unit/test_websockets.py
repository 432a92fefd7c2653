"""Websockets to an API server that takes connections and says nothing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshproof.cluster import websockets
from meshproof.cluster.cluster import Cluster
from meshproof.cluster.execution import execute
from meshproof.errors import EnvironmentBroken
from meshproof.mesh.admin import ask_proxy

PLACE = "voting", "app-1"


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """A server that takes connections and never answers; it ends before a test could hang."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(5)
        end = threading.Timer(60, listening.close)
        end.start()
        yield listening
        end.cancel()


@pytest.fixture
def cluster(server: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setattr(websockets, "OPEN_TIMEOUT", 0.2)
    for name in ("no_proxy", "NO_PROXY", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "")  # so that what is set is taken back
    monkeypatch.delenv("NO_PROXY")
    address = f"http://127.0.0.1:{server.getsockname()[1]}"
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(f"""\
apiVersion: v1
kind: Config
current-context: here
contexts: [{{name: here, context: {{cluster: here, user: me}}}}]
clusters: [{{name: here, cluster: {{server: "{address}"}}}}]
users: [{{name: me, user: {{}}}}]
""")
    return Cluster("here", kubeconfig, tmp_path)


def test_a_proxy_is_not_waited_for_beyond_the_deadline(cluster: Cluster) -> None:
    with pytest.raises(EnvironmentBroken, match="does not answer") as broken:
        ask_proxy(cluster, *PLACE, ["/config_dump"])
    assert "timed out" in str(broken.value.details)


def test_a_command_is_not_waited_for_beyond_the_deadline(cluster: Cluster) -> None:
    where = (*PLACE, "app")
    done = execute(
        cluster.api.configuration, where, ["true"], stdin=None, acknowledged=False, timeout=60
    )
    assert not done.ok
    assert "timed out" in done.stderr


def test_no_proxy_of_the_environment_is_asked_for_this_machine(
    cluster: Cluster, server: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # where nobody is
    with pytest.raises(EnvironmentBroken):
        ask_proxy(cluster, *PLACE, ["/config_dump"])
    connection, _ = server.accept()
    with connection:
        assert connection.recv(4096).startswith(b"GET /api/v1/namespaces/voting/pods/app-1/")
