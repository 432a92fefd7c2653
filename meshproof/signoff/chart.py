"""The traffic timeline (A1) as a picture: what users asked for, and the steps under way."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from meshproof.analysis.timeline import Request, Step, Timeline
from meshproof.signoff.templating import template

#: The picture's measures, in its own units.
WIDTH, HEIGHT, LEFT, TOP = 1000, 260, 46, 60
#: Bars in the picture, at most; a bar is a whole number of seconds.
BARS = 160
#: Failed requests that are drawn one by one.
MARKS = 200


def chart(content: bytes) -> str:
    """Return a picture (SVG) of a timeline as ``Timeline.as_json`` writes it.

    Empty where there is nothing to draw, or it is no timeline.
    """
    try:
        read = json.loads(content)
        steps = [Step(**step) for step in read["steps"]]
        requests = [Request(**request) for request in read["requests"]]
    except (ValueError, LookupError, TypeError):
        return ""
    return draw(Timeline(steps, requests)) if requests else ""


def draw(timeline: Timeline) -> str:
    """Return the picture: requests a second by the version that answered, failures, stages."""
    end = max(request.end for request in timeline.requests)
    wide = max(1, int(end / BARS) + 1)
    columns = counted(timeline.requests, wide)
    highest = max(sum(column.values()) for column in columns.values())
    versions = sorted({version for column in columns.values() for version in column if version})
    return template("timeline.svg.j2").render(
        width=WIDTH, height=HEIGHT, left=LEFT, top=TOP,
        scale=(WIDTH - LEFT) / max(end, wide), rise=(HEIGHT - TOP) / highest,
        columns=columns, wide=wide, highest=highest / wide, end=end,
        versions=versions, stages=stages_of(timeline.steps),
        failed=timeline.failed[:MARKS], failures=len(timeline.failed),
        total=len(timeline.requests), under_way=timeline.under_way,
    )  # fmt: skip


def counted(requests: Sequence[Request], wide: int) -> dict[int, Counter[str]]:
    """Count requests by the version that answered (empty: none), in columns so many seconds wide.

    A column is named by the second that it begins with.
    """
    columns: dict[int, Counter[str]] = {}
    for request in requests:
        begin = int(request.at / wide) * wide
        columns.setdefault(begin, Counter())[request.version if not request.problem else ""] += 1
    return columns


def stages_of(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Return the stages that the steps belong to, each with when it was begun and reached."""
    stages: dict[str, dict[str, Any]] = {}
    for step in steps:
        name, colon, _ = step.title.partition(": ")
        if colon:
            stage = stages.setdefault(name, {"name": name, "begin": step.begin, "end": step.end})
            stage["end"] = max(stage["end"], step.end)
    return list(stages.values())
