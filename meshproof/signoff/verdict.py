"""From what ran to a verdict. Nothing here can be greener than what ran."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from meshproof.analysis.weakening import Weakening
from meshproof.errors import ExitCode
from meshproof.signoff.evidence import Kept


class Outcome(StrEnum):
    """How one scenario ended."""

    PASSED = "passed"
    #: The mesh did not keep a promise.
    FAILED = "failed"
    #: The environment or the harness broke: nothing can be said of the promise.
    ERROR = "error"
    SKIPPED = "skipped"
    #: Collected, and no result came.
    MISSING = "missing"


class Verdict(StrEnum):
    """What a sign-off says, of one expectation or of all."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    PARTIAL = "partial"
    INCONCLUSIVE = "inconclusive"
    #: In scope, and no scenario proves it; a whole with such a part is partial.
    UNPROVED = "unproved"
    OUT_OF_SCOPE = "out of scope"


@dataclass(frozen=True)
class ScenarioResult:
    """One scenario: which expectations it proves, how it ended and what it left behind.

    ``node`` is pytest's id of it; ``example`` the values of its row, where it is one of an
    outline; ``stages`` those that it follows the tutorial to. ``finding`` says that it shows
    what the tutorial does not say: it proves nothing of its ``ids``, and has no vote. ``seconds``
    is the whole scenario. ``results`` and
    ``baselines`` are those of the ``observations`` that say what was found, and before what.
    ``left_out`` says that ``--quick`` leaves it out, ``weakened`` which of its samples were weaker
    than it asks for; ``unseen`` names what it needs and the harness cannot see of this mesh, each
    with the reason: it is skipped then.
    """

    name: str
    feature: str
    ids: tuple[str, ...]
    outcome: Outcome
    message: str = ""
    seconds: float = 0.0
    observations: tuple[str, ...] = ()
    results: tuple[str, ...] = ()
    baselines: tuple[str, ...] = ()
    evidence: tuple[Kept, ...] = ()
    node: str = ""
    example: Mapping[str, str] = field(default_factory=dict)
    stages: tuple[str, ...] = ()
    finding: bool = False
    left_out: bool = False
    weakened: tuple[Weakening, ...] = ()
    unseen: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Counts:
    """How many scenarios were collected and how they ended."""

    collected: int
    passed: int
    failed: int
    skipped: int
    errors: int

    @property
    def reconciled(self) -> bool:
        """Whether every collected scenario has a result."""
        return self.collected == self.passed + self.failed + self.skipped + self.errors


def count(outcomes: Iterable[Outcome], collected: int) -> Counts:
    """Count how scenarios ended; ``collected`` comes from the collection, not from them.

    One of which no result came was collected, whatever the collection says.
    """
    ended = Counter(outcomes)
    missing = ended[Outcome.MISSING]
    return Counts(
        max(collected, ended.total()) if missing else collected,
        ended[Outcome.PASSED],
        ended[Outcome.FAILED],
        ended[Outcome.SKIPPED],
        ended[Outcome.ERROR],
    )


def of_expectation(
    outcomes: Iterable[Outcome], *, in_scope: bool, weakened: bool = False
) -> Verdict:
    """Return the verdict of one expectation from how the scenarios that carry its id ended.

    ``weakened`` says that one of them sampled less than it asks for.
    """
    outcomes = set(outcomes)
    if not in_scope:
        return Verdict.OUT_OF_SCOPE
    if not outcomes:
        return Verdict.UNPROVED
    if Outcome.FAILED in outcomes:
        return Verdict.REJECTED
    if outcomes & {Outcome.ERROR, Outcome.MISSING}:
        return Verdict.INCONCLUSIVE
    if Outcome.SKIPPED in outcomes or weakened:
        return Verdict.PARTIAL
    return Verdict.ACCEPTED


def overall(
    expectations: Iterable[Verdict],
    counts: Counts,
    *,
    interrupted: bool = False,
    differences: Sequence[str] = (),
    quick: bool = False,
) -> Verdict:
    """Return the verdict over the whole scope.

    An interrupted run, or one in which results are missing or reports differ, is
    inconclusive whatever the rest says; one broken promise rejects; what broke
    otherwise, was skipped or is unproved keeps it from being accepted. So does ``quick``,
    whatever was run: nobody must have to ask what such a run left out.
    """
    verdicts = set(expectations)
    if interrupted or differences or not counts.reconciled:
        return Verdict.INCONCLUSIVE
    if counts.failed or Verdict.REJECTED in verdicts:
        return Verdict.REJECTED
    if counts.errors or Verdict.INCONCLUSIVE in verdicts:
        return Verdict.INCONCLUSIVE
    if counts.skipped or verdicts & {Verdict.PARTIAL, Verdict.UNPROVED}:
        return Verdict.PARTIAL
    if Verdict.ACCEPTED not in verdicts:
        return Verdict.INCONCLUSIVE
    return Verdict.PARTIAL if quick else Verdict.ACCEPTED


EXIT_CODES = {
    Verdict.ACCEPTED: ExitCode.ACCEPTED,
    Verdict.REJECTED: ExitCode.REJECTED,
    Verdict.PARTIAL: ExitCode.PARTIAL,
    Verdict.INCONCLUSIVE: ExitCode.ENVIRONMENT,
}


def exit_code(verdict: Verdict, *, interrupted: bool = False) -> ExitCode:
    """Return the documented exit code of a run with this verdict."""
    return ExitCode.INTERRUPTED if interrupted else EXIT_CODES[verdict]
