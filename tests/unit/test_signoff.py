from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshproof.analysis.weakening import Weakening
from meshproof.signoff.document import SignOff
from meshproof.signoff.evidence import Kept
from meshproof.signoff.signoff import Run, Scope, sign_off, write
from meshproof.signoff.verdict import Outcome, ScenarioResult, Verdict
from tests.suites import EXPECTATIONS, IDS, SECTIONS

STARTED = datetime(2026, 11, 23, 16, 38, 1, 600_000, tzinfo=UTC)
DEPLOY = [row.id for row in EXPECTATIONS if row.section == "deploy"]
#: One scenario for each expectation of the section, and one more for D1.
RESULTS = tuple(
    ScenarioResult(f"proves {identifier}", "Deploy", (identifier,), Outcome.PASSED, seconds=1.239)
    for identifier in ("D1", *DEPLOY)
)
RUN = Run(
    results=RESULTS,
    collected=len(RESULTS),
    scope=Scope(("deploy",), None),
    environment={"kubernetes": "v1.36.2", "images": {"localhost/voting/app:1.0": "sha256:ab"}},
    started=STARTED.timestamp(),
    seconds=61.27,
)


def signoff(run: Run) -> dict[str, Any]:
    """The document as it is written."""
    return sign_off(run).model_dump(mode="json")


def rows(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in document["expectations"]}


def test_the_documents_fields() -> None:
    document = signoff(RUN)
    assert document.keys() >= {
        "verdict", "scope", "expectations", "counts", "environment", "started", "duration_s",
    }  # fmt: skip
    assert document["verdict"] == "accepted"
    assert document["scope"] == {
        "sections": ["deploy"], "also": [], "selection": None, "quick": None, "suites": [],
    }  # fmt: skip
    assert document["counts"] == {
        "collected": 9, "passed": 9, "failed": 0, "skipped": 0, "errors": 0,
    }  # fmt: skip
    assert document["environment"] == RUN.environment
    assert document["started"] == "2026-11-23T16:38:01+00:00"
    assert document["duration_s"] == 61.3
    assert document["interrupted"] is False


def test_every_expectation_is_listed_once_in_the_order_of_the_specification() -> None:
    document = signoff(RUN)
    assert [row["id"] for row in document["expectations"]] == list(IDS)
    for row, expectation in zip(document["expectations"], EXPECTATIONS, strict=True):
        assert row.keys() == {
            "id", "section", "expectation", "verdict", "scenarios", "rests_on", "suite",
        }  # fmt: skip
        assert (row["section"], row["expectation"]) == (expectation.section, expectation.promise)


def test_what_the_suite_does_not_cover_is_out_of_scope() -> None:
    for row in signoff(RUN)["expectations"]:
        assert row["verdict"] == ("accepted" if row["section"] == "deploy" else "out of scope")


def test_a_covered_section_without_scenarios_is_unproved_and_the_whole_partial() -> None:
    document = signoff(replace(RUN, scope=Scope(tuple(SECTIONS), None)))
    assert {row["verdict"] for row in document["expectations"] if row["section"] != "deploy"} == {
        "unproved"
    }
    assert document["verdict"] == "partial"


def test_a_single_expectation_of_another_section_can_be_in_scope() -> None:
    also = replace(RUN, scope=Scope(("deploy",), None, ("A2",)))
    assert signoff(also)["scope"]["also"] == ["A2"]
    assert rows(signoff(also))["A2"]["verdict"] == "unproved"
    assert signoff(also)["verdict"] == "partial"
    proved = replace(also, results=(replace(RESULTS[0], ids=("A2",)), *RESULTS[1:]))
    assert rows(signoff(proved))["A2"]["verdict"] == signoff(proved)["verdict"] == "accepted"
    assert rows(signoff(proved))["A1"]["verdict"] == "out of scope"


def test_no_run_at_all_accepts_nothing() -> None:
    nothing = replace(RUN, results=(), collected=0)
    assert signoff(nothing)["verdict"] == "partial"
    assert signoff(replace(nothing, scope=Scope((), None)))["verdict"] == "inconclusive"
    assert signoff(replace(nothing, scope=Scope(("deploy",), "-m D1")))["verdict"] == "inconclusive"


def test_a_selection_is_over_what_its_scenarios_prove() -> None:
    chosen = tuple(result for result in RESULTS if set(result.ids) & {"D1", "D5"})
    document = signoff(
        replace(RUN, results=chosen, collected=3, scope=Scope(("deploy",), "-m 'D1 or D5'"))
    )
    assert document["verdict"] == "accepted"
    assert document["scope"]["selection"] == "-m 'D1 or D5'"
    in_scope = [i for i, row in rows(document).items() if row["verdict"] != "out of scope"]
    assert in_scope == ["D1", "D5"]


