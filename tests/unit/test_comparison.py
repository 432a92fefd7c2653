from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from meshproof.cli import cli
from meshproof.signoff.comparison import compare, facts
from meshproof.signoff.document import SignOff
from meshproof.signoff.signoff import Run, Scope, sign_off, write
from meshproof.signoff.verdict import Outcome, ScenarioResult

ENVIRONMENT = {"istio": "1.31", "images": {"app:1.0": "sha256:a"}, "deviations": ["MariaDB"]}


def signed(**outcomes: Outcome) -> SignOff:
    return sign_off(run(*(result(name, outcome) for name, outcome in outcomes.items())))


def result(name: str, outcome: Outcome = Outcome.PASSED, seconds: float = 10) -> ScenarioResult:
    return ScenarioResult(name, "F", (name[:2],), outcome, seconds=seconds, node=f"x.py::{name}")


def run(*results: ScenarioResult, **more: Any) -> Run:
    values = {"environment": ENVIRONMENT, "seconds": 60.0, "scope": Scope((), "-m D"), **more}
    return Run(results, collected=len(results), started=0, **values)


def lines(old: SignOff, new: SignOff) -> list[str]:
    return [str(change) for change in compare(old, new)]


def test_nothing_changed() -> None:
    assert lines(signed(D1=Outcome.PASSED), signed(D1=Outcome.PASSED)) == []


def test_a_promise_that_is_broken_is_worse_everywhere_it_shows() -> None:
    new = sign_off(run(result("D1", Outcome.FAILED), environment={**ENVIRONMENT, "istio": "1.32"}))
    assert lines(signed(D1=Outcome.PASSED), new) == [
        "verdict: accepted → rejected (worse)",
        "tested: istio: 1.31 → 1.32",
        "expectation: D1: accepted → rejected (worse)",
        "scenario: D1: passed → failed (worse)",
    ]


def test_one_that_ends_otherwise_on_the_same_versions_is_a_flake() -> None:
    old, new = (
        signed(D1=Outcome.PASSED, D2=Outcome.FAILED),
        signed(D1=Outcome.FAILED, D2=Outcome.PASSED),
    )
    assert [line for line in lines(old, new) if line.startswith("flake")] == [
        "flake: D1: passed → failed (worse)", "flake: D2: failed → passed",
    ]  # fmt: skip


def test_what_gets_better_is_not_worse() -> None:
    changes = compare(signed(D1=Outcome.FAILED), signed(D1=Outcome.PASSED))
    assert changes
    assert not any(change.worse for change in changes)


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.ERROR, Outcome.SKIPPED])
def test_what_is_no_longer_proved_is_worse(outcome: Outcome) -> None:
    changes = compare(signed(D1=Outcome.PASSED), signed(D1=outcome))
    assert any(change.worse for change in changes if change.kind == "expectation")


def test_what_a_selection_leaves_out_is_another_scope_and_no_worse() -> None:
    new = sign_off(run(result("D1"), scope=Scope((), "-m D1")))
    changes = compare(signed(D1=Outcome.PASSED, D2=Outcome.PASSED), new)
    assert list(map(str, changes)) == [
        "scope: -m D → -m D1",
        "expectation: D2: accepted → out of scope",
        "scenario: D2: gone",
    ]


def test_a_scenario_that_is_new() -> None:
    assert "scenario: D2: new" in lines(
        signed(D1=Outcome.PASSED), signed(D1=Outcome.PASSED, D2=Outcome.PASSED)
    )


def test_images_and_deviations_are_named() -> None:
    environment = {"istio": "1.31", "images": {"app:1.0": "sha256:b"}, "deviations": ["other"]}
    new = sign_off(run(result("D1"), environment=environment))
    assert lines(signed(D1=Outcome.PASSED), new) == [
        "tested: images app:1.0: sha256:a → sha256:b",
        "tested: deviations: MariaDB: there → not there",
        "tested: deviations: other: not there → there",
    ]


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [(10, 13.9, False), (10, 17, True), (17, 10, True), (1, 3.9, False), (1, 4.1, True)],
)
def test_times_are_told_where_they_differ_by_more_than_chance(
    was: float, now: float, told: bool
) -> None:
    old, new = (sign_off(run(result("D1", seconds=s))) for s in (was, now))
    assert bool(lines(old, new)) is told
    old, new = (sign_off(run(result("D1"), seconds=s)) for s in (was, now))
    assert bool(lines(old, new)) is told


def test_facts_are_flat() -> None:
    assert facts(ENVIRONMENT) == {
        "istio": "1.31", "images app:1.0": "sha256:a", "deviations: MariaDB": "there",
    }  # fmt: skip


# The command.


def compared(*folders: Path) -> Any:
    return CliRunner().invoke(cli, ["compare", *map(str, folders)])


def test_the_command_says_what_changed_and_ends_by_whether_it_got_worse(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    write(signed(D1=Outcome.PASSED), old)
    write(signed(D1=Outcome.FAILED), new)
    worse = compared(old, new / "signoff.json")
    assert (worse.exit_code, worse.output.splitlines()[0]) == (
        1,
        "verdict: accepted → rejected (worse)",
    )
    assert compared(new, old).exit_code == 0
    same = compared(old, old)
    assert (same.exit_code, same.output) == (0, "Nothing changed.\n")
