"""The sign-off as pages for people: ``signoff.html`` and ``signoff.md``.

Both say only what the document says; nothing is decided here.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from markupsafe import Markup, escape

from meshproof.expectations import IDS, SECTIONS
from meshproof.signoff.chart import chart
from meshproof.signoff.document import (
    EvidenceFile,
    ExpectationRow,
    LeftOut,
    QuickPart,
    ScenarioRow,
    SignOff,
)
from meshproof.signoff.templating import template
from meshproof.signoff.verdict import Outcome, Verdict
from meshproof.tutorial.stages import NAMES

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
#: Beside colours, so that nobody needs to tell these apart.
SIGNS = {
    "accepted": "✔", "passed": "✔", "rejected": "✘", "failed": "✘", "partial": "◐",
    "inconclusive": "?", "error": "?", "missing": "?", "unproved": "○", "skipped": "○",
    "out of scope": "·",
}  # fmt: skip
#: Worst first: how several verdicts show as one.
WORST = (
    Verdict.REJECTED, Verdict.INCONCLUSIVE, Verdict.PARTIAL, Verdict.UNPROVED, Verdict.ACCEPTED,
    Verdict.OUT_OF_SCOPE,
)  # fmt: skip


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


@dataclass(frozen=True)
class Line:
    """An expectation in a line: what was found, and what that is held against; empty for none."""

    row: ExpectationRow
    result: str
    baseline: str


#: Characters of a failure's message that stand in a line.
MESSAGE_LIMIT = 200
#: Worst first: of several scenarios that did not pass, which one is told of.
WORST_OUTCOMES = (Outcome.FAILED, Outcome.ERROR, Outcome.MISSING, Outcome.SKIPPED)


@dataclass(frozen=True)
class Stop:
    """A stage on the way, with the expectations whose scenarios end at it."""

    name: str
    rows: Sequence[ExpectationRow]

    @property
    def verdict(self) -> Verdict:
        """The worst of their verdicts."""
        return worst([row.verdict for row in self.rows])


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """Return how several verdicts show as one; out of scope where there is none."""
    return next((one for one in WORST if one in verdicts), Verdict.OUT_OF_SCOPE)


def scenarios_of(document: SignOff) -> dict[str, ScenarioRow]:
    """Return each scenario once, by pytest's node id, in the order of the specification."""
    return {one.node: one for row in document.expectations for one in row.scenarios}


def stops_of(document: SignOff) -> list[Stop]:
    """Return the stages, each with the expectations whose last scenario ends at it."""
    ends: dict[str, list[ExpectationRow]] = {name: [] for name in NAMES}
    for row in document.expectations:
        stages = [stage for one in row.scenarios for stage in one.stages[-1:] if stage in ends]
        if stages:
            ends[max(stages, key=NAMES.index)].append(row)
    return [Stop(name, rows) for name, rows in ends.items()]


def lines_of(document: SignOff) -> list[Line]:
    """Return each expectation with its result in a line, in the order of the specification."""
    return [line_of(row) for row in document.expectations]


def line_of(row: ExpectationRow) -> Line:
    """Say in a sentence what became of an expectation: why it is not accepted, or what was found.

    What findings saw is not told here, as it is no promise of the tutorial's; unless it is one of
    these alone that did not pass, and the verdict follows from it.
    """
    proving = [one for one in row.scenarios if not one.finding]
    voted = row.verdict in (Verdict.REJECTED, Verdict.INCONCLUSIVE, Verdict.PARTIAL)
    passed = all(one.outcome is Outcome.PASSED for one in proving)
    for outcome in WORST_OUTCOMES:
        told = row.scenarios if voted and passed else proving
        several = [one for one in told if one.outcome is outcome]
        if several:
            return Line(row, _complaint(several), _first(several, "baselines"))
    if not proving:
        unproved = row.verdict is Verdict.UNPROVED or row.scenarios
        return Line(row, "No scenario proves it." if unproved else "Not in this run.", "")
    found = _first(proving, "results")
    number = len(proving)
    several_passed = f"({number} scenarios)" if number > 1 else ""
    plain = f"{number} scenario{'s' * (number > 1)} passed."
    return Line(
        row, f"{found} {several_passed}".strip() if found else plain, _first(proving, "baselines")
    )


