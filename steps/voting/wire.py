"""The wire between pods: what captured packets show of votes with a marker in them."""

from __future__ import annotations

from pytest_bdd import given, then, when

from meshproof.engine.engine import Engine
from meshproof.plugin.tutorial import Beside
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial
from steps.voting.plaintext_canary import one_app_pod
from steps.voting.wire_capture import Observed, captured_in_plain_text, observe


@given("in a separate namespace without mutual TLS, captured packets show a vote's marker string")
def packets_show_the_marker(beside: Beside, node_engine: Engine | None, evidence: Evidence) -> None:
    """With mutual TLS off, the same capture shows the marker on every connection: the baseline."""
    seen = captured_in_plain_text(beside("plain", one_app_pod), node_engine, evidence)
    assert not seen.problem, seen.problem


@when(
    "votes with a marker string are cast while packets between pods are captured on the nodes",
    target_fixture="observed",
)
def marked_votes_are_captured(
    tutorial: Tutorial, node_engine: Engine | None, evidence: Evidence
) -> Observed:
    """Capture with tcpdump on every node while a marker goes over each connection."""
    return observe(tutorial, node_engine, evidence, analytics="1.1")


@then("the capture is complete, and holds connections between each of these pairs of workloads")
def capture_is_complete(observed: Observed, datatable: list[list[str]]) -> None:
    """Nothing is missing in the capture, and each pair that talks is there: the baseline."""
    missing = observed.whole(datatable[1:])
    assert not missing, missing


@then("every captured connection is TLS")
def every_connection_is_tls(observed: Observed) -> None:
    """Each connection is of TLS records, from its first byte that was seen."""
    plain = observed.plain()
    assert not plain, plain


@then("no captured packet holds the marker string")
def no_packet_holds_the_marker(observed: Observed) -> None:
    """The marker can be read neither in the connections nor in the packets as they are."""
    found = observed.read_marker()
    assert not found, found
