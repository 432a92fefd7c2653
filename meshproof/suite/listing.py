"""A suite as `meshproof suites` lists it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from meshproof.suite.model import Suite


def listing(suite: Suite) -> str:
    """Return a suite's title, its stages with their commands, and what it promises, as text."""
    stages = [
        (name, line)
        for stage in suite.stages
        for name, line in zip(
            (stage.name, *("" for _ in stage.commands[1:])), stage.commands, strict=True
        )
    ]
    promises = [(one.id, suite.sections[one.section], one.promise) for one in suite.expectations]
    lines = [
        f"{suite.name}: {suite.title} ({suite.source})",
        "",
        *_columns([("stage", "commands"), *stages]),
        "",
        *_columns([("id", "section", "expectation"), *promises]),
    ]
    return "\n".join(lines) + "\n"


def _columns(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "   ".join(cells).rstrip()
