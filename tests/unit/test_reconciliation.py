from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest

from meshproof.signoff import reconciliation
from meshproof.signoff.evidence import Evidence
from meshproof.signoff.reconciliation import (
    NODE_LABEL,
    SILENCED,
    Reconciliation,
    in_order,
    junit_cases,
    named,
    reconcile,
)
from meshproof.signoff.verdict import Outcome, ScenarioResult
from meshproof.suite.coverage import tree_digest

NODES = [f"features/test_deploy.py::test_{name}" for name in ("a", "b[exposed]", "c")]
OUTCOMES = (Outcome.PASSED, Outcome.FAILED, Outcome.SKIPPED)
ENDINGS = {
    Outcome.PASSED: ("", "passed"),
    Outcome.FAILED: ('<failure message="no"/>', "failed"),
    Outcome.ERROR: ('<error message="no"/>', "broken"),
    Outcome.SKIPPED: ("<skipped/>", "skipped"),
}


def result(node: str, outcome: Outcome = Outcome.PASSED) -> ScenarioResult:
    return ScenarioResult(node, "Feature", ("D1",), outcome, node=node)


RESULTS = [result(node, outcome) for node, outcome in zip(NODES, OUTCOMES, strict=True)]


def case(node: str, outcome: Outcome) -> str:
    module, _, name = node.partition("::")
    classname = module.removesuffix(".py").replace("/", ".")
    inside = ENDINGS[outcome][0]
    return f"<testcase classname={quoteattr(classname)} name={quoteattr(name)}>{inside}</testcase>"


def write_junit(reports: Path, *cases: str) -> None:
    reports.joinpath("junit.xml").write_text(
        f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>"
    )


def write_allure(reports: Path, node: str, outcome: Outcome) -> None:
    folder = reports / "allure-results"
    folder.mkdir(exist_ok=True)
    labels = [{"name": "feature", "value": "Deploy"}, {"name": NODE_LABEL, "value": node}]
    content = {"name": "any", "status": ENDINGS[outcome][1], "labels": labels}
    (folder / f"{len(list(folder.iterdir()))}-result.json").write_text(json.dumps(content))


def held(
    collected: Sequence[str],
    results: Sequence[ScenarioResult],
    reports: Path,
    *,
    before: str | None = None,
) -> Reconciliation:
    """Reconcile reports that are their own manifests, with the digest that these had before."""
    return reconcile(
        collected,
        results,
        reports,
        junit=reports / "junit.xml",
        manifests={reports: before or tree_digest(reports)},
    )


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """Reports that agree with what ran, with a test of the harness's own among them."""
    own = case("tests/unit/test_x.py::test_a", Outcome.FAILED)
    write_junit(tmp_path, own, *(case(r.node, r.outcome) for r in RESULTS))
    for one in RESULTS:
        write_allure(tmp_path, one.node, one.outcome)
    (tmp_path / "allure-results" / "x-result.json").write_text(
        '{"name": "own", "status": "failed"}'
    )
    return tmp_path


def test_reports_that_agree(reports: Path) -> None:
    assert held(NODES, RESULTS, reports) == Reconciliation(3, 3, ())


def test_a_scenario_that_has_no_result(reports: Path) -> None:
    more = "features/test_deploy.py::test_d"
    found = held([*NODES, more], RESULTS, reports)
    assert found.differences == (f"Collected, and no result came: {more}",)
    missing = [*RESULTS, result(more, Outcome.MISSING)]
    assert held([*NODES, more], missing, reports) == found


def test_a_case_that_a_report_lacks(reports: Path) -> None:
    write_junit(reports, *(case(r.node, r.outcome) for r in RESULTS[1:]))
    (reports / "allure-results" / "2-result.json").unlink()
    assert held(NODES, RESULTS, reports) == Reconciliation(2, 2, (
        f"Ran, and is not in junit.xml: {NODES[0]}",
        f"Ran, and is not in allure-results: {NODES[2]}",
    ))  # fmt: skip


def test_a_case_too_many(reports: Path) -> None:
    foreign = "features/test_deploy.py::test_foreign"
    write_junit(reports, case(foreign, Outcome.PASSED), *(case(r.node, r.outcome) for r in RESULTS))
    write_allure(reports, foreign, Outcome.PASSED)
    assert held(NODES, RESULTS, reports) == Reconciliation(4, 4, (
        "In junit.xml, and did not run: features.test_deploy::test_foreign",
        f"In allure-results, and did not run: {foreign}",
    ))  # fmt: skip


@pytest.mark.parametrize("other", [Outcome.FAILED, Outcome.ERROR, Outcome.SKIPPED])
def test_a_case_that_ended_otherwise(reports: Path, other: Outcome) -> None:
    write_junit(reports, case(NODES[0], other), *(case(r.node, r.outcome) for r in RESULTS[1:]))
    found = held(NODES, RESULTS, reports)
    assert found.differences == (f"Ended otherwise than junit.xml says: {NODES[0]}",)


def test_one_that_fails_and_then_cannot_be_cleaned_up_has_two_cases(reports: Path) -> None:
    cases = [case(r.node, r.outcome) for r in RESULTS]
    write_junit(reports, *cases, case(NODES[1], Outcome.ERROR))
    assert held(NODES, RESULTS, reports) == Reconciliation(3, 3, ())


def test_a_case_that_failed_has_failed_though_another_of_its_name_passed(reports: Path) -> None:
    cases = [case(r.node, r.outcome) for r in RESULTS]
    write_junit(reports, case(NODES[0], Outcome.FAILED), *cases)
    found = held(NODES, RESULTS, reports)
    assert found.differences == (f"Ended otherwise than junit.xml says: {NODES[0]}",)


