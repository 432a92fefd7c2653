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


@given("the ratings service answers both jason and everyone else with 200 without delay")
def ratings_answer_everybody(tutorial: Tutorial, evidence: Evidence) -> None:
    """Asked from a pod of reviews, ratings treat nobody otherwise: the baseline."""
    seen = evidence.tell(inside.unharmed(inside.ask_ratings(tutorial, BASELINE), AT_ONCE))
    assert not seen.problem, seen.problem


@when(
    "the ratings service is called as jason and, at the same time, as everyone else",
    target_fixture="answered",
)
def ratings_are_asked(tutorial: Tutorial, evidence: Evidence, demand: AlwaysDemand) -> Answers:
    """Ask from a pod of reviews, over its sidecar, as either kind of user."""
    answers = inside.asked(tutorial, demand)
    evidence.tell(answers.kept())
    return answers


@given(
    parsers.parse(
        "a sample of jason that detects {leak:g} % wrong answers with {confidence:g} % probability"
    ),
    target_fixture="demand_of_jason",
)
def samples_of_jason(demands: Demands, leak: float, confidence: float) -> AlwaysDemand:
    """Sample so much of who has to wait; with --quick less."""
    return demands.always(leak / 100, confidence / 100)


@when(
    "product pages of jason and, at the same time, product pages of everyone else are sampled",
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
    parsers.parse("{count:d} product pages of jason are viewed concurrently"),
    target_fixture="answered",
)
def pages_of_jason_are_viewed(ingress: Ingress, count: int) -> PageSample:
    """View the page signed in as jason, on so many connections at once."""
    return sampling.jasons_pages(ingress, count)
