"""What users lived through while the tutorial went on, held against what they are to get."""

from __future__ import annotations

from meshproof.analysis.observation import Observation, unless
from meshproof.analysis.timeline import Timeline
from meshproof.wording import NAMED, in_turn, number


def lived_through(timeline: Timeline) -> Observation:
    """Every request, written down, and what each step was like."""
    failures = "".join(f"{line}\n" for line in timeline.failures())
    return Observation(
        details=timeline.summary(),
        texts={"timeline": timeline.table(), "requests that failed": failures},
    )


def all_served(timeline: Timeline) -> Observation:
    """Hold all requests against failures; without a request or a step nothing is proved."""
    failures, count = timeline.failures(), len(timeline.requests)
    return Observation(
        results=[
            f"{len(failures)} of {count} requests failed, in {number(len(timeline.steps), 'step')}."
        ],
        problems=unless(
            count and timeline.steps and not failures,
            f"{len(failures)} of {count} requests failed: {in_turn(failures, most=NAMED)}",
        ),
    )
