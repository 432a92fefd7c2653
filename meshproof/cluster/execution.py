"""Commands in containers, as `kubectl exec` runs them, without losing what they print.

On a busy node the last of what a command printed can be lost when it ends (up to what a pipe
holds, 64 KiB), with exit code 0. A command that prints more waits, once it has printed all, until
it is told that all has arrived. kubectl cannot tell it; the API's own protocol can.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import websocket
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import stream
from kubernetes.stream.ws_client import (
    ERROR_CHANNEL,
    STDERR_CHANNEL,
    STDIN_CHANNEL,
    STDOUT_CHANNEL,
    V5_CHANNEL_PROTOCOL,
    WSClient,
)

from meshproof.process import Completed

#: What kubectl itself ends with where it cannot run a command at all.
NOT_RUN = 1
LINE_END = b"\n"


def execute(
    configuration: client.Configuration,
    place: tuple[str, str, str],
    argv: Sequence[str],
    *,
    stdin: str | None,
    acknowledged: bool,
    timeout: float,
) -> Completed:
    """Run a command in a container: ``place`` is its namespace, its pod and its name.

    ``stdin`` is what it reads, ``timeout`` the seconds that it may take. One that is
    ``acknowledged`` prints one line, and then reads one, which it gets when its own has arrived.
    What kept it from being run, or its output from coming, stands in ``stderr``, with an exit code
    other than 0.
    """
    namespace, pod, container = place
    reads = stdin is not None or acknowledged
    options = ("-i",) if reads else ()
    words = ("kubectl", "exec", *options, "-n", namespace, pod, "-c", container, "--", *argv)
    started, clock = time.time(), time.monotonic()

    def ended(exit_code: int, stdout: bytes = b"", stderr: bytes = b"", why: str = "") -> Completed:
        told = stderr.decode(errors="replace") + why
        output = stdout.decode(errors="replace")
        return Completed(words, exit_code, output, told, started, time.monotonic() - clock)

    # A client of its own: while a stream is opened, a client calls nothing else.
    core = client.CoreV1Api(client.ApiClient(configuration))
    try:
        opened: WSClient = stream(
            core.connect_get_namespaced_pod_exec, pod, namespace,
            container=container, command=list(argv), stdin=reads,
            stdout=True, stderr=True, tty=False,
            binary=True, _preload_content=False, _request_timeout=timeout,
        )  # fmt: skip
    except ApiException as error:
        return ended(NOT_RUN, why=f"Error from server: {error.reason}")
    lost = ""
    try:
        if stdin is not None:
            opened.write_channel(STDIN_CHANNEL, stdin.encode())
            if opened.subprotocol == V5_CHANNEL_PROTOCOL:
                opened.close_channel(STDIN_CHANNEL)
        if acknowledged:
            _acknowledge(opened, timeout)
        opened.run_forever(timeout=max(clock + timeout - time.monotonic(), 0.001))
        if opened.is_open():
            lost = f"It did not end within {timeout:g} s."
    except (websocket.WebSocketException, OSError) as error:
        lost = f"The connection broke: {error}"
    finally:
        opened.sock.shutdown()  # at once: its own close waits for an answer that may not come
    output, errors, status = (
        opened.read_channel(channel) or b""
        for channel in (STDOUT_CHANNEL, STDERR_CHANNEL, ERROR_CHANNEL)
    )
    if not status:
        return ended(NOT_RUN, output, errors, lost or "The connection was closed before its end.")
    return ended(*_outcome(json.loads(status), output, errors))


def _acknowledge(opened: WSClient, timeout: float) -> None:
    """Tell a command that its line has arrived, once it has."""
    deadline = time.monotonic() + timeout
    while opened.is_open() and (left := deadline - time.monotonic()) > 0:
        if opened.peek_channel(STDOUT_CHANNEL, timeout=left).endswith(LINE_END):
            opened.write_channel(STDIN_CHANNEL, LINE_END)
            return


def _outcome(
    status: Mapping[str, Any], output: bytes, errors: bytes
) -> tuple[int, bytes, bytes, str]:
    """Read the Status that ends a command: its exit code, or why it was not run."""
    if status["status"] == "Success":
        return 0, output, errors, ""
    for cause in (status.get("details") or {}).get("causes") or ():
        if cause.get("reason") == "ExitCode":
            return int(cause["message"]), output, errors, ""
    return NOT_RUN, output, errors, str(status.get("message"))
