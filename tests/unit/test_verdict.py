from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from meshproof.errors import ExitCode
from meshproof.signoff.signoff import Run, Scope, sign_off
from meshproof.signoff.verdict import (
    Counts,
    Outcome,
    ScenarioResult,
    Verdict,
    count,
    exit_code,
    of_expectation,
    overall,
)
from tests.suites import EXPECTATIONS, IDS, SECTIONS

PASSED, FAILED, ERROR, SKIPPED, MISSING = Outcome
ACCEPTED, REJECTED, PARTIAL, INCONCLUSIVE, UNPROVED, OUT_OF_SCOPE = Verdict
ALL_PASSED = Counts(collected=5, passed=5, failed=0, skipped=0, errors=0)


def results(*outcomes: Outcome, ids: tuple[str, ...] = ("D1",)) -> list[ScenarioResult]:
    return [ScenarioResult("a scenario", "a feature", ids, outcome) for outcome in outcomes]


def some_of(outcomes: Iterable[Outcome]) -> list[tuple[Outcome, ...]]:
    every = tuple(outcomes)
    return [chosen for size in range(len(every) + 1) for chosen in combinations(every, size)]


# Of one expectation: every set of outcomes has its rule.


@pytest.mark.parametrize("others", some_of(Outcome), ids="+".join)
def test_one_failure_rejects_whatever_else_there_is(others: tuple[Outcome, ...]) -> None:
    assert of_expectation([FAILED, *others], in_scope=True) is REJECTED
    assert of_expectation([*others, FAILED], in_scope=True) is REJECTED


@pytest.mark.parametrize("broken", [ERROR, MISSING])
@pytest.mark.parametrize("others", some_of([PASSED, SKIPPED, ERROR, MISSING]), ids="+".join)
def test_without_a_failure_an_error_or_a_missing_result_leaves_it_open(
    broken: Outcome, others: tuple[Outcome, ...]
) -> None:
    assert of_expectation([broken, *others], in_scope=True) is INCONCLUSIVE


@pytest.mark.parametrize("others", some_of([PASSED, SKIPPED]), ids="+".join)
def test_a_skip_among_what_passed_is_partial(others: tuple[Outcome, ...]) -> None:
    assert of_expectation([SKIPPED, *others], in_scope=True) is PARTIAL


def test_what_passed_is_accepted() -> None:
    assert of_expectation([PASSED], in_scope=True) is ACCEPTED
    assert of_expectation([PASSED, PASSED], in_scope=True) is ACCEPTED


def test_what_no_scenario_proves_is_unproved() -> None:
    assert of_expectation([], in_scope=True) is UNPROVED


@pytest.mark.parametrize("outcomes", some_of(Outcome), ids="+".join)
def test_what_is_out_of_scope_stays_so(outcomes: tuple[Outcome, ...]) -> None:
    assert of_expectation([*outcomes], in_scope=False) is OUT_OF_SCOPE


@given(st.lists(st.sampled_from(Outcome)), st.booleans())
def test_weaker_samples_keep_an_expectation_from_being_accepted_and_change_nothing_else(
    outcomes: list[Outcome], in_scope: bool
) -> None:
    full = of_expectation(outcomes, in_scope=in_scope)
    weakened = of_expectation(outcomes, in_scope=in_scope, weakened=True)
    assert weakened is (PARTIAL if full is ACCEPTED else full)


# Counting.


def test_results_are_counted_by_outcome() -> None:
    found = [PASSED, PASSED, PASSED, FAILED, FAILED, SKIPPED, ERROR]
    assert count(found, 7) == Counts(collected=7, passed=3, failed=2, skipped=1, errors=1)
    assert count([], 0) == Counts(0, 0, 0, 0, 0)
    assert not count([PASSED, MISSING], 1).reconciled


def test_counts_are_reconciled_only_where_every_collected_scenario_ended() -> None:
    assert count([PASSED, FAILED, SKIPPED, ERROR], 4).reconciled
    assert count([], 0).reconciled
    assert not count([PASSED, MISSING], 2).reconciled
    assert not count([PASSED], 2).reconciled
    assert not count([PASSED, PASSED], 1).reconciled


# Of the whole.


