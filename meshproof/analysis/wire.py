"""What captured packets show of the wire between pods: TLS, or what anyone can read (T4).

A capture on all interfaces of a node holds a forwarded packet twice, and packets in any
order. So TCP's sequence numbers put each connection together again, each byte once, before
anything is said of it.

Why not by scapy's ``TCPSession`` and its layers for TLS, although scapy reads the packets: given
the captures of this module's unit tests, scapy 2.8.0 says nothing of what is missing, on which
each claim about the wire rests.

- A gap is filled with zeros: 615 bytes where 410 were captured. One over 64 KB ends the stream.
- A packet that was not kept whole is taken for a short one: 100 bytes of 205, and no word of it.
- Where the numbers wrap, what comes after is dropped: 186 bytes of 286.
- Two connections in turn from one port are one: 4024 bytes, most of them zeros.
- Whether a stream was seen from its beginning is not told, so that a hello cannot be asked for.
- Records of version 3.5, and of 0 or 18433 bytes, are TLS to it. Plain text after a record is
  padding to it, as is a record that the capture's end cuts off.
- 300 records of 16 KB take it a second of a processor, and this module none to speak of.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO

from meshproof.errors import EnvironmentBroken
from meshproof.wording import quoted

#: Content types of TLS records: change of cipher, alert, handshake, data (RFC 8446, 5.1).
RECORD_TYPES = range(20, 24)
HANDSHAKE = 22
CLIENT_HELLO = 1
SERVER_HELLO = 2
#: Bytes; TLS 1.2 allows a record more of them than TLS 1.3 does (RFC 5246, 6.2.3).
LARGEST_RECORD = 2**14 + 2048
HEADER = 5
#: Bytes of plain text that a message shows.
SHOWN = 60

#: Names of two workloads: who opens connections, and to whom.
Pair = tuple[str, str]
End = tuple[str, int]


@dataclass(frozen=True)
class Place:
    """Where a pod of a workload (``web 1.0``) is: its address, and its node's name."""

    workload: str
    pod: str
    address: str
    node: str


@dataclass(frozen=True)
class Packet:
    """A TCP packet. ``size`` is the length of its data in bytes, whether or not all was kept."""

    time: float
    source: End
    target: End
    number: int
    syn: bool
    opens: bool
    size: int
    data: bytes


@dataclass(frozen=True)
class Stream:
    """One direction of a connection, each byte once.

    ``whole`` says that it was seen from its first byte on; ``missing`` counts the bytes
    that the capture lacks between the first and the last one.
    """

    data: bytes
    whole: bool
    missing: int

    def plain_from(self, hello: int) -> int | None:
        """Where it is no TLS, in bytes from its beginning; None where it is TLS throughout.

        ``hello`` is the message that a whole one must begin with. A record that the
        capture's end cuts off is TLS as far as it goes.
        """
        if self.whole and self.data:
            first = self.data[0], self.data[HEADER : HEADER + 1]
            if first not in ((HANDSHAKE, bytes([hello])), (HANDSHAKE, b"")):
                return 0
        at = 0
        while at < len(self.data):
            length = _record(self.data[at : at + HEADER])
            if length is None:
                return at
            at += HEADER + length
        return None


def _record(header: bytes) -> int | None:
    """Return the length that a TLS record's header states, None where it is no such header."""
    kind, version, length = header[0], header[1:3], int.from_bytes(header[3:])
    cut_off = len(header) < HEADER
    known = version[:1] in (b"", b"\x03") and version[1:] <= b"\x04"
    if kind not in RECORD_TYPES or not known or not (cut_off or 1 <= length <= LARGEST_RECORD):
        return None
    return length


@dataclass(frozen=True)
class Connection:
    """A TCP connection between two pods; ``packets`` is how many of its packets were captured."""

    client: Place
    server: Place
    port: int
    sent: Stream
    answered: Stream
    packets: int

    @property
    def pair(self) -> Pair:
        """The workloads that it joins."""
        return self.client.workload, self.server.workload

    @property
    def plain_text(self) -> str:
        """The first bytes that are no TLS, escaped, and where; empty where all of it is TLS."""
        for way, stream, hello in (
            ("sent", self.sent, CLIENT_HELLO),
            ("answered", self.answered, SERVER_HELLO),
        ):
            at = stream.plain_from(hello)
            if at is not None:
                text = stream.data[at : at + SHOWN].decode(errors="surrogateescape")
                return f"{way}, at byte {at}: {quoted(text)}"
        return ""

    def count(self, marker: bytes) -> int:
        """How many times a marker can be read in it."""
        return self.sent.data.count(marker) + self.answered.data.count(marker)

    def __str__(self) -> str:
        """Return the connection in a line."""
        size = f"{len(self.sent.data)} bytes sent, {len(self.answered.data)} answered"
        begun = "begun in the capture" if self.sent.whole else "begun before the capture"
        text = self.plain_text
        return (
            f"{self.client.workload} ({self.client.pod}) → {self.server.workload} "
            f"({self.server.pod}:{self.port}), {begun}, {self.packets} packets, {size}: "
            f"{f'plain text {text}' if text else 'TLS'}"
        )