def test_a_selection_reaches_beyond_the_covered_sections() -> None:
    result = replace(RESULTS[0], ids=("D1", "A2"))
    document = signoff(
        replace(RUN, results=(result,), collected=1, scope=Scope(("deploy",), "-m A2"))
    )
    assert rows(document)["A2"]["verdict"] == rows(document)["D1"]["verdict"] == "accepted"


def test_a_scenario_stands_under_every_expectation_that_it_proves() -> None:
    result = replace(RESULTS[0], ids=("D1", "D4"), outcome=Outcome.FAILED)
    document = signoff(replace(RUN, results=(result, *RESULTS[1:])))
    assert [s["name"] for s in rows(document)["D1"]["scenarios"]] == ["proves D1", "proves D1"]
    assert [s["name"] for s in rows(document)["D4"]["scenarios"]] == ["proves D1", "proves D4"]
    rejected = [i for i, row in rows(document).items() if row["verdict"] == "rejected"]
    assert rejected == ["D1", "D4"]
    assert document["verdict"] == "rejected"


WEAKER = Weakening("a leak of 1 %", "a leak of 3 %", "37 of 100 runs")
WEAKER_STILL = Weakening("60/40", "65/35", "21 of 100 runs")


def test_a_quick_run_says_what_was_left_out_and_which_samples_were_weaker() -> None:
    left_out = replace(RESULTS[0], outcome=Outcome.SKIPPED, left_out=True)
    weaker = replace(RESULTS[2], weakened=(WEAKER, WEAKER_STILL))
    both = replace(RESULTS[3], ids=("D3", "D4"), weakened=(WEAKER,))
    document = signoff(
        replace(
            RUN,
            results=(left_out, RESULTS[1], weaker, both, *RESULTS[4:]),
            scope=Scope(("deploy",), None, quick=True),
        )
    )
    assert document["scope"]["quick"] == {
        "left_out": [{"id": "D1", "left_out": 1, "scenarios": 2}],
        "weakened": [
            {"asked": "a leak of 1 %", "taken": "a leak of 3 %", "misses": "37 of 100 runs",
             "expectations": ["D2", "D3", "D4"]},
            {"asked": "60/40", "taken": "65/35", "misses": "21 of 100 runs",
             "expectations": ["D2"]},
        ],
    }  # fmt: skip
    partial = [i for i, row in rows(document).items() if row["verdict"] == "partial"]
    assert partial == ["D1", "D2", "D3", "D4"]
    assert document["verdict"] == "partial"
    assert rows(document)["D1"]["scenarios"][0]["left_out"] is True
    assert rows(document)["D2"]["scenarios"][0]["weakened"][0]["asked"] == "a leak of 1 %"


def test_a_quick_run_that_leaves_nothing_out_is_partial_all_the_same() -> None:
    document = signoff(replace(RUN, scope=Scope(("deploy",), None, quick=True)))
    assert document["scope"]["quick"] == {"left_out": [], "weakened": []}
    assert {row["verdict"] for row in document["expectations"]} == {"accepted", "out of scope"}
    assert document["verdict"] == "partial"


def test_what_a_scenario_left_behind() -> None:
    result = replace(
        RESULTS[0],
        outcome=Outcome.FAILED,
        message="3 of 5 pods",
        observations=("5 pods", "2 pods before"),
        results=("5 pods",),
        baselines=("2 pods before",),
        evidence=(
            Kept("kubectl", Path("evidence/pods/01-kubectl.txt"), "text/plain", 3, "ab" * 32),
        ),
        node="features/test_deploy.py::test_pods[a]",
        example={"stage": "exposed"},
        stages=("exposed",),
    )
    document = signoff(replace(RUN, results=(result, *RESULTS[1:])))
    assert rows(document)["D1"]["scenarios"][0] == {
        "name": "proves D1",
        "feature": "Deploy",
        "outcome": "failed",
        "message": "3 of 5 pods",
        "duration_s": 1.24,
        "observations": ["5 pods", "2 pods before"],
        "results": ["5 pods"],
        "baselines": ["2 pods before"],
        "evidence": [
            {
                "path": "evidence/pods/01-kubectl.txt",
                "name": "kubectl",
                "media_type": "text/plain",
                "bytes": 3,
                "sha256": "ab" * 32,
            }
        ],
        "node": "features/test_deploy.py::test_pods[a]",
        "example": {"stage": "exposed"},
        "stages": ["exposed"],
        "finding": False,
        "left_out": False,
        "weakened": [],
        "unseen": {},
    }


# Findings.

SEEN = ScenarioResult(
    "an outage", "Deploy", ("D1", "A1"), Outcome.PASSED, node="x.py::seen", finding=True,
    results=("39 of 39 failed.",),
)  # fmt: skip


def with_finding(seen: ScenarioResult = SEEN, run: Run = RUN) -> dict[str, Any]:
    return signoff(replace(run, results=(*run.results, seen), collected=run.collected + 1))


