"""What a run took instead of the sample that a scenario asks for, in words for the report."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Weakening:
    """A kind of sample that was weakened.

    ``asked`` is what the scenario asks for and a full run samples, ``taken`` what was sampled
    instead, and ``misses`` how often that overlooks what a full run notices.
    """

    asked: str
    taken: str
    misses: str

    def __str__(self) -> str:
        """Say that it was weakened, and what a full run asks for, to stand behind a claim."""
        return f"weakened by --quick, a full run asks for {self.asked}"