@pytest.mark.parametrize(
    ("counts", "verdicts", "whole"),
    [
        (ALL_PASSED, [ACCEPTED], ACCEPTED),
        (ALL_PASSED, [ACCEPTED, OUT_OF_SCOPE], ACCEPTED),
        (ALL_PASSED, [ACCEPTED, UNPROVED], PARTIAL),
        (Counts(5, 4, 0, 1, 0), [ACCEPTED, PARTIAL], PARTIAL),
        (Counts(5, 4, 0, 1, 0), [ACCEPTED], PARTIAL),
        (Counts(5, 4, 0, 0, 1), [ACCEPTED, INCONCLUSIVE], INCONCLUSIVE),
        (Counts(5, 4, 0, 0, 1), [ACCEPTED], INCONCLUSIVE),
        (Counts(5, 3, 0, 1, 1), [PARTIAL, INCONCLUSIVE], INCONCLUSIVE),
        (Counts(5, 4, 1, 0, 0), [ACCEPTED, REJECTED], REJECTED),
        (Counts(5, 4, 1, 0, 0), [ACCEPTED], REJECTED),
        (Counts(5, 2, 1, 1, 1), [REJECTED, INCONCLUSIVE, PARTIAL, UNPROVED], REJECTED),
        (Counts(5, 3, 1, 0, 0), [ACCEPTED, REJECTED], INCONCLUSIVE),  # one is missing
        (Counts(5, 4, 0, 0, 0), [ACCEPTED], INCONCLUSIVE),
        (Counts(0, 0, 0, 0, 0), [UNPROVED, OUT_OF_SCOPE], PARTIAL),
        (Counts(0, 0, 0, 0, 0), [OUT_OF_SCOPE], INCONCLUSIVE),
        (Counts(0, 0, 0, 0, 0), [], INCONCLUSIVE),
        (ALL_PASSED, [], INCONCLUSIVE),
    ],
)
def test_overall(counts: Counts, verdicts: list[Verdict], whole: Verdict) -> None:
    assert overall(verdicts, counts) is whole
    assert overall(reversed(verdicts), counts) is whole
    assert overall(verdicts, counts, interrupted=True) is INCONCLUSIVE


COUNTS = st.builds(Counts, *[st.integers(0, 4)] * 5)


@given(st.lists(st.sampled_from(Verdict)), COUNTS, st.booleans())
def test_the_whole_is_one_of_four_verdicts_and_never_greener_than_its_parts(
    verdicts: list[Verdict], counts: Counts, interrupted: bool
) -> None:
    whole = overall(verdicts, counts, interrupted=interrupted)
    assert whole in (ACCEPTED, REJECTED, PARTIAL, INCONCLUSIVE)
    if whole is ACCEPTED:
        assert set(verdicts) <= {ACCEPTED, OUT_OF_SCOPE}
        assert ACCEPTED in verdicts
        assert counts.reconciled
        assert counts.collected == counts.passed
        assert not interrupted


@given(st.lists(st.sampled_from(Verdict)), COUNTS, st.booleans())
def test_a_quick_run_is_partial_where_a_full_one_is_accepted_and_else_the_same(
    verdicts: list[Verdict], counts: Counts, interrupted: bool
) -> None:
    full = overall(verdicts, counts, interrupted=interrupted)
    quick = overall(verdicts, counts, interrupted=interrupted, quick=True)
    assert quick is (PARTIAL if full is ACCEPTED else full)


def test_a_quick_run_that_is_all_green_is_partial() -> None:
    assert overall([ACCEPTED], ALL_PASSED, quick=True) is PARTIAL


RESULTS = st.lists(
    st.builds(
        ScenarioResult,
        st.just("a scenario"),
        st.just("a feature"),
        st.lists(st.sampled_from(IDS), min_size=1, max_size=3, unique=True).map(tuple),
        # Mostly green, or next to no run would ever be.
        st.sampled_from([PASSED] * 20 + [FAILED, ERROR, SKIPPED, MISSING]),
    ),
    max_size=8,
)
SCOPES = st.builds(
    Scope,
    st.lists(st.sampled_from(list(SECTIONS)), max_size=2, unique=True).map(tuple),
    st.sampled_from([None, "-m D1"]),
    st.lists(st.sampled_from(["A2", "B1"]), max_size=1).map(tuple),
    st.sampled_from([False, False, True]),
)


@given(RESULTS, SCOPES, st.sampled_from([0, 0, 0, 1, -1]), st.booleans(), st.booleans())
def test_a_run_is_accepted_only_if_all_in_scope_is_proved_and_nothing_is_missing(
    ran: list[ScenarioResult], scope: Scope, lost: int, complete: bool, interrupted: bool
) -> None:
    covered = {
        row.id for row in EXPECTATIONS if row.section in scope.sections or row.id in scope.also
    }
    if complete:  # chance alone would seldom prove a whole section
        ran = [*ran, *(results(PASSED, ids=(identifier,))[0] for identifier in covered)]
    assume(len(ran) + lost >= 0)
    run = Run(tuple(ran), len(ran) + lost, scope, {}, 0.0, 0.0, interrupted=interrupted)
    document = sign_off(run).model_dump(mode="json")
    proved = {row["id"]: row["scenarios"] for row in document["expectations"]}
    in_scope = {identifier for identifier in IDS if proved[identifier]}
    if not scope.selection:
        in_scope = covered
    green = (
        bool(in_scope)
        and all(proved[identifier] for identifier in in_scope)
        and all(result.outcome is PASSED for result in ran)
        and lost == 0
        and not interrupted
        and not scope.quick
    )
    assert (document["verdict"] == "accepted") is green


# Exit codes.


@pytest.mark.parametrize(
    ("verdict", "code"),
    [
        (ACCEPTED, ExitCode.ACCEPTED),
        (REJECTED, ExitCode.REJECTED),
        (PARTIAL, ExitCode.PARTIAL),
        (INCONCLUSIVE, ExitCode.ENVIRONMENT),
    ],
)
def test_every_verdict_of_a_run_has_its_exit_code(verdict: Verdict, code: ExitCode) -> None:
    assert exit_code(verdict) is code
    assert exit_code(verdict, interrupted=True) is ExitCode.INTERRUPTED
    assert (code == 0) is (verdict is ACCEPTED)
