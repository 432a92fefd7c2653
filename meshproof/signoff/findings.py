"""Findings: what was found beside the tutorial's promises, and whether it is still there.

A finding has no vote. Where what it found is gone, or nobody could look, the report says so, and
neither verdict nor exit code is another.
"""

from __future__ import annotations

from enum import StrEnum

from meshproof.signoff.verdict import Outcome
from meshproof.wording import in_a_line


class State(StrEnum):
    """What became of a finding in a run."""

    #: What it found is still there.
    FOUND = "found"
    #: It was looked for, and is not there any more.
    GONE = "gone"
    #: It was left out, something else broke first, or no result came: nothing is known of it.
    NOT_LOOKED_AT = "not looked at"


STATES = {Outcome.PASSED: State.FOUND, Outcome.FAILED: State.GONE}


def state_of(outcome: Outcome) -> State:
    """Return what a finding's scenario says of it by how it ended."""
    return STATES.get(outcome, State.NOT_LOOKED_AT)


def told(outcome: Outcome, message: str, results: tuple[str, ...] = ()) -> str:
    """Return in a sentence what became of a finding.

    ``message`` is what its scenario says of not having passed, ``results`` what it saw.
    """
    said = in_a_line(message) or str(outcome)
    if state_of(outcome) is State.FOUND:
        return " ".join(results) or "What it found is still there."
    if state_of(outcome) is State.GONE:
        return f"What it found is gone: {said}"
    return f"It was not looked at: {said}"
