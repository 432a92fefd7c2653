"""Captures packets between pods while a marker is sent, and reads what they show of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import uuid4

from meshproof.analysis.observation import Observation, unless
from meshproof.analysis.wire import Pair, Wire, read_wire
from meshproof.engine.engine import Engine
from meshproof.probes.capture import capture, places
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial
from meshproof.wording import in_turn, listed
from steps.voting.plaintext_canary import (
    PLAIN_HOST,
    cast_marked,
    follow_in_plain_text,
    marked_ways,
)


@dataclass(frozen=True)
class Observed:
    """What was captured while a marker was sent, and how often the packets hold it as it is."""

    marker: str
    wire: Wire
    in_packets: int

    def whole(self, rows: Sequence[Sequence[str]]) -> str:
        """Say which pairs of workloads, client and server, have no packets; or nothing."""
        missing = {(client, server) for client, server in rows} - self.wire.talking.keys()
        seen = in_turn(self.wire.summary())
        return f"no packets seen: {arrows(missing)}; seen: {seen}" if missing else ""

    def plain(self) -> str:
        """Say which connections are not TLS throughout; or nothing."""
        plain, every = [str(c) for c in self.wire.in_plain_text], self.wire.connections
        told = f"{len(plain)} of {len(every)} connections are in plain text: "
        return told + plain[0] if plain else ""

    def read_marker(self) -> str:
        """Say how often the marker can be read; or nothing."""
        found = (self.wire.count(self.marker), self.in_packets)
        told = "the marker was read {} times in connections, {} in packets"
        return told.format(*found) if any(found) else ""


def captured_in_plain_text(
    place: Tutorial, node_engine: Engine | None, evidence: Evidence
) -> Observation:
    """Send a marker where mutual TLS is off, and hold the packets against showing it everywhere."""
    follow_in_plain_text(place)
    seen = observe(place, node_engine, evidence, analytics="1.0", host=PLAIN_HOST)
    without = marked_ways("1.0") - seen.wire.showing(seen.marker)
    missing = f"no marker seen in plain text: {arrows(without)}"
    return Observation(problems=unless(not without, missing))


def arrows(pairs: Collection[Pair]) -> str:
    """The ways between workloads, in words."""
    return listed((f"{a} → {b}" for a, b in sorted(pairs)), most=len(pairs))


def observe(
    tutorial: Tutorial,
    node_engine: Engine | None,
    evidence: Evidence,
    *,
    analytics: str,
    host: str | None = None,
) -> Observed:
    """Send a marker while packets are captured, keep everything as evidence, and read it."""
    marker = f"marker-{uuid4().hex}"
    answers: list[str] = []
    where = places(tutorial.cluster, tutorial.namespace)

    def cast() -> None:
        answers[:] = cast_marked(tutorial, marker, analytics=analytics, host=host)

    captured = capture(node_engine, where, cast)
    evidence.text(f"answers in {tutorial.namespace}", "\n".join(answers) + "\n")
    for one in captured:
        evidence.packets(f"{one.node} for {tutorial.namespace}", one.pcap)
        evidence.text(f"tcpdump on {one.node}", f"{one.filter}\n\n{one.said}")
        evidence.observe(f"namespace {tutorial.namespace}, {one}")
    wire = read_wire([one.pcap for one in captured], where)
    connections = "\n".join(map(str, wire.connections)) + "\n"
    evidence.text(f"connections in {tutorial.namespace}", connections)
    for line in wire.summary():
        evidence.observe(line)
    in_packets = sum(one.pcap.count(marker.encode()) for one in captured)
    line = (
        f"The marker was read {wire.count(marker)} times in {len(wire.connections)} "
        f"connections, {in_packets} times in the packets as they are."
    )
    if host:  # in plain text
        evidence.baseline(line)
    else:
        evidence.result(line)
    return Observed(marker, wire, in_packets)
