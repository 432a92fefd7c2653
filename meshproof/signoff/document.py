"""What ``signoff.json`` holds: its fields, their meaning, and the promise made of them.

The JSON Schema in docs/signoff.schema.json is written from these models; docs/reports.md
has the promise of compatibility.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from meshproof.signoff.findings import State
from meshproof.signoff.verdict import Outcome, Verdict
from meshproof.wording import listed

#: Major.minor: a reader of one major version can read all of its minor versions.
VERSION = "1.3"
FILE = "signoff.json"


class _Part(BaseModel):
    """A part of the document. What a later minor version adds is read over."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class EvidenceFile(_Part):
    """One piece of evidence. ``path`` is relative to the reports folder."""

    path: str = Field(description="relative to the reports folder, with forward slashes")
    name: str = Field(description="what it shows")
    media_type: str
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="of what was written")


class WeakenedSample(_Part):
    """A kind of sample that was weaker than what a full run takes."""

    asked: str = Field(description="what a full run takes it to show")
    taken: str = Field(description="what it was taken to show instead")
    misses: str = Field(description="how often that overlooks what a full run notices")


class ScenarioRow(_Part):
    """One scenario that proves an expectation."""

    node: str = Field(description="pytest's node id: unique, and what runs this scenario alone")
    name: str
    example: dict[str, str] = Field(description="the values of its row of an outline")
    feature: str
    stages: list[str] = Field(description="the stages of the tutorial that it is followed to")
    finding: bool = Field(
        description="it shows what the tutorial does not say; since 1.2 only among `findings`"
    )
    outcome: Outcome
    message: str = Field(description="why it did not pass; empty where it did")
    duration_s: float = Field(ge=0, description="seconds, set-up and clean-up included")
    observations: list[str] = Field(description="what was observed, in numbers")
    results: list[str] = Field(
        [], description="those of the observations that say what was found; since 1.1"
    )
    baselines: list[str] = Field(
        [], description="those that say what a result is held against; since 1.1"
    )
    evidence: list[EvidenceFile]
    left_out: bool = Field(False, description="--quick leaves it out (since 1.1)")
    weakened: list[WeakenedSample] = Field(
        default=[], description="its samples that --quick made weaker (since 1.1)"
    )
    unseen: dict[str, str] = Field(
        default={},
        description="what it needs that the harness cannot see of this mesh, each with the reason: "
        "it was skipped for that; since 1.2",
    )


class ExpectationRow(_Part):
    """One promise of the specification, its verdict and the scenarios that prove it."""

    id: str
    section: str
    expectation: str
    verdict: Verdict
    scenarios: list[ScenarioRow]
    rests_on: list[str] = Field(
        [], description="names of the `deviations` that it rests on; since 1.2"
    )
    suite: str = Field("", description="the name of the suite whose promise it is; since 1.3")


class DeviationRow(_Part):
    """One way in which what was tested is not the tutorial's own, or not the default."""

    name: str
    text: str = Field(description="what is other; as in environment.deviations")
    why: str = Field(description="the reason; empty where it is not known")
    expectations: list[str] = Field(description="ids of those that rest on it")
    suite: str = Field("", description="the name of the suite that says so; since 1.3")


class SuitePart(_Part):
    """A suite that the run is of, and the verdict over what of it is in scope."""

    name: str
    title: str = Field(description="of its tutorial")
    source: str = Field(description="where that was published")
    verdict: Verdict


class UnseenRow(_Part):
    """What the harness cannot see of this mesh, as it found out on pods of its own."""

    name: str = Field(description="as in the tags of scenarios, without `needs-`")
    reason: str = Field(description="how it was found out, in a sentence")
    expectations: list[str] = Field(description="ids of those that were not proved whole for it")


class FindingRow(_Part):
    """What was found beside the promises, and what became of it in this run; it has no vote."""

    expectations: list[str] = Field(description="ids of the promises that it is about")
    state: State
    text: str = Field(description="what became of it, in a sentence")
    scenario: ScenarioRow = Field(description="what looked for it")


class CountsPart(_Part):
    """How many scenarios with a vote were collected, and how they ended."""

    collected: int = Field(ge=0)
    passed: int = Field(ge=0)
    failed: int = Field(ge=0)
    skipped: int = Field(ge=0)
    errors: int = Field(ge=0)


class LeftOut(_Part):
    """An expectation that ``--quick`` does not prove, or not as a whole."""

    id: str
    left_out: int = Field(ge=1, description="how many of its scenarios were left out")
    scenarios: int = Field(ge=1, description="how many it has in this run, with these")


class Weakened(WeakenedSample):
    """A kind of sample that was weaker, with the expectations that rest on it."""

    expectations: list[str] = Field(description="their ids")


class QuickPart(_Part):
    """What ``--quick`` left out, and which samples it made weaker."""

    left_out: list[LeftOut]
    weakened: list[Weakened]


class ScopePart(_Part):
    """What the verdict is over."""

    sections: list[str]
    also: list[str] = Field(description="single expectations of other sections")
    selection: str | None = Field(description="what the user selected, as typed; null: everything")
    suites: list[str] = Field([], description="names of the suites that it is of; since 1.3")
    quick: QuickPart | None = Field(
        None, description="what --quick made less of the run; null: a full one (since 1.1)"
    )

    def __str__(self) -> str:
        """Return it in a line."""
        over = self.selection or f"sections {', '.join([*self.sections, *self.also])}"
        if self.suites and not self.selection:
            over = f"suite{'s'[: len(self.suites) > 1]} {listed(self.suites)}, {over}"
        return f"{over} with --quick" if self.quick else over


class ReconciliationPart(_Part):
    """What each report holds, held against what was collected."""

    collected: int = Field(ge=0)
    ran: int = Field(ge=0)
    junit: int | None = Field(description="scenarios in junit.xml; null where it cannot be read")
    allure: int | None = Field(
        description="scenarios in allure-results/; null where it cannot be read"
    )
    differences: list[str] = Field(description="any makes the verdict inconclusive")


class SignOff(_Part):
    """The sign-off: the verdict over a declared scope, and what it rests on."""

    version: str = Field(pattern=r"^1\.\d+$", description="of this format, major.minor")
    verdict: Verdict
    scope: ScopePart
    suites: list[SuitePart] = Field(
        [], description="those that the run is of, each with its own verdict; since 1.3"
    )
    expectations: list[ExpectationRow]
    findings: list[FindingRow] = Field([], description="none of them has a vote; since 1.2")
    deviations: list[DeviationRow] = Field(
        [],
        description="what was tested that is not the tutorial's own, or not the default; since 1.2",
    )
    unseen: list[UnseenRow] = Field(
        [], description="what the harness cannot see of this mesh; since 1.2"
    )
    counts: CountsPart
    reconciliation: ReconciliationPart
    problems: list[str] = Field(description="what broke that is no promise: set-up, harness")
    environment: dict[str, Any] = Field(
        description="what was tested: versions, image digests, and what is not as by default"
    )
    started: str = Field(description="UTC, ISO 8601")
    duration_s: float = Field(ge=0)
    interrupted: bool


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the document."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **SignOff.model_json_schema(),
    }


def schema_text() -> str:
    """Return the schema as it is committed."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"
