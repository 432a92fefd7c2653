"""The sign-off document, ``signoff.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from meshproof.expectations import EXPECTATIONS, Expectation
from meshproof.signoff.verdict import ScenarioResult, Verdict, count, of_expectation, overall


@dataclass(frozen=True)
class Scope:
    """What the verdict is over: what the suite covers, or what was selected.

    ``sections`` are covered whole; ``also`` are single expectations of other sections.
    """

    sections: tuple[str, ...]
    selection: str | None
    also: tuple[str, ...] = ()

    def holds(self, expectation: Expectation, results: Sequence[ScenarioResult]) -> bool:
        """Whether an expectation, with these scenarios, is in scope."""
        if self.selection:
            return bool(results)
        return expectation.section in self.sections or expectation.id in self.also


@dataclass(frozen=True)
class Run:
    """What is known when a run ends. ``started`` is seconds since the epoch."""

    results: tuple[ScenarioResult, ...]
    collected: int
    scope: Scope
    environment: Mapping[str, Any]
    started: float
    seconds: float
    interrupted: bool = False


def signoff(run: Run) -> dict[str, Any]:
    """Put the sign-off together: every expectation of the specification, in scope or not."""
    rows: list[dict[str, Any]] = []
    for expectation in EXPECTATIONS:
        proving = [result for result in run.results if expectation.id in result.ids]
        in_scope = run.scope.holds(expectation, proving)
        rows.append(
            {
                "id": expectation.id,
                "section": expectation.section,
                "expectation": expectation.text,
                "verdict": of_expectation(proving, in_scope=in_scope).value,
                "scenarios": [_scenario(result) for result in proving],
            }
        )
    counts = count(run.results, run.collected)
    verdict = overall(
        (Verdict(row["verdict"]) for row in rows), counts, interrupted=run.interrupted
    )
    return {
        "verdict": verdict.value,
        "scope": {
            "sections": list(run.scope.sections),
            "also": list(run.scope.also),
            "selection": run.scope.selection,
        },
        "expectations": rows,
        "counts": asdict(counts),
        "environment": dict(run.environment),
        "started": datetime.fromtimestamp(run.started, UTC).isoformat(timespec="seconds"),
        "duration_s": round(run.seconds, 1),
        "interrupted": run.interrupted,
    }


def write(document: Mapping[str, Any], folder: Path) -> Path:
    """Write ``signoff.json``. Raises ``OSError`` where the folder cannot be written."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "signoff.json"
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    return path


def _scenario(result: ScenarioResult) -> dict[str, Any]:
    return {
        "name": result.name,
        "feature": result.feature,
        "outcome": result.outcome.value,
        "message": result.message,
        "duration_s": round(result.seconds, 2),
        "observations": list(result.observations),
        "evidence": list(result.evidence),
    }
