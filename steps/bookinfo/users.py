"""Users who view the product page while the tutorial goes on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_bdd import given, parsers, then

from meshproof.analysis.timeline import Timeline
from meshproof.mesh.ingress import Ingress
from meshproof.probes.steady import SteadyTraffic, steady_traffic
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial
from steps.bookinfo import reading_on


@pytest.fixture
def readers(ingress: Ingress) -> Iterator[SteadyTraffic]:
    """Views of the product page through the ingress, which end with the scenario."""
    with steady_traffic(ingress.url, ingress.host) as traffic:
        yield traffic


@pytest.fixture
def views_throughout(readers: SteadyTraffic, evidence: Evidence) -> Timeline:
    """What the users lived through: they end here, and all of it is evidence."""
    try:
        reading_on.ended(readers)
    finally:
        timeline = readers.timeline()
        evidence.tell(reading_on.lived_through(timeline))
        evidence.data("timeline", timeline.as_json())
    return timeline


@given("readers and jason view the product page throughout")
def readers_view_throughout(tutorial: Tutorial, readers: SteadyTraffic) -> None:
    """Two readers and jason twice, on kept connections and on new ones, begin and do not stop."""
    tutorial.mark = readers.step
    reading_on.begin(readers)


@then("no view of the product page failed")
def no_view_failed(views_throughout: Timeline, evidence: Evidence) -> None:
    """Each view at every step got the page, and a reader's was whole; none was tried again."""
    seen = evidence.tell(reading_on.all_served(views_throughout))
    assert not seen.problem, seen.problem


@then(parsers.parse('readers saw {shown} alone from "{after}" until "{until}" began'))
def readers_saw_until(
    views_throughout: Timeline, evidence: Evidence, shown: str, after: str, until: str
) -> None:
    """Once one stage was in force, and before another's first command, no other page came."""
    seen = evidence.tell(reading_on.readers_saw(views_throughout, shown, after, until))
    assert not seen.problem, seen.problem


@then(parsers.parse('readers saw {shown} alone from "{after}" on'))
def readers_saw_from(
    views_throughout: Timeline, evidence: Evidence, shown: str, after: str
) -> None:
    """Once the stage was in force, no other page came."""
    seen = evidence.tell(reading_on.readers_saw(views_throughout, shown, after))
    assert not seen.problem, seen.problem
