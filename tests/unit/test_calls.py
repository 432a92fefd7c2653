from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from meshproof.cluster.cluster import Cluster
from meshproof.errors import EnvironmentBroken
from meshproof.probes import calls
from meshproof.probes.calls import (
    BLOCK,
    BLOCKS,
    CLIENT,
    FIRST_PORT,
    Answer,
    Call,
    call_all,
    local_ports,
    login,
)
from meshproof.process import CommandFailed

HTTP, REDIS, MYSQL = (Call("server", protocol) for protocol in ("http", "redis", "mysql"))
GREETING = b"\x05\0\0\0\x0a8.0\0"
#: What a server does with a connection.
Serve = Callable[[socket.socket], None]


def answer(call: Call, received: bytes = b"", *, greeting: bytes = b"", end: str = "") -> Answer:
    return Answer(call, "10.0.0.1:40000", greeting, received, end or "closed")


@pytest.mark.parametrize(
    ("given", "served", "refused", "words"),
    [
        (answer(HTTP, b"HTTP/1.1 200 OK\r\n\r\n"), True, False, "200"),
        (answer(HTTP, b"HTTP/1.1 403 Forbidden\r\n\r\n"), False, True, "403"),
        (answer(HTTP, b"HTTP/1.1 503 No\r\n\r\n"), False, False, "503"),
        (answer(HTTP), False, False, "no byte"),
        (answer(REDIS, b"+PONG\r\n"), True, False, "+PONG"),
        (answer(REDIS, b"-NOAUTH\r\n"), True, False, "-NOAUTH"),
        (answer(REDIS), False, True, "no byte"),
        (answer(REDIS, end="Connection reset by peer"), False, True, "no byte"),
        (answer(REDIS, end="timed out"), False, True, "no byte, timed out"),
        (answer(MYSQL, b"\x07\0\0\x02\xff", greeting=GREETING), True, False, "login answered"),
        (answer(MYSQL, greeting=GREETING), False, True, "greeting only"),
        (answer(MYSQL), False, True, "no byte"),
    ],
)
def test_what_comes_back_decides(given: Answer, served: bool, refused: bool, words: str) -> None:
    assert (given.served, given.refused, str(given)) == (served, refused, words)


def test_a_login_is_one_packet_that_follows_the_greeting() -> None:
    packet = login("somebody")
    assert packet[:4] == (len(packet) - 4).to_bytes(3, "little") + b"\x01"
    assert packet[4 + 32 :] == b"somebody\0\0mysql_native_password\0"


def test_a_call_as_the_client_reads_it() -> None:
    ping = b"PING\r\n".hex()
    assert REDIS.line(20001) == f"20001 server 6379 0 7 {ping}\n"
    assert MYSQL.line(0).startswith("0 server 3306 1 5 ")
    _, host, port, greets, enough, request = HTTP.line(0).split()
    assert (host, port, greets, enough) == ("server", "8080", "0", "0")
    assert b"Host: server:8080\r\n" in bytes.fromhex(request)


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Serve], None]]:
    """Lets a server on this machine answer the next calls in MySQL's protocol and in HTTP."""
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor())

        def start(serve: Serve) -> None:
            listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            port = listening.getsockname()[1]
            monkeypatch.setattr(calls, "PORTS", {"http": port, "mysql": port})

            def once() -> None:
                connection, _ = listening.accept()
                with connection:
                    serve(connection)

            pool.submit(once)

        yield start


def run_client(*made: Call) -> list[Any]:
    lines = "".join(call.line(0) for call in made)
    done = subprocess.run(
        ["perl", "-e", CLIENT.read_text()], input=lines, text=True, capture_output=True, check=True
    )
    assert done.stderr == ""
    return [line.split("\t") for line in done.stdout.splitlines()]


def test_the_client_waits_for_a_greeting_and_then_asks(
    serve: Callable[[Serve], None],
) -> None:
    asked: list[bytes] = []

    def server(connection: socket.socket) -> None:
        connection.sendall(GREETING)
        asked.append(connection.recv(1000))
        connection.sendall(b"\x07\0\0\x02\xff")

    serve(server)
    call = Call("127.0.0.1", "mysql")
    ((local, greeting, received, end),) = run_client(call)
    assert re.fullmatch(r"127\.0\.0\.1:\d+", local)
    assert (bytes.fromhex(greeting), bytes.fromhex(received)) == (GREETING, b"\x07\0\0\x02\xff")
    assert (end, asked) == ("answered", [call.request])


