"""The old versions of the workloads, once all users get the new one."""

from __future__ import annotations

from pytest_bdd import given, parsers, then

from meshproof.analysis.strength import AlwaysDemand
from meshproof.mesh.proxy_stats import ProxyCounts
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial
from steps.voting.idle_counts import counts_rise, counts_stand_still
from steps.voting.voting_app import VotingApp


@given(
    parsers.parse(
        "of {count:d} requests without the flag the proxy of each old version counts just its own"
    )
)
def old_versions_count_requests(
    tutorial: Tutorial,
    proxy_counts: ProxyCounts,
    voting_app: VotingApp,
    evidence: Evidence,
    count: int,
) -> None:
    """While users are served by 1.0, each old version's proxy counts just what reaches it."""
    seen = evidence.tell(counts_rise(tutorial, proxy_counts, voting_app, count))
    assert not seen.problem, seen.problem


@then("no old version's proxy counts a request of users with and without the flag")
def no_request_reaches_an_old_version(
    tutorial: Tutorial,
    proxy_counts: ProxyCounts,
    voting_app: VotingApp,
    evidence: Evidence,
    demand: AlwaysDemand,
) -> None:
    """The counts of all old versions stand still while users view the page and vote."""
    seen = evidence.tell(counts_stand_still(tutorial, proxy_counts, voting_app, demand))
    assert not seen.problem, seen.problem
