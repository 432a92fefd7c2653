"""The benchmark's page: bars, ratios and what changed, without anything from elsewhere."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from benchmarks.figures import Bench, Change

TEMPLATE = "bench.html.j2"


def page(found: Bench, changes: list[Change], earlier: Bench | None) -> str:
    """Return the page (HTML); ``changes`` are against the earlier one, where there is one."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    parts = [(part, list(figures)) for part, figures in groupby(found.figures, lambda f: f.part)]
    longest = {
        part: max(max(figure.ours, figure.bare or 0) for figure in figures)
        for part, figures in parts
    }
    return environment.get_template(TEMPLATE).render(
        bench=found, parts=parts, longest=longest, changes=changes, earlier=earlier
    )
