"""Calls from inside any workload, each on a connection of its own, and what came back (C6)."""

from __future__ import annotations

import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from meshproof.cluster.cluster import Cluster
from meshproof.errors import EnvironmentBroken

#: What runs in the pod; it says itself what it reads and writes.
CLIENT = Path(__file__).with_name("calls.pl")
#: The port that each protocol is served at, in every workload.
PORTS = {"http": 8080, "redis": 6379, "mysql": 3306}
#: Whose servers speak first.
GREETS = "mysql"
#: What the application answers whatever has become of its store.
READY = "/healthz/ready"
#: CLIENT_PROTOCOL_41, CLIENT_SECURE_CONNECTION and CLIENT_PLUGIN_AUTH, MySQL's numbers.
CAPABILITIES = 0x200 | 0x8000 | 0x80000
LARGEST_PACKET, UTF8 = 1 << 24, 33
#: How many bytes of an answer are enough. One in HTTP ends with its connection.
ENOUGH = {"http": 0, "redis": len("+PONG\r\n"), "mysql": 5}


def login(user: str) -> bytes:
    """Return MySQL's answer to a greeting: a login without a password.

    (HandshakeResponse41.) Whatever the server says to it, it was asked.
    """
    names = user.encode() + b"\0" + b"\0" + b"mysql_native_password\0"
    payload = struct.pack("<IIB23x", CAPABILITIES, LARGEST_PACKET, UTF8) + names
    return len(payload).to_bytes(3, "little") + b"\x01" + payload


@dataclass(frozen=True)
class Call:
    """A host that is called, and in which protocol (a key of ``PORTS``)."""

    host: str
    protocol: str

    @property
    def port(self) -> int:
        """The port that is called."""
        return PORTS[self.protocol]

    @property
    def request(self) -> bytes:
        """What is sent: a question that any server of the protocol answers."""
        if self.protocol == "redis":
            return b"PING\r\n"
        if self.protocol == "mysql":
            return login("meshproof-probe")
        head = f"GET {READY} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nConnection: close\r\n\r\n"
        return head.encode()

    def line(self, local_port: int) -> str:
        """Return the call as the client in the pod reads it."""
        greets, enough = int(self.protocol == GREETS), ENOUGH[self.protocol]
        return f"{local_port} {self.host} {self.port} {greets} {enough} {self.request.hex()}\n"


@dataclass(frozen=True)
class Answer:
    """What came of a call.

    ``local`` is the caller's end of the connection (address:port), ``greeting`` what came
    before anything was sent, ``received`` what came after, ``end`` how it ended.
    """

    call: Call
    local: str
    greeting: bytes
    received: bytes
    end: str

    @property
    def status(self) -> int | None:
        """The status of an answer in HTTP."""
        words = self.received.split(b" ", 2)
        return int(words[1]) if words[0] == b"HTTP/1.1" else None

    @property
    def served(self) -> bool:
        """Whether the application itself answered; to a login, whatever it said."""
        if self.call.protocol == "http":
            return self.status == 200
        return bool(self.received)

    @property
    def refused(self) -> bool:
        """Whether it looks as where a policy denies: 403, or an end without an answer."""
        if self.call.protocol == "http":
            return self.status == 403
        return not self.received

    def __str__(self) -> str:
        """Return what came back in a few words."""
        if self.call.protocol == "http" and self.status:
            return str(self.status)
        if not self.received:
            came = "greeting only" if self.greeting else "no byte"
            return came if self.end in ("closed", RESET) else f"{came}, {self.end}"
        return (
            "login answered"
            if self.call.protocol == "mysql"
            else self.received.decode(errors="replace").strip()
        )


#: Ports that no connection of a pod's own begins at (they begin at 32768), in blocks of which
#: each has its second: so long does the kernel remember a connection that is closed.
FIRST_PORT, BLOCK, BLOCKS = 20000, 100, 127


def local_ports(number: int, now: float) -> range:
    """Return the ports that so many calls begin at, by the time (seconds since the epoch).

    What a sidecar takes goes to one address, so two connections from one port to different
    addresses would clash there, and the kernel would give one of them another port than the
    caller knows: the proxy's log could not be joined with its answer. Raises ``ValueError`` for
    more calls than a block has ports.
    """
    if number > BLOCK:
        raise ValueError(f"{number} calls in one go; at most {BLOCK}")
    begin = FIRST_PORT + int(now) % BLOCKS * BLOCK
    return range(begin, begin + number)


#: How a connection ends that is closed while there is something unread.
RESET = "Connection reset by peer"


def call_all(
    cluster: Cluster, namespace: str, pod: str, container: str, calls: Sequence[Call]
) -> list[Answer]:
    """Make calls from inside a pod, one after another, in one go.

    Raises ``CommandFailed`` where the client cannot run, ``EnvironmentBroken`` where it was
    not even connected: a sidecar takes every connection to an address that there is.
    """
    ports = local_ports(len(calls), time.time())
    lines = "".join(call.line(port) for call, port in zip(calls, ports, strict=True))
    done = cluster.exec(
        namespace, pod, container, "perl", "-e", CLIENT.read_text(), stdin=lines
    )  # fmt: skip
    answers = [
        Answer(call, local, bytes.fromhex(greeting), bytes.fromhex(received), end)
        for call, line in zip(calls, done.stdout.splitlines(), strict=True)
        for local, greeting, received, end in [line.split("\t")]
    ]
    unconnected = [f"{one.call.host}: {one.end}" for one in answers if not one.local]
    if unconnected:
        raise EnvironmentBroken(f"Pod {pod} cannot call anything there: {unconnected[0]}.")
    return answers