def _complaint(several: Sequence[ScenarioRow]) -> str:
    one = several[0]
    message = next(iter(one.message.strip().splitlines()), "").removeprefix("AssertionError: ")
    if len(message) > MESSAGE_LIMIT:
        message = message[: MESSAGE_LIMIT - 1].rstrip() + "…"
    more = f" (and {len(several) - 1} more)" if len(several) > 1 else ""
    return f"{title_of(one)}: {message or one.outcome}{more}"


def _first(scenarios: Sequence[ScenarioRow], kind: Literal["results", "baselines"]) -> str:
    """The first result or baseline of several scenarios; empty where there is none."""
    return next((line for one in scenarios for line in getattr(one, kind)), "")


def title_of(scenario: ScenarioRow) -> str:
    """Return a scenario's name, with the values of its row where it is one of an outline."""
    values = " · ".join(scenario.example.values())
    return f"{scenario.name} [{values}]" if values else scenario.name


def how_much(left_out: LeftOut) -> str:
    """Return what was left out of which expectation: “A1”, “T5 (1 of 2 scenarios)”."""
    if left_out.left_out == left_out.scenarios:
        return left_out.id
    return f"{left_out.id} ({left_out.left_out} of {left_out.scenarios} scenarios)"


def in_short(quick: QuickPart) -> str:
    """Return in a line what ``--quick`` left out and what it weakened."""
    left_out = ", ".join(map(how_much, quick.left_out)) or "nothing"
    ids = {identifier for kind in quick.weakened for identifier in kind.expectations}
    weaker = ", ".join(identifier for identifier in IDS if identifier in ids) or "none"
    return f"Left out by --quick: {left_out}. Proved by weaker samples: {weaker}."


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
FILTERS: Mapping[str, Callable[[Any], Any]] = {
    "cell": cell, "seconds": seconds, "size": size, "title_of": title_of, "how_much": how_much,
    "sign": lambda word: SIGNS[str(word)], "kind": lambda word: str(word).replace(" ", "-"),
}  # fmt: skip


def page(document: SignOff, reports: Path) -> str:
    """Return ``signoff.html``: one file that needs no other, with most of the evidence in it."""
    scenarios = scenarios_of(document)
    return template("signoff.html.j2", FILTERS).render(
        document=document,
        meaning=MEANINGS[document.verdict],
        scope=str(document.scope),
        arguments=arguments_of(document),
        sections=[
            (title, [row for row in document.expectations if row.section == name])
            for name, title in SECTIONS.items()
        ],
        lines=lines_of(document),
        stops=stops_of(document),
        numbers={node: number for number, node in enumerate(scenarios, 1)},
        pieces=show(scenarios, reports),
        findings=[one for one in scenarios.values() if one.finding],
        images=document.environment.get("images", {}),
        deviations=document.environment.get("deviations", []),
        facts=facts_of(document),
    )


def arguments_of(document: SignOff) -> str:
    """Return what a run of the same scope is asked for by, behind `--`; empty for a full one."""
    quick = "--quick" if document.scope.quick else ""
    return " ".join(filter(None, [document.scope.selection, quick]))


def facts_of(document: SignOff) -> dict[str, str]:
    """Return the facts of the environment that fit into a line each."""
    return {k: v for k, v in document.environment.items() if isinstance(v, str)}


def summary(document: SignOff) -> str:
    """Return ``signoff.md``, for the summary of a CI job."""
    scenarios = scenarios_of(document)
    return template("signoff.md.j2", FILTERS).render(
        document=document,
        meaning=MEANINGS[document.verdict],
        scope=str(document.scope),
        lines=lines_of(document),
        broken=[
            one
            for one in scenarios.values()
            if one.outcome is not Outcome.PASSED and not one.left_out
        ],
        findings=[one for one in scenarios.values() if one.finding],
        deviations=document.environment.get("deviations", []),
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