@pytest.mark.parametrize("content", ["", "<testsuites><testcase", "no xml", "\0"])
def test_a_junit_report_that_is_cut_off(reports: Path, content: str) -> None:
    (reports / "junit.xml").write_text(content)
    found = held(NODES, RESULTS, reports)
    assert found.junit is None
    assert found.allure == 3
    assert len(found.differences) == 1
    assert found.differences[0].startswith("junit.xml cannot be read (ValueError: ")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "3",
        '{"labels": []}',
        '{"status": "passed", "labels": [{}]}',
        '{"status": "passed", "labels": 3}',
        '{"status": "passed", "labels": [3]}',
    ],
)
def test_an_allure_result_that_is_none(reports: Path, content: str) -> None:
    (reports / "allure-results" / "0-result.json").write_text(content)
    found = held(NODES, RESULTS, reports)
    assert found.allure is None
    assert len(found.differences) == 1
    assert found.differences[0].startswith("allure-results cannot be read (")


def test_reports_that_are_not_there(tmp_path: Path) -> None:
    found = held(NODES, RESULTS, tmp_path)
    assert (found.junit, found.allure) == (None, None)
    assert len(found.differences) == 2


@pytest.mark.parametrize("change", ["other", None])
def test_evidence_that_is_not_as_it_was_written(reports: Path, change: str | None) -> None:
    evidence = Evidence(reports / "evidence" / "pods")
    path = evidence.text("pods", "3 of 5")
    shown = ScenarioResult(
        "a", "F", ("D1",), Outcome.PASSED, node=NODES[0], evidence=tuple(evidence.pieces)
    )
    assert held(NODES, [shown, *RESULTS[1:]], reports).differences == ()
    if change:
        path.write_text(change)
    else:
        path.unlink()
    assert held(NODES, [shown, *RESULTS[1:]], reports).differences == (
        "Not as it was written: evidence pods/01-pods.txt",
    )


def test_many_are_named_by_the_first_few() -> None:
    assert named("Lost", map(str, range(7))) == ["Lost: 0, 1, 2, 3, 4 and 2 more"]
    assert named("Lost", []) == []


def test_a_secret_in_the_evidence_is_a_difference_and_the_file_withheld(reports: Path) -> None:
    evidence = Evidence(reports / "evidence" / "a")
    pieces = (evidence.text("kept", "5 of 5"), evidence.text("seen", "hush"))
    secret = "kind: Secret\nmetadata: {name: storage}\nstringData: {PASSWORD: hush}\n"
    (reports / "secret.yaml").write_text(secret)
    shown = replace(RESULTS[0], evidence=tuple(evidence.pieces))
    found = held(NODES, [shown, *RESULTS[1:]], reports)
    (folder,) = reports.parent.glob(f"{reports.name}-withheld-*")
    assert found.differences == (
        "evidence/a/02-seen.txt holds the value of storage/PASSWORD, "
        "which has no place in a report",
        f"1 file with a secret was moved out of the reports, to {folder}",
    )
    assert [piece.exists() for piece in pieces] == [True, False]
    assert found.cleared([shown])[0].evidence == (evidence.pieces[0],)


def test_what_a_scenario_says_of_a_secret_is_in_no_report(reports: Path) -> None:
    secret = "kind: Secret\nmetadata: {name: storage}\nstringData: {PASSWORD: hush}\n"
    (reports / "secret.yaml").write_text(secret)
    said = replace(RESULTS[1], message="denied: hush", observations=("it said hush", "3 of 5"))
    found = held(NODES, [RESULTS[0], said, RESULTS[2]], reports)
    assert found.silenced == {said.node}
    silent, other = found.cleared([said, RESULTS[0]])
    assert (silent.message, silent.observations) == (SILENCED, (SILENCED,))
    assert other == RESULTS[0]


@pytest.mark.parametrize("text", ["a: [", "kind: Secret\n", "kind: Secret\nmetadata: 3\n"])
def test_manifests_whose_secrets_cannot_be_read_are_a_difference(reports: Path, text: str) -> None:
    (reports / "secret.yaml").write_text(text)
    (difference,) = held(NODES, RESULTS, reports).differences
    assert difference.startswith("The reports cannot be searched for secrets: ")


def test_manifests_that_were_changed_while_the_run_went_on_are_a_difference(reports: Path) -> None:
    before = tree_digest(reports)
    (reports / "more.yaml").write_text("kind: Service\n")
    assert held(NODES, RESULTS, reports, before=before).differences == (
        "The manifests are not those with which the run began",
    )


def test_manifests_that_cannot_be_read_any_more_are_a_difference(
    reports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(_: Path) -> str:
        raise OSError("Input/output error")

    before = tree_digest(reports)
    monkeypatch.setattr(reconciliation, "tree_digest", unreadable)
    assert held(NODES, RESULTS, reports, before=before).differences == (
        "The manifests cannot be read any more: Input/output error",
    )


def test_a_junit_report_is_put_into_the_order_of_the_collection(tmp_path: Path) -> None:
    other = "tests/unit/test_other.py::test_other"
    write_junit(tmp_path, *(case(node, Outcome.PASSED) for node in (NODES[2], other, *NODES[:2])))
    before = junit_cases(tmp_path / "junit.xml", NODES)
    in_order(tmp_path / "junit.xml", NODES)
    after = junit_cases(tmp_path / "junit.xml", NODES)
    assert after == before
    assert list(after) == NODES
    assert 'name="test_other"' in (tmp_path / "junit.xml").read_text()
