"""The sign-off as pages for people: ``signoff.html`` and ``signoff.md``.

Both say only what the document says; nothing is decided here.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup, escape

from meshproof.signoff.chart import chart
from meshproof.signoff.document import (
    EvidenceFile,
    ScenarioRow,
    SignOff,
)
from meshproof.signoff.lines import (
    SIGNS,
    arguments_of,
    facts_of,
    findings_about,
    findings_in_short,
    how_much,
    lines_of,
    places_of,
    scenarios_of,
    shown_of,
    stops_of,
    suites_in,
    tables_of,
    title_of,
    whole_suites,
)
from meshproof.signoff.templating import Filters, template
from meshproof.signoff.verdict import Outcome, Verdict
from meshproof.suite.registry import sections

#: Bytes; what is kept free below the promised 5 MB is for the page itself.
PAGE_LIMIT = 5_000_000
EMBEDDED_LIMIT = 3_800_000
#: Bytes of a text that are shown in the page; the file has the rest.
TEXT_LIMIT = 12_000
#: What the first screen says of a verdict.
MEANINGS = {
    Verdict.ACCEPTED: "Everything in scope was proved.",
    Verdict.REJECTED: "A promise was broken.",
    Verdict.PARTIAL: "Nothing was broken, but not all that is in scope was proved.",
    Verdict.INCONCLUSIVE: "Nothing can be said of the mesh: the run itself broke or is not whole.",
}


@dataclass(frozen=True)
class Shown:
    """A piece of evidence as the page shows it; ``left`` are the bytes that it leaves to the file.

    ``text`` and ``picture`` (a data URI) are empty where only the file has it.
    """

    file: EvidenceFile
    text: str = ""
    picture: str = ""
    chart: Markup = field(default=Markup())
    left: int = 0


def seconds(value: float) -> str:
    """Return a duration as people read it."""
    if value < 100:
        return f"{value:.1f} s"
    return f"{int(value) // 60} min {int(value) % 60} s"


def size(value: int) -> str:
    """Return a size as people read it."""
    if value < 1000:
        return f"{value} B"
    return f"{value / 1000:.0f} kB" if value < 10**6 else f"{value / 10**6:.1f} MB"


def cell(text: object) -> str:
    """Return a text as it can stand in a cell of a table in Markdown."""
    shown = str(text).replace("\\", "\\\\")
    for sign in "|`*_<>[]#":
        shown = shown.replace(sign, f"\\{sign}")
    return " ".join(shown.split())


def show(
    scenarios: Mapping[str, ScenarioRow], reports: Path, limit: int = EMBEDDED_LIMIT
) -> dict[str, list[Shown]]:
    """Return the evidence of each scenario for the page, as much of it as ``limit`` bytes allow.

    What shows why something is red comes first, then pictures and charts, then texts.
    """
    turns = sorted(
        ((node, place) for node, one in scenarios.items() for place in range(len(one.evidence))),
        key=lambda turn: (
            scenarios[turn[0]].outcome is Outcome.PASSED,
            scenarios[turn[0]].evidence[turn[1]].media_type.startswith("text/"),
        ),
    )
    shown: dict[tuple[str, int], Shown] = {}
    for node, place in turns:
        file = scenarios[node].evidence[place]
        piece, cost = shown_with_cost(file, reports)
        shown[node, place] = piece if cost <= limit else Shown(file)
        limit -= cost if cost <= limit else 0
    return {
        node: [shown[node, place] for place in range(len(one.evidence))]
        for node, one in scenarios.items()
    }


def shown_with_cost(file: EvidenceFile, reports: Path) -> tuple[Shown, int]:
    """Return a piece of evidence as the page can show it, and the bytes that this takes."""
    try:
        content = (reports / file.path).read_bytes()
    except OSError:
        return Shown(file), 0  # the reconciliation says that it is gone
    if file.media_type.startswith("image/"):
        text = base64.b64encode(content).decode()
        return Shown(file, picture=f"data:{file.media_type};base64,{text}"), len(text)
    if file.media_type == "application/json":
        drawing = chart(content) if file.name == "timeline" else ""
        return Shown(file, chart=Markup(drawing)), len(drawing)  # noqa: S704 (our own template)
    if file.media_type.startswith("text/"):
        text = content[:TEXT_LIMIT].decode(errors="replace")
        left = max(len(content) - TEXT_LIMIT, 0)
        return Shown(file, text=text, left=left), len(escape(text).encode())
    return Shown(file), 0


#: What the pages' templates can do with a value, beside Jinja's own.
FILTERS: Filters = (
    ("cell", cell), ("seconds", seconds), ("size", size), ("title_of", title_of),
    ("how_much", how_much), ("sign", lambda word: SIGNS[str(word)]),
    ("kind", lambda word: str(word).replace(" ", "-")),
)  # fmt: skip


def page(document: SignOff, reports: Path) -> str:
    """Return ``signoff.html``: one file that needs no other, with most of the evidence in it."""
    scenarios = shown_of(document)
    return template("signoff.html.j2", FILTERS).render(
        document=document,
        meaning=MEANINGS[document.verdict],
        scope=str(document.scope),
        arguments=arguments_of(document),
        title=" · ".join(suite.title for suite in suites_in(document)),
        sections=[
            (title, [row for row in document.expectations if row.section == name])
            for name, title in sections().items()
        ],
        tables=tables_of(document),
        paths=[(suite, stops_of(document, suite)) for suite in suites_in(document)],
        whole_suites=whole_suites(document),
        numbers={node: number for number, node in enumerate(scenarios, 1)},
        pieces=show(scenarios, reports),
        findings_in_short=findings_in_short(document),
        findings_about=findings_about(document),
        images=document.environment.get("images", {}),
        places=places_of(document),
        facts=facts_of(document),
    )


def summary(document: SignOff) -> str:
    """Return ``signoff.md``, for the summary of a CI job."""
    scenarios = scenarios_of(document)
    return template("signoff.md.j2", FILTERS).render(
        document=document,
        meaning=MEANINGS[document.verdict],
        scope=str(document.scope),
        lines=lines_of(document),
        tables=tables_of(document),
        broken=[
            one
            for one in scenarios.values()
            if one.outcome is not Outcome.PASSED and not one.left_out and not one.unseen
        ],
        findings_in_short=findings_in_short(document),
        places=places_of(document),
        facts=facts_of(document),
    )


def write_page(document: SignOff, folder: Path) -> Path:
    """Write ``signoff.html``. Raises ``OSError`` where the folder cannot be written."""
    path = folder / "signoff.html"
    path.write_text(page(document, folder))
    return path


def write_summary(document: SignOff, folder: Path) -> Path:
    """Write ``signoff.md``. Raises ``OSError`` where the folder cannot be written."""
    path = folder / "signoff.md"
    path.write_text(summary(document))
    return path
