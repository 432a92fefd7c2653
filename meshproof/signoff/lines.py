"""What the pages of a sign-off say, line by line: the document's rows, put into sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from meshproof.signoff.document import (
    ExpectationRow,
    FindingRow,
    LeftOut,
    QuickPart,
    ScenarioRow,
    SignOff,
)
from meshproof.signoff.findings import State
from meshproof.signoff.verdict import Outcome, Verdict
from meshproof.suite.model import Suite
from meshproof.suite.registry import default_suite, expectation_ids, suites
from meshproof.wording import NOTICED, SAMPLES_TAKEN, STRUCK, in_a_line, number

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

    What findings saw is not told here, as it is no promise of the tutorial's. Where --quick left
    scenarios out, the others tell, and how many are left out is said behind it.
    """
    told_by = [one for one in row.scenarios if not one.left_out] or row.scenarios
    for outcome in WORST_OUTCOMES:
        several = [one for one in told_by if one.outcome is outcome]
        if several:
            return Line(row, _complaint(several), _first_baseline(several))
    if not row.scenarios:
        unproved = row.verdict is Verdict.UNPROVED
        return Line(row, "No scenario proves it." if unproved else "Not in this run.", "")
    found, passed = _found(told_by), number(len(told_by), "scenario")
    gone = len(row.scenarios) - len(told_by)
    less = f", {gone} left out by --quick" if gone else ""
    told = f"{found} ({passed}{less})" if len(row.scenarios) > 1 else found
    said = [told if found else f"{passed} passed{less}.", *_strikes(told_by)]
    return Line(row, " ".join(said), _first_baseline(told_by))


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
