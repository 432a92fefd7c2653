"""Breakages: which scenarios are run, and when one is noticed. That each is, is for a live mesh."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from meshproof.plugin.breakage_runs import until_noticed
from meshproof.signoff.verdict import Outcome, ScenarioResult
from meshproof.suite.breakages import Breakage

BREAKAGE = Breakage("d3-few", "D3", "…", r"only \d pods", {"a.yaml": {}}, None)


def result(outcome: Outcome, message: str = "") -> ScenarioResult:
    return ScenarioResult(
        name="Pods run", feature="Deploy", ids=("D3",), outcome=outcome, message=message
    )


RED = result(Outcome.FAILED, "there are only 2 pods")


def results(*ends: ScenarioResult) -> Iterator[ScenarioResult]:
    yield from ends
    pytest.fail("a scenario more was run")


def test_no_scenario_is_run_after_one_that_notices() -> None:
    passed = result(Outcome.PASSED)
    assert until_noticed(BREAKAGE, results(RED)) == ([RED], True)
    assert until_noticed(BREAKAGE, results(passed, RED)) == ([passed, RED], True)


@pytest.mark.parametrize(
    "other",
    [
        result(Outcome.PASSED),
        result(Outcome.FAILED, "the page is another"),
        result(Outcome.ERROR, RED.message),
        result(Outcome.SKIPPED, RED.message),
    ],
    ids=["green", "another reason", "no promise", "skipped"],
)
def test_only_a_promise_that_breaks_for_its_reason_notices(other: ScenarioResult) -> None:
    assert until_noticed(BREAKAGE, iter([other, RED])) == ([other, RED], True)
    assert until_noticed(BREAKAGE, iter([other])) == ([other], False)
