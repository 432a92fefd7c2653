"""What was looked at and what it showed, and what of it is not as promised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Observation:
    """What a scenario saw, in sentences, and what of it breaks a promise.

    ``results`` say what was found, ``baselines`` what that is held against, ``details`` are lines
    for whoever reads on, and ``texts`` are kept whole, by their names. ``problems`` are the
    messages of what is not as promised, the one that tells most first; none where all of it is.
    """

    results: list[str] = field(default_factory=list)
    baselines: list[str] = field(default_factory=list)
    details: list[str] = field(default_factory=list)
    texts: Mapping[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def problem(self) -> str:
        """What a failure says; empty where everything is as promised."""
        return next(iter(self.problems), "")


def unless(holds: object, problem: str) -> list[str]:
    """Return the message of what is not as promised, or none where it holds."""
    return [] if holds else [problem]
