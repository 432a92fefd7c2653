"""What a vote did to the counts (D8), and to those of the other version (C5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

#: The header of an answer that acknowledges a vote: it holds the id that is stored.
VOTE_ID = "x-vote-id"

Counts = tuple[int, int]
CATEGORIES = ("Cats", "Dogs")
#: The versions of the app, while both are there.
VERSIONS = ("1.0", "2.0")


def told(counts: Counts | None) -> str:
    """Return counts in words."""
    return f"{counts[0]} cats and {counts[1]} dogs" if counts else "no counts"


@dataclass(frozen=True)
class Ballot:
    """One vote, with the counts of cats and dogs before and after; None where unreadable."""

    choice: str
    before: Counts | None
    after: Counts | None

    @property
    def counted(self) -> bool:
        """Whether it added exactly one to its own category and nothing to the other."""
        if self.before is None or self.after is None:
            return False
        cats, dogs = self.before
        wanted = {"Cats": (cats + 1, dogs), "Dogs": (cats, dogs + 1)}
        return self.after == wanted.get(self.choice)

    def __str__(self) -> str:
        """Return the vote in a line."""
        return f"{self.choice}: {told(self.before)} → {told(self.after)}"


def unexpected_counts(
    counted: Mapping[str, Counts | None], expected: Counts
) -> dict[str, Counts | None]:
    """Return the places that count otherwise."""
    return {place: counts for place, counts in counted.items() if counts != expected}


@dataclass(frozen=True)
class Vote:
    """A vote that was cast in a version of the app, under an id of its own."""

    version: str
    choice: str
    id: str

    def __str__(self) -> str:
        """Return the vote in a line."""
        return f"{self.choice} in {self.version}, id {self.id}"


@dataclass(frozen=True)
class Counted:
    """A vote, and the counts of cats and dogs that the pages then showed, by their versions."""

    vote: Vote
    shown: Mapping[str, Counts | None]

    def __str__(self) -> str:
        """Return the vote in a line."""
        return f"{self.vote}: {', '.join(f'{v} shows {told(c)}' for v, c in self.shown.items())}"


def tally(votes: Iterable[Vote], version: str) -> Counts:
    """Count the cats and dogs that were voted for in a version."""
    choices = [vote.choice for vote in votes if vote.version == version]
    return choices.count("Cats"), choices.count("Dogs")


def miscounted(counted: Sequence[Counted]) -> list[str]:
    """Say after which votes a version showed other counts than of the votes cast in it so far.

    The first vote is the first after a reset of both.
    """
    found = []
    for index, one in enumerate(counted, 1):
        votes = [earlier.vote for earlier in counted[:index]]
        for version in VERSIONS:
            shown, expected = one.shown.get(version), tally(votes, version)
            if shown != expected:
                found.append(
                    f"after {one.vote}: {version} shows {told(shown)}, cast were {told(expected)}"
                )
    return found
