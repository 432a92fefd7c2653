"""Analytics of a version that is locked out: what reaches it, and whether Redis answers it."""

from __future__ import annotations

from pytest_bdd import given, parsers, then

from meshproof.analysis.strength import AlwaysDemand
from meshproof.mesh.proxy_stats import ProxyCounts
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial
from steps.voting.analytics_counts import pages_counted, redis_answers, redis_denies, stands_still
from steps.voting.voting_app import VotingApp


@given(
    parsers.parse(
        'of {count:d} page views the proxy of "{workload}" counts just those that show its format'
    )
)
def proxy_counts_its_pages(
    tutorial: Tutorial,
    proxy_counts: ProxyCounts,
    voting_app: VotingApp,
    evidence: Evidence,
    workload: str,
    count: int,
) -> None:
    """While pages are viewed, the proxy's count rises by those that show this workload's format."""
    seen = evidence.tell(pages_counted(tutorial, proxy_counts, voting_app, workload, count))
    assert not seen.problem, seen.problem


@then(parsers.parse('the proxy of "{workload}" counts no request while page views are sampled'))
def no_request_reaches(
    tutorial: Tutorial,
    proxy_counts: ProxyCounts,
    voting_app: VotingApp,
    evidence: Evidence,
    demand: AlwaysDemand,
    workload: str,
) -> None:
    """The count of the workload's proxy stands still while so many pages are served."""
    seen = evidence.tell(stands_still(tutorial, proxy_counts, voting_app, workload, demand))
    assert not seen.problem, seen.problem


@given(parsers.parse('Redis answers PING from "{client}" on a new connection'))
def redis_answers_client(tutorial: Tutorial, evidence: Evidence, client: str) -> None:
    """Redis answers PING on a connection of its own: the baseline."""
    seen = evidence.tell(redis_answers(tutorial, client))
    assert not seen.problem, seen.problem


@then(
    parsers.parse(
        'PING from "{client}" on a new connection gets no byte from Redis, whose proxy counts it'
    )
)
def redis_denies_client(
    tutorial: Tutorial, proxy_counts: ProxyCounts, evidence: Evidence, client: str
) -> None:
    """PING on a connection of its own gets not a byte, and the proxy of Redis counts just that."""
    seen = evidence.tell(redis_denies(tutorial, proxy_counts, client))
    assert not seen.problem, seen.problem
