"""The wire between pods: what captured packets show of votes with a marker in them (T4)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import uuid4

from pytest_bdd import given, then, when

from fixtures.tutorial import Beside
from meshproof.analysis.wire import Pair, Wire, read_wire
from meshproof.engine.engine import Engine
from meshproof.probes.capture import capture, places
from meshproof.probes.plaintext_canary import (
    PLAIN_HOST,
    cast_marked,
    follow_in_plain_text,
    marked_ways,
)
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial
from meshproof.wording import in_turn, listed


@dataclass(frozen=True)
class Observed:
    """What was captured while a marker was sent, and how often the packets hold it as it is."""

    marker: str
    wire: Wire
    in_packets: int


@given(
    "mutual TLS is off in a namespace of its own, where captured packets show the marker of a vote"
)
def _(beside: Beside, node_engine: Engine | None, evidence: Evidence) -> None:
    plain_text = beside("plain")
    follow_in_plain_text(plain_text)
    seen = observe(plain_text, node_engine, evidence, analytics="1.0", host=PLAIN_HOST)
    without = marked_ways("1.0") - seen.wire.showing(seen.marker)
    assert not without, f"no marker seen in plain text: {arrows(without)}"


@when(
    "votes with a marker are cast while the packets between pods are captured on the nodes",
    target_fixture="observed",
)
def _(tutorial: Tutorial, node_engine: Engine | None, evidence: Evidence) -> Observed:
    return observe(tutorial, node_engine, evidence, analytics="1.1")


@then("the capture is whole, and holds what these workloads said to each other")
def _(observed: Observed, datatable: list[list[str]]) -> None:
    expected = {(client, server) for client, server in datatable[1:]}
    missing = expected - observed.wire.talking.keys()
    assert not missing, (
        f"no packets seen: {arrows(missing)}; seen: {in_turn(observed.wire.summary())}"
    )


@then("all of it is TLS")
def _(observed: Observed) -> None:
    plain, every = [str(c) for c in observed.wire.in_plain_text], observed.wire.connections
    assert not plain, f"{len(plain)} of {len(every)} connections are in plain text: {plain[0]}"


@then("the marker is nowhere in it")
def _(observed: Observed) -> None:
    found = observed.wire.count(observed.marker)
    assert (found, observed.in_packets) == (0, 0), (
        f"the marker was read {found} times in connections, {observed.in_packets} in packets"
    )


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
