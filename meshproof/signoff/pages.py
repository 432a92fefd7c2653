"""The sign-off as pages for people: ``signoff.html`` and ``signoff.md``.

Both say only what the document says; nothing is decided here.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from meshproof.signoff.chart import chart
from meshproof.signoff.document import (
    EvidenceFile,
    ExpectationRow,
    FindingRow,
    LeftOut,
    QuickPart,
    ScenarioRow,
    SignOff,
)
from meshproof.signoff.findings import State
from meshproof.signoff.templating import template
from meshproof.signoff.verdict import Outcome, Verdict
from meshproof.suite.model import Suite
from meshproof.suite.registry import default_suite, expectation_ids, sections, suites
from meshproof.wording import NOTICED, SAMPLES_TAKEN, STRUCK, in_a_line, number

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
    "out of scope": "·", "found": "✔", "gone": "○", "not looked at": "?",
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
    """Return each scenario once, by pytest's node id, in the order of the specification.

    Findings are none of these.
    """
    return {one.node: one for row in document.expectations for one in row.scenarios}


def shown_of(document: SignOff) -> dict[str, ScenarioRow]:
    """Return all scenarios that a page has a place for: those with a vote, and then findings."""
    return scenarios_of(document) | {one.scenario.node: one.scenario for one in document.findings}


def suites_in(document: SignOff) -> list[Suite]:
    """Return the suites that a sign-off is of; before version 1.3 there was but the default one."""
    return [one for one in suites() if one.name in document.scope.suites] or [default_suite()]


def stops_of(document: SignOff, suite: Suite) -> list[Stop]:
    """Return a suite's stages, each with the expectations whose last scenario ends at it."""
    names, own = suite.stage_names, {one.id for one in suite.expectations}
    ends: dict[str, list[ExpectationRow]] = {name: [] for name in names}
    for row in document.expectations:
        if row.id not in own:
            continue
        stages = [stage for one in row.scenarios for stage in one.stages[-1:] if stage in ends]
        if stages:
            ends[max(stages, key=names.index)].append(row)
    return [Stop(name, rows) for name, rows in ends.items()]


def tables_of(document: SignOff) -> list[tuple[str, list[Line]]]:
    """Return the lines of each suite under its heading; in one table where there are not several.

    What is of none of the suites, and so out of scope, has no line then.
    """
    lines = lines_of(document)
    if len(document.suites) < 2:
        return [("", lines)]
    return [
        (
            f"{part.name}: {part.verdict} {SIGNS[part.verdict]} — {part.title} ({part.source})",
            [line for line in lines if line.row.suite == part.name],
        )
        for part in document.suites
    ]


def lines_of(document: SignOff) -> list[Line]:
    """Return each expectation with its result in a line, in the order of the specification."""
    return [line_of(row) for row in document.expectations]


def line_of(row: ExpectationRow) -> Line:
    """Say in a sentence what became of an expectation: why it is not accepted, or what was found.

    What findings saw is not told here, as it is no promise of the tutorial's.
    """
    for outcome in WORST_OUTCOMES:
        several = [one for one in row.scenarios if one.outcome is outcome]
        if several:
            return Line(row, _complaint(several), _first_baseline(several))
    if not row.scenarios:
        unproved = row.verdict is Verdict.UNPROVED
        return Line(row, "No scenario proves it." if unproved else "Not in this run.", "")
    found = _found(row.scenarios)
    passed = number(len(row.scenarios), "scenario")
    told = f"{found} ({passed})" if len(row.scenarios) > 1 else found
    said = [told if found else f"{passed} passed.", *_strikes(row.scenarios)]
    return Line(row, " ".join(said), _first_baseline(row.scenarios))


def findings_in_short(document: SignOff) -> str:
    """Return in a sentence what became of the findings; empty where none was looked for."""
    if not document.findings:
        return ""
    words = {State.FOUND: "still there", State.GONE: "gone", State.NOT_LOOKED_AT: "not looked at"}
    counts = {word: sum(one.state is state for one in document.findings)
              for state, word in words.items()}  # fmt: skip
    told = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    return f"Findings, which have no vote: {told}."


def unseen_in_short(document: SignOff) -> str:
    """Return in a line what could not be seen of the mesh; empty where all could."""
    told = ", ".join(f"{one.name} ({', '.join(one.expectations)})" for one in document.unseen)
    return f"Not seen on this mesh, and skipped for it: {told}." if told else ""


def _complaint(several: Sequence[ScenarioRow]) -> str:
    one = several[0]
    more = f" (and {len(several) - 1} more)" if len(several) > 1 else ""
    return f"{title_of(one)}: {in_a_line(one.message) or one.outcome}{more}"


def _found(scenarios: Sequence[ScenarioRow]) -> str:
    """The first result of several scenarios that says how surely it was found, or else the first.

    Empty where there is none.
    """
    lines = [line for one in scenarios for line in one.results]
    surely = (line for line in lines if NOTICED in line or SAMPLES_TAKEN in line)
    return next(surely, lines[0] if lines else "")


def _first_baseline(scenarios: Sequence[ScenarioRow]) -> str:
    """The first baseline of several scenarios; empty where there is none."""
    return next((line for one in scenarios for line in one.baselines), "")


def _strikes(scenarios: Sequence[ScenarioRow]) -> list[str]:
    """What struck the ground while several scenarios ran, each strike once."""
    lines = (line for one in scenarios for line in one.observations if line.startswith(STRUCK))
    return list(dict.fromkeys(lines))


def places_of(document: SignOff) -> dict[str, int]:
    """Return the place of each deviation in the list, from 1, by its name."""
    return {one.name: place for place, one in enumerate(document.deviations, 1)}


def findings_about(document: SignOff) -> dict[str, list[FindingRow]]:
    """Return the findings by the expectations that they are about; none where there are none."""
    about: dict[str, list[FindingRow]] = {row.id: [] for row in document.expectations}
    for one in document.findings:
        for identifier in one.expectations:
            about.setdefault(identifier, []).append(one)
    return about


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
    weaker = (
        ", ".join(identifier for identifier in expectation_ids() if identifier in ids) or "none"
    )
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


def arguments_of(document: SignOff) -> str:
    """Return what a run of the same scope is asked for by, behind `--`; empty for a full one."""
    quick = "--quick" if document.scope.quick else ""
    return " ".join(filter(None, [document.scope.selection, quick]))


def whole_suites(document: SignOff) -> list[str]:
    """Return the suites that were run whole where others were not run at all; else none."""
    named = document.scope.suites
    return [] if document.scope.selection or len(named) == len(suites()) else list(named)


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
