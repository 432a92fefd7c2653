"""What a vote did to the counts (D8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Counts = tuple[int, int]


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
        return f"{self.choice}: {self.before} → {self.after}"


def unexpected_counts(
    counted: Mapping[str, Counts | None], expected: Counts
) -> dict[str, Counts | None]:
    """Return the places that count otherwise."""
    return {place: counts for place, counts in counted.items() if counts != expected}