@pytest.mark.parametrize(
    ("outcome", "state", "text"),
    [
        (Outcome.PASSED, "found", "39 of 39 failed."),
        (Outcome.FAILED, "gone", "What it found is gone: 5 of 39 did not"),
        (Outcome.ERROR, "not looked at", "It was not looked at: 5 of 39 did not"),
        (Outcome.SKIPPED, "not looked at", "It was not looked at: 5 of 39 did not"),
        (Outcome.MISSING, "not looked at", "It was not looked at: 5 of 39 did not"),
    ],
)
def test_a_finding_stands_by_itself_with_what_became_of_it(
    outcome: Outcome, state: str, text: str
) -> None:
    document = with_finding(
        replace(SEEN, outcome=outcome, message="AssertionError: 5 of 39 did not\nassert 5 == 0")
    )
    (row,) = document["findings"]
    assert (row["expectations"], row["state"], row["text"]) == (["D1", "A1"], state, text)
    assert row["scenario"]["node"] == "x.py::seen"
    assert row["scenario"]["finding"] is True
    assert document["verdict"] == "accepted"


def test_a_finding_without_a_result_of_its_own_says_that_it_is_still_there() -> None:
    (row,) = with_finding(replace(SEEN, results=()))["findings"]
    assert row["text"] == "What it found is still there."


def test_what_keeps_a_finding_from_being_looked_at_is_no_problem_of_the_run() -> None:
    assert with_finding(replace(SEEN, outcome=Outcome.ERROR, message="gone"))["problems"] == []


@given(
    st.lists(st.sampled_from(Outcome), max_size=6),
    st.lists(st.sampled_from(Outcome), max_size=4),
    st.sampled_from([None, "-m D"]),
)
def test_however_findings_end_all_else_is_as_without_them(
    outcomes: list[Outcome], ends: list[Outcome], selection: str | None
) -> None:
    votes = tuple(
        ScenarioResult(f"s{number}", "Deploy", (f"D{number + 1}",), outcome, node=f"x.py::{number}")
        for number, outcome in enumerate(outcomes)
    )
    # About what the votes are about: what nothing but findings is about is another test's.
    seen = tuple(
        replace(SEEN, outcome=outcome, ids=vote.ids, node=f"x.py::f{number}")
        for number, (outcome, vote) in enumerate(zip(ends, votes, strict=False))
    )
    run = replace(RUN, results=votes, collected=len(votes), scope=Scope(("deploy",), selection))
    without = signoff(run)
    beside = signoff(replace(run, results=(*seen, *votes), collected=len(votes) + len(seen)))
    for document in (without, beside):
        del document["findings"]
        for count in ("collected", "ran"):
            del document["reconciliation"][count]
    assert beside == without


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("selection", [None, "-m finding"])
def test_an_expectation_that_only_findings_carry_is_unproved(
    outcome: Outcome, selection: str | None
) -> None:
    run = replace(RUN, scope=Scope(("deploy",), selection, ("A1",)))
    document = with_finding(replace(SEEN, outcome=outcome), run)
    assert rows(document)["A1"]["verdict"] == "unproved"
    assert rows(document)["A1"]["scenarios"] == []
    assert document["verdict"] == "partial"


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"interrupted": True}, "inconclusive"),
        ({"collected": len(RESULTS) + 1}, "inconclusive"),
        ({"results": (*RESULTS[1:], replace(RESULTS[0], outcome=Outcome.MISSING))}, "inconclusive"),
        ({"results": (*RESULTS[1:], replace(RESULTS[0], outcome=Outcome.ERROR))}, "inconclusive"),
        ({"results": (*RESULTS[1:], replace(RESULTS[0], outcome=Outcome.SKIPPED))}, "partial"),
        ({"results": (*RESULTS[1:], replace(RESULTS[0], outcome=Outcome.FAILED))}, "rejected"),
        ({"results": RESULTS[:-1], "collected": len(RESULTS) - 1}, "partial"),
    ],
)
def test_anything_less_than_all_green_is_not_accepted(change: dict[str, Any], verdict: str) -> None:
    assert signoff(replace(RUN, **change))["verdict"] == verdict


def test_outcomes_and_verdicts_are_plain_words() -> None:
    words = {*map(str, Outcome), *map(str, Verdict)}
    assert words >= {"passed", "failed", "error", "skipped", "missing", "out of scope"}
    assert json.loads(json.dumps(signoff(RUN))) == signoff(RUN)


def test_the_file_holds_the_document(tmp_path: Path) -> None:
    document = signoff(replace(RUN, environment={"engine": "docker “20.10” · ü"}))
    path = write(SignOff.model_validate(document), tmp_path / "not" / "yet" / "there")
    assert path == tmp_path / "not" / "yet" / "there" / "signoff.json"
    text = path.read_text(encoding="utf-8")
    assert json.loads(text) == document
    assert "docker “20.10” · ü" in text
    assert text.endswith("}\n")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("in the way")
    with pytest.raises(OSError, match="reports"):
        write(sign_off(RUN), tmp_path / "reports")