@dataclass(frozen=True)
class Wire:
    """All connections of a capture between pods."""

    connections: tuple[Connection, ...]

    @property
    def talking(self) -> dict[Pair, list[Connection]]:
        """The connections with bytes in both directions, by the workloads that they join."""
        found = defaultdict(list)
        for connection in self.connections:
            if connection.sent.data and connection.answered.data:
                found[connection.pair].append(connection)
        return dict(found)

    @property
    def in_plain_text(self) -> list[Connection]:
        """The connections that are not TLS throughout."""
        return [connection for connection in self.connections if connection.plain_text]

    def showing(self, marker: str) -> set[Pair]:
        """The pairs of workloads between which a marker can be read in plain text."""
        return {c.pair for c in self.in_plain_text if c.count(marker.encode())}

    def count(self, marker: str) -> int:
        """How many times a marker can be read."""
        return sum(connection.count(marker.encode()) for connection in self.connections)

    def summary(self) -> list[str]:
        """Return a line for each pair of workloads: connections, bytes, and what they are."""
        return [_pair_line(pair, found) for pair, found in sorted(self.talking.items())]


def _pair_line(pair: Pair, found: Sequence[Connection]) -> str:
    size = sum(len(c.sent.data) + len(c.answered.data) for c in found)
    begun = sum(1 for c in found if c.sent.whole)
    plain = sum(1 for c in found if c.plain_text)
    return (
        f"{pair[0]} → {pair[1]}: {len(found)} connections ({begun} begun in the capture), "
        f"{size} bytes, {plain} of the connections in plain text"
    )


def read_wire(pcaps: Iterable[bytes], places: Iterable[Place]) -> Wire:
    """Put the connections in captures together again; several captures may hold the same packets.

    Raises ``EnvironmentBroken`` where bytes within a connection are missing: nothing can
    be said of what was not seen.
    """
    at = {place.address: place for place in places}
    packets = sorted((p for pcap in pcaps for p in packets_of(pcap)), key=lambda p: p.time)
    connections = []
    for (client, server), begun in _conversations(packets):
        connections.append(
            Connection(
                at[client[0]],
                at[server[0]],
                server[1],
                _assembled([p for p in begun if p.source == client]),
                _assembled([p for p in begun if p.source == server]),
                len(begun),
            )
        )
    for connection in connections:
        missing = connection.sent.missing + connection.answered.missing
        if missing:
            raise EnvironmentBroken(
                f"The capture lacks {missing} bytes, so nothing can be said of what went "
                f"between pods: {connection}"
            )
    return Wire(tuple(connections))


def packets_of(pcap: bytes) -> Iterator[Packet]:
    """Read the TCP packets over IPv4 of a capture."""
    # Each process of a run would spend 0.6 s on them, and one of them reads a capture.
    from scapy.layers.inet import IP, TCP  # noqa: PLC0415
    from scapy.utils import PcapReader  # noqa: PLC0415

    with PcapReader(BytesIO(pcap)) as reader:  # type: ignore[arg-type] # it takes files, too
        for packet in reader:
            if TCP not in packet:
                continue
            ip, tcp = packet[IP], packet[TCP]
            size = ip.len - 4 * ip.ihl - 4 * tcp.dataofs
            yield Packet(
                float(packet.time),
                (ip.src, tcp.sport),
                (ip.dst, tcp.dport),
                tcp.seq,
                syn="S" in tcp.flags,
                opens="S" in tcp.flags and "A" not in tcp.flags,
                size=size,
                data=bytes(tcp.payload)[:size],
            )


@dataclass
class _Conversation:
    """The packets between two ends, until one of them begins anew from the same port."""

    began: int | None = None
    packets: list[Packet] = field(default_factory=list)


def _conversations(packets: Iterable[Packet]) -> list[tuple[tuple[End, End], list[Packet]]]:
    """Sort packets by connection: (client, server) with the packets of both directions.

    The server is the end with the lower port: clients get theirs from 32768 on.
    """
    found: dict[tuple[End, End], list[_Conversation]] = defaultdict(list)
    for packet in packets:
        server, client = sorted((packet.source, packet.target), key=lambda end: end[1])
        between = found[client, server]
        if not between or (packet.opens and packet.number != between[-1].began):
            between.append(_Conversation(packet.number if packet.opens else None))
        between[-1].packets.append(packet)
    return [(ends, c.packets) for ends, between in found.items() for c in between]


def _assembled(packets: Sequence[Packet]) -> Stream:
    """Put one direction together by its sequence numbers, which begin anywhere and wrap around."""
    if not packets:
        return Stream(b"", whole=False, missing=0)
    opening = next((packet for packet in packets if packet.syn), None)
    base = opening.number + 1 if opening else packets[0].number
    parts = sorted(
        # The distance from the base, which a packet that comes late may lie before.
        ((packet.number + packet.syn - base + 2**31) % 2**32 - 2**31, packet.size, packet.data)
        for packet in packets
        if packet.size
    )
    first = 0 if opening else min((start for start, *_ in parts), default=0)
    last = max((start + size for start, size, _ in parts), default=first)
    data, end = bytearray(), first
    for start, _, piece in parts:
        if start + len(piece) > end:
            data += piece[max(0, end - start) :]
            end = start + len(piece)
    return Stream(bytes(data), whole=opening is not None, missing=last - first - len(data))
