"""Websockets to an API server that takes connections and says nothing."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from websocket import ABNF, WebSocket

from meshproof.cluster import websockets
from meshproof.cluster.cluster import Cluster
from meshproof.cluster.execution import execute
from meshproof.cluster.websockets import WholePortForward
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


def closed(far: socket.socket) -> None:
    far.sendall(ABNF.create_frame(struct.pack("!H", 1000), ABNF.OPCODE_CLOSE).format())
    far.close()


def reset(far: socket.socket) -> None:
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    far.close()


@pytest.mark.parametrize("end", [closed, reset, socket.socket.close])
def test_a_port_forward_ends_whole_where_the_other_side_ends_it(
    end: Callable[[socket.socket], None], server: socket.socket
) -> None:
    opened = WebSocket()
    opened.sock = socket.create_connection(server.getsockname())
    opened.connected = True
    far, _ = server.accept()
    before = {*threading.enumerate()}
    forward = WholePortForward(opened, [15000])
    (thread,) = {*threading.enumerate()} - before
    for channel in (b"\0", b"\1"):
        frame = ABNF.create_frame(channel + struct.pack("<H", 15000), ABNF.OPCODE_BINARY)
        far.sendall(frame.format())
    far.sendall(ABNF.create_frame(b"\0said", ABNF.OPCODE_BINARY).format())
    near = forward.socket(15000)
    near.settimeout(5)
    assert near.recv(100) == b"said"
    end(far)
    assert near.recv(100) == b""
    thread.join(5)
    assert not thread.is_alive() and opened.sock is None
    near.close()
