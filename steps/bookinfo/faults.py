"""Faults that the mesh injects into calls of ratings: whom they meet, and what the page shows."""

from __future__ import annotations

from pytest_bdd import given, parsers, then, when

from meshproof.analysis.strength import AlwaysDemand, Demands
from meshproof.mesh.ingress import Ingress
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial
from steps.bookinfo import inside, sampling
from steps.bookinfo.inside import Answers
from steps.bookinfo.readers import EVERYONE_ELSE
from steps.bookinfo.verdicts import PageSample, slow_pages
from steps.bookinfo.views import View

#: Seconds within which something comes at once: a call takes some ms, on a busy machine 100 times
#: that, and no fault is as short.
AT_ONCE = 1.5
#: Seconds by which a timer may be early, and what is waited for late.
EARLY = 0.05
#: Requests of the baseline.
BASELINE = 30


@given("ratings answer jason with 200 at once, and everyone else too")
def ratings_answer_everybody(tutorial: Tutorial, evidence: Evidence) -> None:
    """Asked from a pod of reviews, ratings treat nobody otherwise: the baseline."""
    seen = inside.unharmed(inside.ask_ratings(tutorial, BASELINE), AT_ONCE)
    evidence.tell(seen)
    assert not seen.problem, seen.problem


@then(
    parsers.parse("ratings answer jason with {status:d} after {seconds:d} seconds"),
    target_fixture="answers",
)
def ratings_answer_jason_late(
    tutorial: Tutorial, evidence: Evidence, demand: AlwaysDemand, status: int, seconds: int
) -> Answers:
    """Asked as jason from a pod of reviews, each answer has this status, and comes so late."""
    answers = inside.asked(tutorial, demand.samples, evidence.tell)
    evidence.require(inside.jason_gets(answers, status, seconds - EARLY, seconds + AT_ONCE))
    return answers


@when("ratings are asked as jason, and as everyone else meanwhile", target_fixture="answers")
def ratings_are_asked(tutorial: Tutorial, evidence: Evidence, demand: AlwaysDemand) -> Answers:
    """Ask from a pod of reviews, over its sidecar, as either kind of user."""
    return inside.asked(tutorial, demand.samples, evidence.tell)


@then(parsers.parse("ratings answered jason with {status:d} at once"))
def ratings_answered_jason(answers: Answers, evidence: Evidence, status: int) -> None:
    """Each answer to jason has this status, and came at once."""
    seen = evidence.tell(inside.jason_gets(answers, status, 0.0, AT_ONCE))
    assert not seen.problem, seen.problem


@then("ratings answer everyone else with 200 at once meanwhile")
@then("ratings answered everyone else with 200 at once")
def ratings_answer_everyone_else(
    answers: Answers, evidence: Evidence, demand: AlwaysDemand
) -> None:
    """Asked as another user, or as nobody, from the same pod, ratings answer as ever."""
    seen = evidence.tell(inside.others_unharmed(answers, demand, AT_ONCE))
    assert not seen.problem, seen.problem


@given(
    parsers.parse(
        "samples of jason that notice a leak of {leak:g} % with {confidence:g} % confidence"
    ),
    target_fixture="demand_of_jason",
)
def samples_of_jason(demands: Demands, leak: float, confidence: float) -> AlwaysDemand:
    """Sample so much of who has to wait; with --quick less."""
    return demands.always(leak / 100, confidence / 100)


@when(
    "product pages of everyone else are sampled while jason waits for his",
    target_fixture="pages",
)
def pages_are_sampled_while_jason_waits(
    ingress: Ingress, evidence: Evidence, demand: AlwaysDemand, demand_of_jason: AlwaysDemand
) -> PageSample:
    """View jason's pages side by side, as each takes seconds, and everyone else's meanwhile."""
    pages = sampling.both_at_once(ingress, demand, demand_of_jason)
    evidence.tell(pages.kept())
    return pages


@then(parsers.parse("every page of everyone else comes within {seconds:g} seconds"))
def every_other_page_comes_within(pages: PageSample, evidence: Evidence, seconds: float) -> None:
    """Nobody else waits for anything meanwhile."""
    seen = evidence.tell(pages.come_within(EVERYONE_ELSE, seconds))
    assert not seen.problem, seen.problem


@when(parsers.parse("{count:d} product pages of jason are viewed at once"), target_fixture="slow")
def pages_of_jason_are_viewed(ingress: Ingress, count: int) -> list[View]:
    """View the page signed in as jason, on so many connections at once."""
    return sampling.jasons_pages(ingress, count)


@then(parsers.parse("each of these pages shows {shown} after {seconds:d} seconds"))
def each_page_comes_after(slow: list[View], evidence: Evidence, shown: str, seconds: int) -> None:
    """Each took so long, and not a second and a half longer."""
    seen = evidence.tell(slow_pages(slow, shown, seconds - EARLY, seconds + AT_ONCE))
    assert not seen.problem, seen.problem
