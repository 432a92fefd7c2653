"""Where votes are kept: the interface that every kind of store has."""

from enum import Enum, auto
from typing import Protocol

from voting.counts import Category, Counts


class Outcome(Enum):
    """What became of a vote that was cast."""

    STORED = auto()
    ALREADY_STORED = auto()
    """The same id was stored for the same category before; it still counts once."""
    OTHER_CATEGORY = auto()
    """The id was stored for the other category before, and stays there."""


class Store(Protocol):
    """A store of votes, each under an id of its own.

    Every method raises `errors.UnavailableError` when the store did not do what was asked.
    """

    async def cast(self, category: Category, vote_id: str) -> Outcome:
        """Store a vote unless its id is stored already; repeating it changes nothing (A1)."""

    async def counts(self) -> Counts:
        """Count the votes of both categories at one instant, in one round trip."""

    async def reset(self) -> None:
        """Remove all votes of both categories in one step (D8)."""

    async def check(self) -> None:
        """Return if the store answers."""

    async def close(self) -> None:
        """Close every connection."""
