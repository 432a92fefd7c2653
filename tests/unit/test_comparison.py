from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from pytest_bdd.parser import FeatureParser
from pytest_bdd.scenario import make_python_name

from meshproof.analysis.weakening import Weakening
from meshproof.cli import cli
from meshproof.documents import read_all
from meshproof.errors import UsageFailure
from meshproof.paths import PROJECT
from meshproof.signoff.comparison import compare, facts, left_out, renames
from meshproof.signoff.document import SignOff
from meshproof.signoff.pages import seconds
from meshproof.signoff.signoff import Run, Scope, sign_off, write
from meshproof.signoff.verdict import Outcome, ScenarioResult, Verdict
from tests.suites import EXPECTATIONS

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


def rows(results: list[ScenarioResult], scope: Scope) -> SignOff:
    return sign_off(run(*results, scope=scope))


def worse(old: SignOff, new: SignOff) -> list[str]:
    return [str(change) for change in compare(old, new) if change.worse]


def test_a_section_that_is_no_longer_covered_is_proof_that_is_lost() -> None:
    # Each section whole, and no selection.
    results = {
        section: [
            ScenarioResult(one.id, "F", (one.id,), Outcome.PASSED, node=f"x.py::{one.id}")
            for one in EXPECTATIONS if one.section == section
        ]
        for section in ("deploy", "update")
    }  # fmt: skip
    both, one = Scope(("deploy", "update"), None), Scope(("deploy",), None)
    old = rows([*results["deploy"], *results["update"]], both)
    for new in (rows(results["deploy"], one), rows([*results["deploy"], *results["update"]], one)):
        assert (old.verdict, new.verdict) == (Verdict.ACCEPTED, Verdict.ACCEPTED)
        assert "expectation: U1: accepted → out of scope (worse)" in worse(old, new)
        assert worse(new, old) == []
    assert "scenario: U1: gone (worse)" in worse(old, rows(results["deploy"], one))


def test_scenarios_of_an_expectation_that_are_gone_are_proof_that_is_lost() -> None:
    five = [result(f"D1 {number}") for number in range(5)]
    old, new = sign_off(run(*five)), sign_off(run(five[0]))
    assert worse(old, new) == [f"scenario: D1 {number}: gone (worse)" for number in range(1, 5)]
    assert worse(new, old) == []


def test_what_a_selection_does_not_leave_out_has_to_be_proved_as_before() -> None:
    five = [result(f"D1 {number}") for number in range(5)]
    old = sign_off(run(*five, result("D2")))
    new = sign_off(run(five[0], scope=Scope((), "-k one")))
    assert worse(old, new) == [f"scenario: D1 {number}: gone (worse)" for number in range(1, 5)]


def test_a_scenario_that_did_not_pass_was_no_proof() -> None:
    old = signed(D1=Outcome.PASSED, D2=Outcome.FAILED)
    assert worse(old, signed(D1=Outcome.PASSED)) == []


def test_a_finding_that_is_gone_is_no_proof_that_is_lost() -> None:
    old = sign_off(run(result("D1"), replace(result("D1 seen"), finding=True)))
    assert worse(old, sign_off(run(result("D1")))) == []


def seen(outcome: Outcome) -> ScenarioResult:
    return replace(result("D1 seen", outcome), finding=True)


STATES = {
    Outcome.PASSED: "found", Outcome.FAILED: "gone", Outcome.ERROR: "not looked at",
    Outcome.SKIPPED: "not looked at", Outcome.MISSING: "not looked at",
}  # fmt: skip


@pytest.mark.parametrize("was", Outcome)
@pytest.mark.parametrize("now", Outcome)
def test_what_becomes_of_a_finding_is_told_and_never_worse(was: Outcome, now: Outcome) -> None:
    old, new = (sign_off(run(result("D1"), seen(outcome))) for outcome in (was, now))
    told = f"finding: D1 seen: {STATES[was]} → {STATES[now]}"
    assert lines(old, new) == ([told] if STATES[was] != STATES[now] else [])


def test_a_finding_that_comes_or_goes_is_told_and_no_worse() -> None:
    without, beside = sign_off(run(result("D1"))), sign_off(run(result("D1"), seen(Outcome.PASSED)))
    assert lines(without, beside) == ["finding: D1 seen: not there → found"]
    assert lines(beside, without) == ["finding: D1 seen: found → not there"]


