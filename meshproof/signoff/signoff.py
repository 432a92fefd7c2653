"""From what ran to the sign-off document."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from meshproof.signoff.consistency import quick_part, resting_on, unseen_rows, verdict_of_suite
from meshproof.signoff.document import (
    FILE,
    VERSION,
    CountsPart,
    DeviationRow,
    EvidenceFile,
    ExpectationRow,
    FindingRow,
    ReconciliationPart,
    ScenarioRow,
    ScopePart,
    SignOff,
    SuitePart,
    WeakenedSample,
)
from meshproof.signoff.evidence import Kept
from meshproof.signoff.findings import state_of, told
from meshproof.signoff.reconciliation import Reconciliation
from meshproof.signoff.verdict import Outcome, ScenarioResult, count, of_expectation, overall
from meshproof.suite.deviations import described
from meshproof.suite.model import Expectation
from meshproof.suite.registry import expectations, suite_named, suites


@dataclass(frozen=True)
class Scope:
    """What the verdict is over: what the suite covers, or what was selected.

    ``sections`` are covered whole; ``also`` are single expectations of other sections. ``quick``
    says that what takes longest, and what others stand for, was left out, and less was sampled.
    ``suites`` are the names of those that the run is of.
    """

    sections: tuple[str, ...]
    selection: str | None
    also: tuple[str, ...] = ()
    quick: bool = False
    suites: tuple[str, ...] = ()

    def holds(self, expectation: Expectation, results: Sequence[ScenarioResult]) -> bool:
        """Whether an expectation, with these scenarios and findings, is in scope."""
        if self.selection:
            return bool(results)
        return expectation.section in self.sections or expectation.id in self.also


@dataclass(frozen=True)
class Run:
    """What is known when a run ends. ``started`` is seconds since the epoch.

    ``reports`` is the folder that evidence is named relative to.
    """

    results: tuple[ScenarioResult, ...]
    collected: int
    scope: Scope
    environment: Mapping[str, Any]
    started: float
    seconds: float
    interrupted: bool = False
    reconciliation: Reconciliation = field(default_factory=Reconciliation)
    reports: Path = Path()


def sign_off(run: Run) -> SignOff:
    """Put the sign-off together: every expectation of the specification, in scope or not.

    Findings stand by themselves: an expectation that only findings carry is not proved.
    """
    rows = []
    found = run.reconciliation
    results = found.cleared(run.results)
    votes = [result for result in results if not result.finding]
    findings = [result for result in results if result.finding]
    said_by = {one.text: suite.name for suite in suites() for one in suite.deviations}
    deviations = [
        DeviationRow(
            name=one.name,
            text=one.text,
            why=one.why,
            expectations=list(one.expectations),
            suite=said_by.get(one.text, ""),
        )
        for one in described(run.environment.get("deviations", ()))
    ]
    promised_by = {one.id: suite.name for suite in suites() for one in suite.expectations}
    for expectation in expectations():
        carrying = [result for result in results if expectation.id in result.ids]
        proving = [result for result in carrying if not result.finding]
        verdict = of_expectation(
            (result.outcome for result in proving),
            in_scope=run.scope.holds(expectation, carrying),
            weakened=any(result.weakened for result in proving),
        )
        rows.append(ExpectationRow(
            id=expectation.id,
            section=expectation.section,
            expectation=expectation.promise,
            verdict=verdict,
            scenarios=[_scenario(result, run.reports) for result in proving],
            rests_on=resting_on(expectation.id, deviations),
            suite=promised_by[expectation.id],
        ))  # fmt: skip
    counts = count((result.outcome for result in votes), run.collected - len(findings))
    verdict = overall(
        (row.verdict for row in rows),
        counts,
        interrupted=run.interrupted,
        differences=found.differences,
        quick=run.scope.quick,
    )
    return SignOff(
        version=VERSION,
        verdict=verdict,
        scope=ScopePart(
            sections=list(run.scope.sections),
            also=list(run.scope.also),
            selection=run.scope.selection,
            quick=quick_part(rows) if run.scope.quick else None,
            suites=list(run.scope.suites),
        ),
        suites=[
            SuitePart(
                name=suite.name,
                title=suite.title,
                source=suite.source,
                verdict=verdict_of_suite(
                    suite.name,
                    rows,
                    interrupted=run.interrupted,
                    differences=found.differences,
                    quick=run.scope.quick,
                ),
            )
            for suite in map(suite_named, run.scope.suites)
        ],
        expectations=rows,
        findings=[_finding(result, run.reports) for result in findings],
        deviations=deviations,
        unseen=unseen_rows(rows),
        counts=CountsPart(**asdict(counts)),
        reconciliation=ReconciliationPart(
            collected=run.collected,
            ran=sum(1 for result in results if result.outcome is not Outcome.MISSING),
            junit=found.junit,
            allure=found.allure,
            differences=list(found.differences),
        ),
        problems=problems(votes),
        environment=dict(run.environment),
        started=datetime.fromtimestamp(run.started, UTC).isoformat(timespec="seconds"),
        duration_s=round(run.seconds, 1),
        interrupted=run.interrupted,
    )


def problems(results: Iterable[ScenarioResult]) -> list[str]:
    """Say what broke that is no promise, each once, with how many scenarios it took along."""
    said: dict[str, int] = {}
    for result in results:
        if result.outcome is Outcome.ERROR:
            first = result.message.strip().partition("\n")[0]
            said[first] = said.get(first, 0) + 1
    return [f"{text} ({number} scenario{'s'[: number > 1]})" for text, number in said.items()]


def write(document: SignOff, folder: Path) -> Path:
    """Write ``signoff.json``. Raises ``OSError`` where the folder cannot be written."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    text = json.dumps(document.model_dump(mode="json"), indent=2, ensure_ascii=False)
    path.write_text(text + "\n")
    return path


def _finding(result: ScenarioResult, reports: Path) -> FindingRow:
    return FindingRow(
        expectations=list(result.ids),
        state=state_of(result.outcome),
        text=told(result.outcome, result.message, result.results),
        scenario=_scenario(result, reports),
    )


def _scenario(result: ScenarioResult, reports: Path) -> ScenarioRow:
    return ScenarioRow(
        node=result.node,
        name=result.name,
        example=dict(result.example),
        feature=result.feature,
        stages=list(result.stages),
        finding=result.finding,
        outcome=result.outcome,
        message=result.message,
        duration_s=round(result.seconds, 2),
        observations=list(result.observations),
        results=list(result.results),
        baselines=list(result.baselines),
        evidence=[_evidence(piece, reports) for piece in result.evidence],
        left_out=result.left_out,
        unseen=dict(result.unseen),
        weakened=[WeakenedSample(**asdict(kind)) for kind in result.weakened],
    )


def _evidence(piece: Kept, reports: Path) -> EvidenceFile:
    return EvidenceFile(
        path=piece.path.relative_to(reports).as_posix(),
        name=piece.name,
        media_type=piece.media_type,
        bytes=piece.size,
        sha256=piece.sha256,
    )
