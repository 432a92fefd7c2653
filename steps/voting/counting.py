"""Casts votes, and counts them wherever they are counted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest

from meshproof.analysis.observation import Observation, unless
from meshproof.suite.tutorial import Tutorial
from meshproof.wording import by_name, in_turn, listed, number
from steps.voting.ballots import Ballot, Counts, told, unexpected_counts
from steps.voting.inside import page_of
from steps.voting.stored_rows import counts_of, redis_rows
from steps.voting.voting_app import VotingApp

#: The app's pods.
PODS = 3


def in_turns(cats: int, dogs: int) -> list[str]:
    """Return so many choices of both, one after the other as long as there are both."""
    both = zip_longest(["Cats"] * cats, ["Dogs"] * dogs)
    return [choice for pair in both for choice in pair if choice]


def cast_one_by_one(ingress: VotingApp, choices: Iterable[str]) -> list[Ballot]:
    """Cast votes, and read the counts before and after each."""
    ballots, before = [], ingress.view().page.counts
    for choice in choices:
        after = ingress.vote(choice).page.counts
        ballots.append(Ballot(choice, before, after))
        before = after
    return ballots


def counted_once(ballots: Sequence[Ballot]) -> Observation:
    """Hold votes against having added just one to their own categories."""
    wrong = [str(ballot) for ballot in ballots if not ballot.counted]
    return Observation(
        results=[
            f"{len(ballots) - len(wrong)} of {number(len(ballots), 'vote')} added exactly one to "
            "their own category."
        ],
        details=["; ".join(map(str, ballots))],
        problems=[
            *unless(ballots, "no vote was cast"),
            *unless(not wrong, f"{len(wrong)} of {len(ballots)} votes: {in_turn(wrong)}"),
        ],
    )


def counted_everywhere(tutorial: Tutorial, expected: Counts) -> Observation:
    """Count the votes by each app pod's page, and in each pod of Redis.

    Each of them, were there several: votes that are shared out may look whole to the pages.
    """
    pods, cluster, namespace = tutorial.pods(), tutorial.cluster, tutorial.namespace
    pages: dict[str, Counts | None] = {
        pod.name: page_of(cluster, namespace, pod.name).counts
        for pod in pods
        if pod.app == "voting-app"
    }
    stores: dict[str, Counts | None] = {
        f"redis-cli in {pod.name}": counts_of(redis_rows(cluster, namespace, pod.name))
        for pod in pods
        if pod.app == "voting-storage"
    }
    counted = pages | stores
    counts, wrong = {told(pair) for pair in counted.values()}, unexpected_counts(counted, expected)
    others = in_turn(f"{name}: {told(pair)}" for name, pair in wrong.items())
    return Observation(
        results=[f"{number(len(counted), 'place')} count {listed(sorted(counts))}."],
        details=[by_name({name: told(pair) for name, pair in counted.items()})],
        problems=[
            *unless(stores, "there is no pod of Redis"),
            *unless(len(pages) == PODS, f"{len(pages)} app pods"),
            *unless(not wrong, f"expected {told(expected)}: {others}"),
        ],
    )
