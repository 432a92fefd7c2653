"""What follows from a sign-off's rows, and where a document says otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

from meshproof.signoff.document import (
    DeviationRow,
    ExpectationRow,
    LeftOut,
    QuickPart,
    SignOff,
    UnseenRow,
    Weakened,
    WeakenedSample,
)
from meshproof.signoff.findings import state_of
from meshproof.signoff.verdict import Outcome, Verdict, count, of_expectation, overall


def resting_on(identifier: str, deviations: Sequence[DeviationRow]) -> list[str]:
    """Return the names of the deviations that an expectation rests on."""
    return [one.name for one in deviations if identifier in one.expectations]


def verdict_of_suite(
    name: str,
    rows: Sequence[ExpectationRow],
    *,
    interrupted: bool,
    differences: Sequence[str],
    quick: bool,
) -> Verdict:
    """Return the verdict over what of one suite is in scope, by the rows of all."""
    own = [row for row in rows if row.suite == name]
    verdicts = {row.verdict for row in own}
    if verdicts <= {Verdict.OUT_OF_SCOPE}:
        return Verdict.OUT_OF_SCOPE
    outcomes = {one.node: one.outcome for row in own for one in row.scenarios}
    return overall(
        verdicts,
        count(outcomes.values(), len(outcomes)),
        interrupted=interrupted,
        differences=differences,
        quick=quick,
    )


def unseen_rows(rows: Sequence[ExpectationRow]) -> list[UnseenRow]:
    """Return what could not be seen, by what the scenarios say that were skipped for it."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for what in dict.fromkeys(each for one in row.scenarios for each in one.unseen.items()):
            found.setdefault(what, []).append(row.id)
    return [
        UnseenRow(name=name, reason=reason, expectations=ids)
        for (name, reason), ids in found.items()
    ]


def quick_part(rows: Sequence[ExpectationRow]) -> QuickPart:
    """Return what ``--quick`` made less of a run, by what its scenarios say."""
    left_out, weakened = [], dict[WeakenedSample, list[str]]()
    for row in rows:
        gone = sum(one.left_out for one in row.scenarios)
        if gone:
            left_out.append(LeftOut(id=row.id, left_out=gone, scenarios=len(row.scenarios)))
        for kind in dict.fromkeys(kind for one in row.scenarios for kind in one.weakened):
            weakened.setdefault(kind, []).append(row.id)
    return QuickPart(
        left_out=left_out,
        weakened=[
            Weakened(**kind.model_dump(), expectations=ids) for kind, ids in weakened.items()
        ],
    )


def contradictions(document: SignOff) -> list[str]:
    """Say where a verdict does not follow from what the document itself says."""
    found = []
    for row in document.expectations:
        due = of_expectation(
            (one.outcome for one in row.scenarios),
            in_scope=True,
            weakened=any(one.weakened for one in row.scenarios),
        )
        if row.verdict not in (due, Verdict.OUT_OF_SCOPE):
            found.append(f"{row.id} is “{row.verdict}”, and its scenarios make it “{due}”")
    scenarios = {one.node: one.outcome for row in document.expectations for one in row.scenarios}
    quick, due_quick = document.scope.quick, quick_part(document.expectations)
    if quick != due_quick and (quick or due_quick.left_out or due_quick.weakened):
        found.append("what it says of --quick is not what its scenarios say")
    found += _unseen_amiss(document)
    found += _suites_amiss(document)
    for row in document.expectations:
        if row.rests_on != resting_on(row.id, document.deviations):
            found.append(f"what {row.id} rests on is not what its deviations say")
    if document.deviations and [one.text for one in document.deviations] != (
        document.environment.get("deviations")
    ):
        found.append("its deviations are not those of its environment")
    for one in document.findings:
        if not one.scenario.finding or one.scenario.node in scenarios:
            found.append(f"“{one.scenario.name}” is among the findings, and has a vote")
        if one.state is not state_of(one.scenario.outcome):
            found.append(
                f"the finding “{one.scenario.name}” is “{one.state}”, and its scenario "
                f"makes it “{state_of(one.scenario.outcome)}”"
            )
    counts = count(scenarios.values(), document.counts.collected)
    if asdict(counts) != document.counts.model_dump():
        found.append("its counts are not those of its scenarios")
    due = overall(
        (row.verdict for row in document.expectations),
        counts,
        interrupted=document.interrupted,
        differences=document.reconciliation.differences,
        quick=quick is not None,
    )
    if document.verdict is not due:
        found.append(f"the verdict is “{document.verdict}”, and its rows make it “{due}”")
    return found


def _suites_amiss(document: SignOff) -> Iterator[str]:
    if [one.name for one in document.suites] != document.scope.suites:
        yield "its suites are not those of its scope"
    for one in document.suites:
        due = verdict_of_suite(
            one.name,
            document.expectations,
            interrupted=document.interrupted,
            differences=document.reconciliation.differences,
            quick=document.scope.quick is not None,
        )
        if one.verdict is not due:
            yield f"the suite {one.name} is “{one.verdict}”, and its rows make it “{due}”"


def _unseen_amiss(document: SignOff) -> Iterator[str]:
    if document.unseen != unseen_rows(document.expectations):
        yield "what it says could not be seen is not what its scenarios say"
    for row in document.expectations:
        for one in row.scenarios:
            if one.unseen and one.outcome is not Outcome.SKIPPED:
                yield f"“{one.name}” needs what cannot be seen, and is “{one.outcome}”"