def test_the_client_says_nothing_where_it_is_not_greeted(serve: Callable[[Serve], None]) -> None:
    serve(lambda connection: None)
    ((_, greeting, received, end),) = run_client(Call("127.0.0.1", "mysql"))
    assert (greeting, received, end) == ("", "", "closed")


def test_the_client_reads_until_the_end_where_that_is_the_end_of_an_answer(
    serve: Callable[[Serve], None],
) -> None:
    def server(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        connection.sendall(b"\r\nbody")

    serve(server)
    ((_, _, received, end),) = run_client(Call("127.0.0.1", "http"))
    assert bytes.fromhex(received) == b"HTTP/1.1 200 OK\r\n\r\nbody"
    assert end == "closed"


def test_the_client_goes_on_where_nobody_listens(serve: Callable[[Serve], None]) -> None:
    serve(lambda connection: connection.close())
    refused = Call("127.0.0.2", "mysql")
    lines = run_client(refused, Call("127.0.0.1", "mysql"))
    assert lines[0][0] == "" and lines[0][3].startswith("not connected: ")
    assert lines[1][0] != ""


def test_calls_are_made_in_one_go(
    cluster: Cluster, script: Callable[[str, str], Path], tmp_path: Path
) -> None:
    log, read = tmp_path / "log", tmp_path / "read"
    printed = "\\n".join(
        [
            f"10.0.0.1:40000\\t\\t{b'+PONG'.hex()}\\tanswered",
            f"10.0.0.1:40001\\t{GREETING.hex()}\\t\\tclosed",
        ]
    )
    script("kubectl", f'printf "%s\\n" "$*" >> {log}; cat > {read}\nprintf "{printed}\\n"')
    made = call_all(cluster, "voting", "pod-1", "voting-app", [REDIS, MYSQL])
    assert made == [
        Answer(REDIS, "10.0.0.1:40000", b"", b"+PONG", "answered"),
        Answer(MYSQL, "10.0.0.1:40001", GREETING, b"", "closed"),
    ]
    assert log.read_text().startswith("exec -i -n voting pod-1 -c voting-app -- perl -e ")
    first, second = read.read_text().splitlines(keepends=True)
    port = int(first.split()[0])
    assert (first, second) == (REDIS.line(port), MYSQL.line(port + 1))
    assert FIRST_PORT <= port < FIRST_PORT + BLOCKS * BLOCK


def test_the_client_begins_where_it_is_told(serve: Callable[[Serve], None]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve(lambda connection: connection.close())
    call = Call("127.0.0.1", "http")
    done = subprocess.run(
        ["perl", "-e", CLIENT.read_text()],
        input=call.line(port), text=True, capture_output=True, check=True,
    )  # fmt: skip
    assert done.stdout.split("\t")[0] == f"127.0.0.1:{port}"


def test_no_port_is_used_again_before_the_kernel_forgets_it() -> None:
    forgets = 120  # seconds; nf_conntrack_tcp_timeout_time_wait
    used = [port for second in range(forgets + 1) for port in local_ports(BLOCK, 1e9 + second)]
    assert len(set(used)) == len(used)
    assert min(used) > 15090 and max(used) < 32768  # a sidecar's, and where the kernel begins
    with pytest.raises(ValueError, match="101 calls"):
        local_ports(BLOCK + 1, 0)


def test_a_pod_that_is_not_even_connected_says_nothing_of_the_mesh(
    cluster: Cluster, script: Callable[[str, str], Path]
) -> None:
    script("kubectl", r'cat > /dev/null; printf "\t\t\tnot connected: no such host\n"')
    with pytest.raises(EnvironmentBroken, match="server: not connected: no such host"):
        call_all(cluster, "voting", "pod-1", "voting-app", [REDIS])


def test_a_pod_in_which_the_client_cannot_run(
    cluster: Cluster, script: Callable[[str, str], Path]
) -> None:
    script("kubectl", "echo 'perl: not found' >&2; exit 127")
    with pytest.raises(CommandFailed, match="not found"):
        call_all(cluster, "voting", "pod-1", "voting-app", [REDIS])
