"""Users who view the product page while the tutorial goes on."""

from __future__ import annotations

from pytest_bdd import given, parsers, then

from meshproof.analysis.timeline import Timeline
from meshproof.probes.steady import SteadyTraffic
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial
from steps.bookinfo import reading_on


@given("readers and jason view the product page throughout")
def readers_view_throughout(tutorial: Tutorial, traffic: SteadyTraffic) -> None:
    """Two readers and jason twice, on kept connections and on new ones, begin and do not stop."""
    tutorial.mark = traffic.step
    reading_on.begin(traffic)


@then(parsers.parse('readers saw {shown} alone from "{after}" until "{until}" began'))
def readers_saw_until(
    timeline: Timeline, evidence: Evidence, shown: str, after: str, until: str
) -> None:
    """Once one stage was in force, and before another's first command, no other page came."""
    seen = evidence.tell(reading_on.readers_saw(timeline, shown, after, until))
    assert not seen.problem, seen.problem


@then(parsers.parse('readers saw {shown} alone from "{after}" on'))
def readers_saw_from(timeline: Timeline, evidence: Evidence, shown: str, after: str) -> None:
    """Once the stage was in force, no other page came."""
    seen = evidence.tell(reading_on.readers_saw(timeline, shown, after))
    assert not seen.problem, seen.problem