def test_a_proof_that_becomes_a_finding_is_lost() -> None:
    old = sign_off(run(result("D1"), result("D1 seen")))
    new = sign_off(run(result("D1"), seen(Outcome.PASSED)))
    assert worse(old, new) == ["scenario: D1 seen: a finding, which has no vote (worse)"]
    alone = sign_off(run(seen(Outcome.PASSED)))
    assert "expectation: D1: accepted → unproved (worse)" in worse(old, alone)


def test_a_finding_of_a_document_from_before_is_the_same_one() -> None:
    new = sign_off(run(result("D1"), seen(Outcome.FAILED)))
    row = new.expectations[0]
    beside = seen(Outcome.PASSED)
    found = sign_off(run(result("D1"), beside)).findings[0].scenario
    old = new.model_copy(update={
        "version": "1.1", "findings": [], "expectations": [
            row.model_copy(update={"scenarios": [*row.scenarios, found]}), *new.expectations[1:],
        ],
    })  # fmt: skip
    assert lines(old, new) == ["finding: D1 seen: found → gone"]


def test_a_scenario_that_proves_fewer_expectations_is_proof_that_is_lost() -> None:
    both = replace(result("D1"), ids=("D1", "D2"))
    old, new = sign_off(run(both, result("D2"))), sign_off(run(result("D1"), result("D2")))
    assert worse(old, new) == ["proof: D2: no longer by D1 (worse)"]


def test_an_expectation_that_the_specification_lost_is_proof_that_is_lost() -> None:
    old = signed(D1=Outcome.PASSED, D2=Outcome.PASSED)
    kept = [row for row in old.expectations if row.id != "D2"]
    assert "expectation: D2: accepted → not there (worse)" in worse(
        old, old.model_copy(update={"expectations": kept})
    )


WEAKER = Weakening("a leak of 1 %", "a leak of 3 %", "37 of 100 runs")
QUICK = Scope((), "-m D", quick=True)


def gone(name: str) -> ScenarioResult:
    return replace(result(name, Outcome.SKIPPED), left_out=True)


def weaker(name: str, outcome: Outcome = Outcome.PASSED) -> ScenarioResult:
    return replace(result(name, outcome), weakened=(WEAKER,))


def test_a_quick_run_is_another_scope_and_no_worse_for_what_it_leaves_out() -> None:
    full = signed(D1=Outcome.PASSED, D2=Outcome.PASSED)
    quick = sign_off(run(gone("D1"), weaker("D2"), scope=QUICK))
    assert lines(full, quick) == [
        "scope: -m D → -m D with --quick",
        "verdict: accepted → partial",
        "expectation: D1: accepted → partial",
        "expectation: D2: accepted → partial",
        "scenario: D1: passed → left out by --quick",
    ]
    assert lines(quick, full) == [
        "scope: -m D with --quick → -m D",
        "verdict: partial → accepted",
        "expectation: D1: partial → accepted",
        "expectation: D2: partial → accepted",
        "scenario: D1: left out by --quick → passed",
    ]


def test_what_a_quick_run_finds_broken_is_worse() -> None:
    full = signed(D1=Outcome.PASSED, D2=Outcome.PASSED)
    quick = sign_off(run(gone("D1"), weaker("D2", Outcome.FAILED), scope=QUICK))
    assert {
        "verdict: accepted → rejected (worse)",
        "expectation: D2: accepted → rejected (worse)",
        "scenario: D2: passed → failed (worse)",
    } < set(lines(full, quick))


def test_what_is_skipped_beside_a_quick_run_is_worse() -> None:
    full = signed(D1=Outcome.PASSED, D2=Outcome.PASSED)
    quick = sign_off(run(gone("D1"), result("D2", Outcome.SKIPPED), scope=QUICK))
    assert worse(full, quick) == [
        "verdict: accepted → partial (worse)",
        "expectation: D2: accepted → partial (worse)",
        "flake: D2: passed → skipped (worse)",
    ]


