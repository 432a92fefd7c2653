"""Samples of which version of analytics answers, and what they show with which error."""

from __future__ import annotations

from pytest_bdd import parsers, then, when

from meshproof.analysis.sampling import Budget
from meshproof.analysis.strength import AlwaysDemand, Demands
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial
from steps.voting import samples
from steps.voting.samples import AlwaysSample, EvenSample
from steps.voting.voting_app import VotingApp


@when("page views are sampled through the ingress", target_fixture="always")
def page_views_are_sampled(
    voting_app: VotingApp, evidence: Evidence, demand: AlwaysDemand
) -> AlwaysSample:
    """View the page as often as the demand says; nothing is tried again."""
    sample = samples.page_views(voting_app, demand)
    evidence.tell(sample.kept())
    return sample


@when(
    parsers.parse(
        "every app pod calls analytics on {connections} connections as often as the sample asks"
    ),
    target_fixture="always",
)
def analytics_are_sampled(
    tutorial: Tutorial, evidence: Evidence, demand: AlwaysDemand, connections: str
) -> AlwaysSample:
    """Ask analytics from each app pod as often as the demand says, on kept or fresh connections."""
    sample = samples.from_pods(tutorial, demand, fresh=connections == "fresh")
    evidence.tell(sample.kept())
    return sample


@when(
    "page views are sampled through the ingress until the test of their shares has decided",
    target_fixture="even",
)
def page_views_are_sampled_until_decided(
    voting_app: VotingApp,
    evidence: Evidence,
    demands: Demands,
    false_alarms: Budget,
    alternative: float,
) -> EvenSample:
    """View the page until the sequential test is decided."""
    sample = samples.even_page_views(voting_app, demands, false_alarms, alternative)
    evidence.tell(sample.kept())
    return sample


@when(
    "every app pod calls analytics until its own test of the shares has decided",
    target_fixture="even",
)
def analytics_are_sampled_until_decided(
    tutorial: Tutorial,
    evidence: Evidence,
    demands: Demands,
    false_alarms: Budget,
    alternative: float,
) -> EvenSample:
    """Ask analytics from each app pod until its own sequential test is decided."""
    sample = samples.even_from_pods(tutorial, demands, false_alarms, alternative)
    evidence.tell(sample.kept())
    return sample


@then(parsers.parse('every page shows analytics "{version}"'))
@then(parsers.parse('every answer shows analytics "{version}"'))
def every_answer_shows(always: AlwaysSample, evidence: Evidence, version: str) -> None:
    """Every answer of each sample is in the format of this version of analytics."""
    seen = evidence.tell(always.all_show(version))
    assert not seen.problem, seen.problem


@then('every answer shows analytics "1.0" or "1.1", with the same counts')
def every_answer_shows_either(even: EvenSample) -> None:
    """Every answer is in one of both formats, and all of them count the same votes."""
    seen = even.either_with_same_counts()
    assert not seen.problem, seen.problem


@then("every test decides for even shares of analytics 1.0 and 1.1")
def shares_are_even(even: EvenSample, evidence: Evidence) -> None:
    """The sequential test of each sample finds even shares."""
    seen = evidence.tell(even.shares())
    assert not seen.problem, seen.problem
