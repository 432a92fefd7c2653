"""Users who make requests while the tutorial goes on, and what they live through.

Who they are and what they ask for, a suite's own steps say.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_bdd import parsers, then

from meshproof.analysis.lived_through import all_served, lived_through, saw_alone
from meshproof.analysis.timeline import Timeline
from meshproof.mesh.ingress import Ingress
from meshproof.probes.steady import SteadyTraffic, steady_traffic
from meshproof.signoff.evidence import Evidence


@pytest.fixture
def traffic(ingress: Ingress) -> Iterator[SteadyTraffic]:
    """Steady traffic through the ingress, which ends with the scenario."""
    with steady_traffic(ingress.url, ingress.host) as traffic:
        yield traffic


@pytest.fixture
def timeline(traffic: SteadyTraffic, evidence: Evidence) -> Timeline:
    """What the users lived through: they end here, and all of it is evidence."""
    try:
        traffic.ended()
    finally:
        timeline = traffic.timeline()
        evidence.tell(lived_through(timeline))
        evidence.data("timeline", timeline.as_json())
    return timeline


@then("no request that users made during the scenario failed")
def no_request_failed(timeline: Timeline, evidence: Evidence) -> None:
    """Each request at every step was served, and none was tried again."""
    seen = evidence.tell(all_served(timeline))
    assert not seen.problem, seen.problem


@then(parsers.parse("{users} saw only {shown}, {span}"))
def users_saw_only(
    timeline: Timeline, evidence: Evidence, users: str, shown: str, span: str
) -> None:
    """All answers to these users were of one kind: always, from one stage on, until another."""
    seen = evidence.tell(saw_alone(timeline, users, shown, span))
    assert not seen.problem, seen.problem
