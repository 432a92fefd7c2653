"""A sign-off of several suites: a part for each, and accepted only where all are."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from meshproof.signoff.attestation import Attested, digests_of_manifests
from meshproof.signoff.comparison import compare
from meshproof.signoff.consistency import contradictions, verdict_of_suite
from meshproof.signoff.document import SignOff
from meshproof.signoff.gate import Covered, Required, unmet
from meshproof.signoff.lines import whole_suites
from meshproof.signoff.pages import page, summary
from meshproof.signoff.reading import parse
from meshproof.signoff.signoff import Run, Scope, sign_off
from meshproof.signoff.verdict import Outcome, ScenarioResult, Verdict
from meshproof.suite.coverage import declared_expectations, declared_sections
from meshproof.suite.registry import expectations, suites

NAMES = tuple(suite.name for suite in suites())
SECTION = {suite.name: next(iter(suite.sections)) for suite in suites()}


def scenario(identifier: str, outcome: Outcome = Outcome.PASSED) -> ScenarioResult:
    return ScenarioResult(f"of {identifier}", "a feature", (identifier,), outcome, node=identifier)


def run(*suites_of_it: str, broken: str = "", selection: str | None = None) -> Run:
    """A run of the first section of each of these suites."""
    sections = tuple(SECTION[name] for name in suites_of_it)
    results = tuple(
        scenario(one.id, Outcome.FAILED if one.id == broken else Outcome.PASSED)
        for one in expectations()
        if one.section in sections
    )
    scope = Scope(sections, selection, suites=suites_of_it)
    return Run(results, len(results), scope, {}, 0.0, 1.0)


def verdicts(document: SignOff) -> dict[str, Verdict]:
    return {part.name: part.verdict for part in document.suites}


def test_a_sign_off_is_accepted_where_all_its_suites_are() -> None:
    document = sign_off(run(*NAMES))
    assert document.verdict is Verdict.ACCEPTED
    assert verdicts(document) == dict.fromkeys(NAMES, Verdict.ACCEPTED)
    assert str(document.scope) == "suites voting and bookinfo, sections deploy, bookinfo"
    assert contradictions(document) == []


def test_one_suite_that_is_rejected_rejects_the_whole_and_not_the_other() -> None:
    document = sign_off(run(*NAMES, broken="B2"))
    assert document.verdict is Verdict.REJECTED
    assert verdicts(document) == {"voting": Verdict.ACCEPTED, "bookinfo": Verdict.REJECTED}
    assert contradictions(document) == []


@pytest.mark.parametrize(
    ("how", "verdict"),
    [
        ({}, Verdict.ACCEPTED),
        ({"interrupted": True}, Verdict.INCONCLUSIVE),
        ({"differences": ["a case that JUnit lacks"]}, Verdict.INCONCLUSIVE),
        ({"quick": True}, Verdict.PARTIAL),
    ],
)
def test_what_keeps_a_whole_run_from_being_accepted_keeps_its_suites(
    how: dict[str, Any], verdict: Verdict
) -> None:
    rows = sign_off(run(*NAMES)).expectations
    whole: dict[str, Any] = {"interrupted": False, "differences": [], "quick": False}
    assert verdict_of_suite("bookinfo", rows, **whole | how) is verdict


def test_a_suite_of_which_nothing_is_covered_has_no_verdict() -> None:
    both = run(*NAMES)
    document = sign_off(replace(both, scope=replace(both.scope, sections=("deploy",))))
    assert verdicts(document) == {"voting": Verdict.ACCEPTED, "bookinfo": Verdict.OUT_OF_SCOPE}


def test_a_suite_alone_is_accepted_and_the_others_are_out_of_scope() -> None:
    document = sign_off(run("bookinfo"))
    assert document.verdict is Verdict.ACCEPTED
    assert str(document.scope) == "suite bookinfo, sections bookinfo"
    assert whole_suites(document) == ["bookinfo"]
    others = {row.verdict for row in document.expectations if row.suite != "bookinfo"}
    assert others == {Verdict.OUT_OF_SCOPE}
    assert {row.id: row.suite for row in document.expectations}["B1"] == "bookinfo"


@pytest.mark.parametrize(("of", "said"), [(NAMES, []), (("bookinfo",), ["deploy, update"])])
def test_one_suite_is_not_taken_for_the_full_scope(of: tuple[str, ...], said: list[str]) -> None:
    made = run(*of)
    sections = declared_sections(of)
    document = sign_off(replace(made, scope=replace(made.scope, sections=sections)))
    text = document.model_dump_json()
    covered = Covered(declared_sections(), declared_expectations())
    now = datetime.now(UTC)
    signoff = Attested.model_validate_json(text)
    assert signoff.suites == of
    found = [*unmet(signoff, text.encode(), [], Required(full=True), covered, now)]
    assert len(found) == len(said)
    for sentence, words in zip(found, said, strict=True):
        assert sentence.startswith(f"Its scope leaves out {words}")


def test_a_verdict_of_a_suite_that_does_not_follow_is_found() -> None:
    document = sign_off(run(*NAMES, broken="B2"))
    content = document.model_dump(mode="json")
    content["suites"][1]["verdict"] = "accepted"
    found = contradictions(SignOff.model_validate(content))
    assert found == ["the suite bookinfo is “accepted”, and its rows make it “rejected”"]
    del content["suites"][1]
    assert contradictions(SignOff.model_validate(content)) == [
        "its suites are not those of its scope"
    ]


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("interrupted", [False, True])
def test_suites_of_a_run_that_is_not_whole_do_not_contradict_it(
    quick: bool, interrupted: bool
) -> None:
    made = run(*NAMES)
    made = replace(made, interrupted=interrupted, scope=replace(made.scope, quick=quick))
    assert contradictions(sign_off(made)) == []


def test_differences_between_the_reports_are_held_against_every_verdict() -> None:
    content = sign_off(run(*NAMES)).model_dump(mode="json")
    content["reconciliation"]["differences"] = ["a case that JUnit lacks"]
    assert contradictions(SignOff.model_validate(content)) == [
        *(f"the suite {name} is “accepted”, and its rows make it “inconclusive”" for name in NAMES),
        "the verdict is “accepted”, and its rows make it “inconclusive”",
    ]


def test_counts_that_are_not_those_of_the_scenarios_are_found() -> None:
    content = sign_off(run(*NAMES)).model_dump(mode="json")
    content["counts"]["passed"] -= 1
    assert contradictions(SignOff.model_validate(content)) == [
        "its counts are not those of its scenarios"
    ]


def test_what_was_written_before_there_were_several_suites_is_read() -> None:
    content = sign_off(replace(run("voting"), scope=Scope(("deploy",), None))).model_dump(
        mode="json"
    )
    del content["suites"], content["scope"]["suites"]
    for row in content["expectations"]:
        del row["suite"]
    old = parse({**content, "version": "1.2"}, "signoff.json")
    assert str(old.scope) == "sections deploy"
    assert "Intelligent routing" in page(old, Path())
    assert [str(change) for change in compare(old, sign_off(run("voting")))] == [
        "scope: sections deploy → suite voting, sections deploy"
    ]


def test_a_suite_alone_is_no_loss_of_the_other_and_a_loss_of_its_own_is_one() -> None:
    both, alone = sign_off(run(*NAMES)), sign_off(run("bookinfo"))
    assert not [change for change in compare(both, alone) if change.worse]
    broken = sign_off(run("bookinfo", broken="B2"))
    assert [c.text for c in compare(both, broken) if c.worse and c.kind == "expectation"] == [
        "B2: accepted → rejected"
    ]


def test_pages_have_a_table_for_each_suite() -> None:
    text = summary(sign_off(run(*NAMES, broken="B2")))
    assert [line for line in text.splitlines() if line.startswith("### ")][:2] == [
        f"### {suite.name}: {word} — {suite.title} ({suite.source})"
        for suite, word in zip(suites(), ("accepted ✔", "rejected ✘"), strict=True)
    ]
    assert text.index("### voting") < text.index("| D1 |") < text.index("### bookinfo")
    assert text.index("### bookinfo") < text.index("| B1 |")
    assert text.count("| id | verdict |") == 2
    html = page(sign_off(run(*NAMES)), Path())
    for suite in suites():
        assert f"<h3>{suite.title}</h3>" in html


def test_pages_of_one_suite_have_one_table_and_say_how_it_is_run() -> None:
    document = sign_off(run("bookinfo"))
    assert summary(document).count("| id | verdict |") == 1
    assert "meshproof run features/bookinfo</pre>" in page(document, Path())


def test_manifests_of_several_suites_are_told_apart(tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.yaml").touch()
    folders = {name: tmp_path / name for name in NAMES}
    assert set(digests_of_manifests(folders)) == {
        "manifests/voting/a.yaml", "manifests/bookinfo/a.yaml",
    }  # fmt: skip
    assert set(digests_of_manifests({"voting": folders["voting"]})) == {"manifests/a.yaml"}
