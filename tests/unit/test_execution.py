"""Commands in containers: what they end with."""

from __future__ import annotations

import json
from typing import Any

import pytest
import websocket
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.stream.ws_client import V5_CHANNEL_PROTOCOL

from meshproof.cluster import execution
from meshproof.process import Completed

SUCCESS = {"status": "Success"}
EXIT_7 = {
    "status": "Failure",
    "details": {"causes": [{"reason": "ExitCode", "message": "7"}]},
    "message": "command terminated with non-zero exit code",
}
NO_PROGRAM = {"status": "Failure", "message": "no such file: perl"}


class Connection:
    """An open connection: what comes by each channel, and what ends it."""

    def __init__(
        self,
        channels: dict[int, bytes],
        *,
        breaks: Exception | None = None,
        ends: bool = True,
        subprotocol: str = V5_CHANNEL_PROTOCOL,
    ) -> None:
        self.channels = channels
        self.breaks = breaks
        self.ends = ends
        self.subprotocol = subprotocol
        self.written: list[tuple[int, bytes]] = []
        self.closed: list[int | None] = []
        self.sock = self
        self.looks = 0
        self.over = False

    def write_channel(self, channel: int, data: bytes) -> None:
        self.written.append((channel, data))

    def close_channel(self, channel: int) -> None:
        self.closed.append(channel)

    def peek_channel(self, channel: int, timeout: float) -> bytes:
        """More comes with each look."""
        self.looks += 1
        return self.channels.get(channel, b"")[: 3 * self.looks]

    def run_forever(self, timeout: float) -> None:
        if self.breaks:
            raise self.breaks
        self.over = self.ends

    def is_open(self) -> bool:
        return not self.over

    def shutdown(self) -> None:
        self.closed.append(None)

    def read_channel(self, channel: int) -> bytes:
        return self.channels.get(channel, b"")


def run(
    monkeypatch: pytest.MonkeyPatch,
    connection: Connection | Exception,
    *,
    stdin: str | None = None,
    acknowledged: bool = False,
) -> Completed:
    """Run a command over this connection."""

    def opened(*_: Any, **__: Any) -> Connection:
        if isinstance(connection, Exception):
            raise connection
        return connection

    monkeypatch.setattr(execution, "stream", opened)
    place = ("voting", "app-1", "istio-proxy")
    configuration = client.Configuration()
    return execution.execute(
        configuration,
        place,
        ["cat", "a b"],
        stdin=stdin,
        acknowledged=acknowledged,
        timeout=0.2,
    )


def ending(status: dict[str, Any], output: bytes = b"", errors: bytes = b"") -> Connection:
    return Connection({1: output, 2: errors, 3: json.dumps(status).encode()})


def test_a_command_that_ends_well_is_shown_as_kubectl_is_typed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done = run(monkeypatch, ending(SUCCESS, "größer\n".encode(), b"a warning"))
    assert (done.exit_code, done.stdout, done.stderr) == (0, "größer\n", "a warning")
    assert done.command_line == "kubectl exec -n voting app-1 -c istio-proxy -- cat 'a b'"


def test_a_command_that_fails_keeps_its_exit_code_and_output(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done = run(monkeypatch, ending(EXIT_7, b"so far"))
    assert (done.exit_code, done.stdout, done.stderr) == (7, "so far", "")


def test_what_it_reads_is_written_and_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = ending(SUCCESS)
    done = run(monkeypatch, connection, stdin="key")
    assert connection.written == [(0, b"key")]
    assert connection.closed == [0, None]
    assert done.argv[2] == "-i"


def test_a_line_is_acknowledged_once_all_of_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = ending(SUCCESS, b"12345678\n")
    done = run(monkeypatch, connection, acknowledged=True)
    assert (connection.looks, connection.written) == (3, [(0, b"\n")])
    assert (done.stdout, done.argv[2]) == ("12345678\n", "-i")


def test_half_a_line_is_never_acknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Connection({1: b"half"}, ends=True)
    assert not run(monkeypatch, connection, acknowledged=True).ok
    assert connection.written == []


@pytest.mark.parametrize(
    ("connection", "why"),
    [
        (ending(NO_PROGRAM), "no such file: perl"),
        (ApiException(status=0, reason="Handshake status 404 Not Found"), "404 Not Found"),
        (
            Connection({1: b"half"}, breaks=websocket.WebSocketConnectionClosedException("gone")),
            "The connection broke: gone",
        ),
        (Connection({1: b"half"}), "closed before its end"),
        (Connection({1: b"half"}, ends=False), "did not end within 0.2 s"),
    ],
)
def test_what_did_not_run_or_end_is_not_mistaken_for_a_result(
    monkeypatch: pytest.MonkeyPatch, connection: Connection | Exception, why: str
) -> None:
    done = run(monkeypatch, connection)
    assert done.exit_code == execution.NOT_RUN
    assert why in done.stderr
