"""Calls along every arrow of the diagram, so that it can be seen as whom they are made."""

from __future__ import annotations

from pytest_bdd import parsers, when

from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial
from steps.voting.caller_identity import Round, make_calls
from steps.voting.voting_app import VotingApp


@when(
    parsers.parse(
        "{count:d} pages are viewed by {kinds}, and each client of a storage connects to it"
    ),
    target_fixture="made",
)
def pages_are_viewed(
    tutorial: Tutorial, voting_app: VotingApp, evidence: Evidence, count: int, kinds: str
) -> Round:
    """View so many pages as each kind of user, and open a new connection along each arrow."""
    made = make_calls(tutorial, voting_app, count, kinds.split(" and "))
    evidence.tell(made.told())
    return made
