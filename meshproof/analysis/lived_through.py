"""What users lived through while the tutorial went on, held against what they are to get."""

from __future__ import annotations

import math
import re

from meshproof.analysis.observation import Observation, unless
from meshproof.analysis.timeline import Request, Timeline
from meshproof.wording import NAMED, in_turn, number

#: A part of a timeline, as a feature says it. A stage begins with its first command.
SPAN = re.compile(
    "during the whole scenario"
    r'|(?:from stage "(?P<after>[^"]+)" )?(?:on|until stage "(?P<until>[^"]+)")'
)


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


def during(timeline: Timeline, span: str) -> list[Request]:
    """Return the requests of a span: `from stage "a" until stage "b"`, say.

    From a stage on is once it was reached, until a stage is before its first command was begun.
    Raises ``ValueError`` for another span, and for a stage that was not entered.
    """
    found = SPAN.fullmatch(span)
    if not found:
        raise ValueError(f"no span of a timeline: {span}")
    begin = timeline.entered(found["after"])[1] if found["after"] else 0
    end = timeline.entered(found["until"])[0] if found["until"] else math.inf
    return timeline.between(begin, end)


def saw_alone(timeline: Timeline, users: str, shown: str, span: str) -> Observation:
    """Hold all that a kind of user saw in a span against one kind of page.

    ``users`` is what their names begin with; ``shown`` is what their pages show, or
    `version "1.0"`, say.
    """
    seen = [one for one in during(timeline, span) if one.user.startswith(users)]
    wanted = shown.removeprefix("version ").strip('"')
    others = [one for one in seen if one.version != wanted]
    return Observation(
        results=[
            f"{len(others)} of {number(len(seen), 'answer')} to {users} {span} were other than "
            f"{shown}."
        ],
        problems=unless(
            seen and not others,
            f"{span} {len(others)} of {len(seen)} were other: {in_turn(others, most=NAMED)}",
        ),
    )