def test_a_full_run_is_held_against_what_a_quick_one_proved() -> None:
    quick = sign_off(run(gone("D1"), result("D2"), scope=QUICK))
    lost = worse(quick, signed(D1=Outcome.PASSED, D2=Outcome.ERROR))
    assert "verdict: partial → inconclusive (worse)" in lost
    assert "expectation: D2: accepted → inconclusive (worse)" in lost
    # Nobody knew before whether D1 is kept; that the whole is rejected now is worse.
    new = signed(D1=Outcome.FAILED, D2=Outcome.PASSED)
    assert worse(quick, new) == ["verdict: partial → rejected (worse)"]


@pytest.mark.parametrize(("interrupted", "differences"), [(True, []), (False, ["one case"])])
def test_a_quick_run_that_is_not_whole_is_worse(interrupted: bool, differences: list[str]) -> None:
    quick = sign_off(run(weaker("D1"), scope=QUICK, interrupted=interrupted))
    reconciliation = quick.reconciliation.model_copy(update={"differences": differences})
    quick = quick.model_copy(
        update={"reconciliation": reconciliation, "verdict": Verdict.INCONCLUSIVE}
    )
    assert "verdict: accepted → inconclusive (worse)" in worse(signed(D1=Outcome.PASSED), quick)


def test_what_quick_a_selection_and_a_choice_of_suites_leave_out_is_excused_together() -> None:
    old = sign_off(run(result("D1"), result("D2"), result("D3"), scope=Scope((), "-m D")))
    narrower = Scope((), "-m D1", quick=True, suites=("voting",))
    new = sign_off(run(gone("D1"), weaker("D2"), scope=narrower))
    assert worse(old, new) == []
    assert left_out(old, new) >= {"D1", "D3"}


def test_a_section_that_a_chosen_suite_no_longer_covers_is_lost_all_the_same() -> None:
    both = Scope(("deploy", "update", "bookinfo"), None, suites=("voting", "bookinfo"))
    one = Scope(("deploy",), None, suites=("voting",))
    deploy, update, bookinfo = (result(name) for name in ("D1", "U1", "B1"))
    lost = worse(rows([deploy, update, bookinfo], both), rows([deploy], one))
    assert "expectation: U1: accepted → out of scope (worse)" in lost
    assert not [line for line in lost if "B1" in line]


def test_of_two_quick_runs_one_that_leaves_out_more_is_worse() -> None:
    old = sign_off(run(gone("D1"), result("D2"), result("D3"), scope=QUICK))
    new = sign_off(run(gone("D1"), gone("D2"), weaker("D3"), scope=QUICK))
    assert worse(old, new) == [
        "expectation: D2: accepted → partial (worse)",
        "expectation: D3: accepted → partial (worse)",
        "scenario: D2: passed → left out by --quick (worse)",
    ]
    assert worse(new, old) == []


def test_what_is_gone_from_a_quick_run_is_proof_that_is_lost() -> None:
    full = signed(D1=Outcome.PASSED, D2=Outcome.PASSED)
    quick = sign_off(run(gone("D1"), scope=QUICK))
    assert "scenario: D2: gone (worse)" in worse(full, quick)


def test_two_quick_runs_are_of_one_scope() -> None:
    quick = sign_off(run(gone("D1"), weaker("D2"), scope=QUICK))
    assert lines(quick, quick) == []


def test_what_ends_otherwise_on_a_weaker_sample_is_no_flake() -> None:
    full, quick = signed(D1=Outcome.FAILED), sign_off(run(weaker("D1"), scope=QUICK))
    kinds = {change.text: change.kind for change in compare(full, quick)}
    assert kinds["D1: failed → passed"] == "scenario"


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
    assert lines(old, new) == [f"time: D1: {seconds(was)} → {seconds(now)}"] * told
    old, new = (sign_off(run(result("D1"), seconds=s)) for s in (was, now))
    assert lines(old, new) == [f"time: the run: {seconds(was)} → {seconds(now)}"] * told


def test_facts_are_flat() -> None:
    assert facts(ENVIRONMENT) == {
        "istio": "1.31", "images app:1.0": "sha256:a", "deviations: MariaDB": "there",
    }  # fmt: skip


# The command.


def compared(*folders: Path, catch: bool = True) -> Any:
    return CliRunner().invoke(cli, ["compare", *map(str, folders)], catch_exceptions=catch)


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


