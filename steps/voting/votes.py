"""Votes: cast as a user casts them, and counted wherever they are counted."""

from __future__ import annotations

from pytest_bdd import given, parsers, then, when

from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial
from steps.voting.ballots import Ballot
from steps.voting.counting import cast_all, cast_one_by_one, counted_everywhere, counted_once
from steps.voting.voting_app import VotingApp


@given("all votes are reset")
@when("all votes are reset")
def votes_are_reset(voting_app: VotingApp) -> None:
    """Reset the votes by the page's button; the page then shows none."""
    page = voting_app.vote("reset").page
    assert page.counts == (0, 0), f"after the reset: {page}"


@given(parsers.parse('votes are cast one by one for "{votes}"'), target_fixture="ballots")
@when(parsers.parse('votes are cast one by one for "{votes}"'), target_fixture="ballots")
def votes_are_cast_one_by_one(
    voting_app: VotingApp, evidence: Evidence, votes: str
) -> list[Ballot]:
    """Cast votes by the page's buttons, and read the counts before and after each."""
    ballots = cast_one_by_one(voting_app, votes.split(", "))
    evidence.text("votes", "\n".join(map(str, ballots)) + "\n")
    return ballots


@when(parsers.parse("{cats:d} cats and {dogs:d} dogs are voted for"))
def cats_and_dogs_are_voted_for(voting_app: VotingApp, cats: int, dogs: int) -> None:
    """Cast so many votes; each must be answered with the page."""
    refused = cast_all(voting_app, ["Cats"] * cats + ["Dogs"] * dogs)
    assert not refused, refused[0]


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
