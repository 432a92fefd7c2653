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


@when(
    parsers.parse("page views of {users} are sampled through the ingress"),
    target_fixture="answered",
)
def page_views_are_sampled(
    voting_app: VotingApp, evidence: Evidence, demand: AlwaysDemand, users: str
) -> AlwaysSample:
    """View the page as these users in turn, each as often as is demanded; none is tried again."""
    sample = samples.page_views(voting_app, demand, users.split(" and "))
    evidence.tell(sample.kept())
    return sample


@when(
    parsers.parse(
        "every app pod calls analytics on {connections} connections until the sample is complete"
    ),
    target_fixture="answered",
)
def analytics_are_sampled(
    tutorial: Tutorial, evidence: Evidence, demand: AlwaysDemand, connections: str
) -> AlwaysSample:
    """Ask analytics from each app pod as often as the demand says, on kept or fresh connections."""
    sample = samples.from_pods(tutorial, demand, fresh=connections == "fresh")
    evidence.tell(sample.kept())
    return sample


@when(
    "page views are sampled through the ingress until the sequential test has decided",
    target_fixture="answered",
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
    "every app pod calls analytics until the sequential test of that pod has decided",
    target_fixture="answered",
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


@then("every answer shows the same vote counts")
def every_answer_counts_the_same(answered: EvenSample) -> None:
    """All answers count the same votes, whoever counted them."""
    seen = answered.same_counts()
    assert not seen.problem, seen.problem
