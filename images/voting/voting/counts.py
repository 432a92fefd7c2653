"""The two categories, their counts, and the sentences that analytics makes of them."""

from enum import StrEnum
from typing import NamedTuple


class Category(StrEnum):
    """What can be voted for; the value is the name that the reader sees."""

    CATS = "Cats"
    DOGS = "Dogs"


class Counts(NamedTuple):
    """Votes stored for each category at one instant."""

    cats: int
    dogs: int

    def percentages(self) -> tuple[int, int]:
        """Each category's share in whole percent, halves rounded up; 0 and 0 without votes.

        Rounded one by one, so that two halves add up to 101 (U3).
        """
        total = self.cats + self.dogs
        if total == 0:
            return 0, 0
        return (200 * self.cats + total) // (2 * total), (200 * self.dogs + total) // (2 * total)


def simple_text(counts: Counts) -> str:
    """Analytics 1.0: `Cats: 2 | Dogs: 4` (D7)."""
    return f"Cats: {counts.cats} | Dogs: {counts.dogs}"


def share_text(counts: Counts) -> str:
    """Analytics 1.1 and later: `Cats: 2/6 (33%) | Dogs: 4/6 (67%)` (U3)."""
    total = counts.cats + counts.dogs
    cats, dogs = counts.percentages()
    return f"Cats: {counts.cats}/{total} ({cats}%) | Dogs: {counts.dogs}/{total} ({dogs}%)"