@pytest.mark.parametrize(
    "text",
    ["[" * 200_000, "[" * 100 + "]" * 100, '{"environment": ' + "[" * 900 + "]" * 900 + "}"],
)
def test_json_that_is_too_deep_is_refused_in_a_sentence(tmp_path: Path, text: str) -> None:
    write(signed(D1=Outcome.PASSED), tmp_path)
    (tmp_path / "deep.json").write_text(text)
    for files in ((tmp_path, tmp_path / "deep.json"), (tmp_path / "deep.json", tmp_path)):
        with pytest.raises(UsageFailure, match="is no sign-off: its JSON has more than 50 levels"):
            compared(*files, catch=False)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e400"])
def test_a_time_that_is_no_number_is_refused(tmp_path: Path, value: str) -> None:
    file = write(signed(D1=Outcome.PASSED), tmp_path)
    file.write_text(file.read_text().replace('"duration_s": 60.0', f'"duration_s": {value}'))
    with pytest.raises(UsageFailure, match="duration_s: Input should be a finite number"):
        compared(tmp_path, tmp_path, catch=False)


# Scenarios that are called otherwise now.


def test_a_scenario_that_is_called_otherwise_is_the_same() -> None:
    old, new = signed(D1_old=Outcome.PASSED), signed(D1_new=Outcome.PASSED)
    assert "scenario: D1_old: gone (worse)" in lines(old, new)
    assert compare(old, new, {"x.py::D1_old": "x.py::D1_new"}) == []


def test_one_that_is_called_otherwise_and_fails_now_is_worse() -> None:
    old, new = signed(D1_old=Outcome.PASSED), signed(D1_new=Outcome.FAILED)
    changes = compare(old, new, {"x.py::D1_old": "x.py::D1_new"})
    assert "flake: D1_new: passed → failed (worse)" in map(str, changes)


def test_the_rows_of_an_outline_keep_their_values() -> None:
    old, new = signed(**{"D1_old[a]": Outcome.PASSED}), signed(**{"D1_new[a]": Outcome.PASSED})
    assert compare(old, new, {"x.py::D1_old": "x.py::D1_new"}) == []
    other = signed(**{"D1_new[b]": Outcome.PASSED})
    assert compare(old, other, {"x.py::D1_old": "x.py::D1_new"}) != []


def test_every_name_that_is_committed_leads_to_a_scenario() -> None:
    names = renames(PROJECT / "features")
    there = {
        f"features/{file.relative_to(PROJECT / 'features').parent}/test_{file.stem}.py"
        f"::test_{make_python_name(scenario.name)}"
        for file in (PROJECT / "features").glob("*/*.feature")
        for scenario in FeatureParser(str(file.parent), file.name).parse().scenarios.values()
    }
    assert set(names.values()) <= there
    assert not set(names) & there


@pytest.mark.parametrize("file", sorted((PROJECT / "features").glob("*/renamed.yaml")), ids=str)
def test_of_one_time_no_two_scenarios_lead_to_one(file: Path) -> None:
    parts = read_all(file.read_text())
    assert parts
    for part in parts:
        assert len({*part.values()}) == len(part) > 0
    # No name is in two of them: which it leads to would hang on their order.
    names = [name for part in parts for name in part]
    assert len({*names}) == len(names)


def test_names_are_read_of_all_suites_and_times(tmp_path: Path) -> None:
    for suite, text in {"one": "a: b\n---\nc: d\n", "two": "e: f\n"}.items():
        (tmp_path / suite).mkdir()
        (tmp_path / suite / "renamed.yaml").write_text(text)
    assert renames(tmp_path) == {"a": "b", "c": "d", "e": "f"}


def test_a_finding_that_is_called_otherwise_is_the_same() -> None:
    old, new = (sign_off(run(result("D1"), replace(result(name), finding=True)))
                for name in ("D1_old", "D1_new"))  # fmt: skip
    assert compare(old, new) != []
    assert compare(old, new, {"x.py::D1_old": "x.py::D1_new"}) == []


def test_no_suite_need_have_renamed_anything(tmp_path: Path) -> None:
    assert renames(tmp_path) == {}
