"""What `meshproof doctor` finds, one thing a line."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One line of `meshproof doctor`.

    ``fatal`` means that `up` or a run cannot work here, ``doubtful`` that some of it cannot.
    """

    subject: str
    text: str
    fatal: bool = False
    doubtful: bool = False

    @property
    def sign(self) -> str:
        """What its line begins with."""
        return "✗" if self.fatal else "‼" if self.doubtful else "✓"
