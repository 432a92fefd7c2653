"""Votes: cast as a user casts them, and counted wherever they are counted."""

from __future__ import annotations

from pytest_bdd import given, parsers, then, when

from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial
from steps.voting.ballots import Ballot
from steps.voting.counting import cast_one_by_one, counted_everywhere, counted_once, in_turns
from steps.voting.store_votes import HEADERS
from steps.voting.voting_app import VotingApp


@given(parsers.parse('all votes of version "{version}" are reset'))
@when(parsers.parse('all votes of version "{version}" are reset'))
def votes_are_reset(voting_app: VotingApp, version: str) -> None:
    """Reset the votes by the page's button; the page then shows none."""
    page = voting_app.vote("reset", headers=HEADERS[version]).page
    assert page.counts == (0, 0), f"after the reset: {page}"


@given(
    parsers.parse(
        "{cats:d} votes for cats and {dogs:d} votes for dogs are cast one after the other"
    ),
    target_fixture="ballots",
)
@when(
    parsers.parse(
        "{cats:d} votes for cats and {dogs:d} votes for dogs are cast one after the other"
    ),
    target_fixture="ballots",
)
def cats_and_dogs_are_voted_for(
    voting_app: VotingApp, evidence: Evidence, cats: int, dogs: int
) -> list[Ballot]:
    """Cast votes by the page's buttons, and read the counts before and after each."""
    ballots = cast_one_by_one(voting_app, in_turns(cats, dogs))
    evidence.text("votes", "".join(f"{one}\n" for one in ballots))
    return ballots


@then("each vote added exactly one to its own category")
def each_vote_added_one(ballots: list[Ballot], evidence: Evidence) -> None:
    """After each vote its category counts one more, and the other as before."""
    seen = evidence.tell(counted_once(ballots))
    assert not seen.problem, seen.problem


@then(parsers.parse("every app pod and Redis count {cats:d} cats and {dogs:d} dogs"))
def all_count(tutorial: Tutorial, evidence: Evidence, cats: int, dogs: int) -> None:
    """The page of each app pod, asked in the pod, and `redis-cli` give the same counts."""
    seen = evidence.tell(counted_everywhere(tutorial, (cats, dogs)))
    assert not seen.problem, seen.problem
