"""Faults that the mesh injects into calls of ratings: whom they meet, and what the page shows."""

from __future__ import annotations

from pytest_bdd import given, parsers, when

from meshproof.analysis.strength import AlwaysDemand, Demands
from meshproof.mesh.ingress import Ingress
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial
from steps.bookinfo import inside, sampling
from steps.bookinfo.inside import Answers
from steps.bookinfo.verdicts import PageSample

#: Seconds within which something comes at once: a call takes some ms, on a busy machine 100 times
#: that, and no fault is as short.
AT_ONCE = 1.5
#: Requests of the baseline.
BASELINE = 30


@given("ratings answer jason with 200 at once, and everyone else too")
def ratings_answer_everybody(tutorial: Tutorial, evidence: Evidence) -> None:
    """Asked from a pod of reviews, ratings treat nobody otherwise: the baseline."""
    seen = evidence.tell(inside.unharmed(inside.ask_ratings(tutorial, BASELINE), AT_ONCE))
    assert not seen.problem, seen.problem


@when("ratings are asked as jason, and as everyone else meanwhile", target_fixture="answered")
def ratings_are_asked(tutorial: Tutorial, evidence: Evidence, demand: AlwaysDemand) -> Answers:
    """Ask from a pod of reviews, over its sidecar, as either kind of user."""
    answers = inside.asked(tutorial, demand)
    evidence.tell(answers.kept())
    return answers


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
    target_fixture="answered",
)
def pages_are_sampled_while_jason_waits(
    ingress: Ingress, evidence: Evidence, demand: AlwaysDemand, demand_of_jason: AlwaysDemand
) -> PageSample:
    """View jason's pages side by side, as each takes seconds, and everyone else's meanwhile."""
    pages = sampling.both_at_once(ingress, demand, demand_of_jason)
    evidence.tell(pages.kept())
    return pages


@when(
    parsers.parse("{count:d} product pages of jason are viewed at once"), target_fixture="answered"
)
def pages_of_jason_are_viewed(ingress: Ingress, count: int) -> PageSample:
    """View the page signed in as jason, on so many connections at once."""
    return sampling.jasons_pages(ingress, count)
