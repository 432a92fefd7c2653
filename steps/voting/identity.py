"""As whom the servers' proxies see who calls."""

from __future__ import annotations

from pytest_bdd import parsers, then, when

from meshproof.mesh.access_log import AccessLog
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial
from steps.voting.caller_identity import Round, callers_seen, make_calls
from steps.voting.voting_app import FLAG, VotingApp


@when(
    parsers.parse(
        "{count:d} pages are viewed, and each workload that may call storage opens a connection"
    ),
    target_fixture="made",
)
def pages_are_viewed(
    tutorial: Tutorial, voting_app: VotingApp, evidence: Evidence, count: int
) -> Round:
    """View the page without the flag, and open a new connection along each arrow to storage."""
    made = make_calls(tutorial, voting_app, count, [{}])
    evidence.tell(made.told())
    return made


@when(
    parsers.parse(
        "{count:d} pages a version are viewed, and each workload that may call storage connects"
    ),
    target_fixture="made",
)
def pages_of_both_are_viewed(
    tutorial: Tutorial, voting_app: VotingApp, evidence: Evidence, count: int
) -> Round:
    """View the page of either version, and open a new connection along each arrow to storage."""
    made = make_calls(tutorial, voting_app, count, [{}, FLAG])
    evidence.tell(made.told())
    return made


@then("the access logs of the servers' proxies show exactly these callers")
def proxies_saw_these_callers(
    made: Round,
    tutorial: Tutorial,
    access_log: AccessLog,
    evidence: Evidence,
    datatable: list[list[str]],
) -> None:
    """Each call that was logged carries the identity of its caller's own service account."""
    seen = evidence.tell(callers_seen(tutorial, access_log, made, datatable[1:]))
    assert not seen.problem, seen.problem
