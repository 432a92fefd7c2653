from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from meshproof.errors import EnvironmentBroken
from meshproof.paths import PROJECT, state_dir
from meshproof.progress import Progress
from meshproof.signoff import allure_report
from meshproof.signoff.allure_report import (
    HISTORY,
    REPORT,
    RESULTS,
    Generator,
    cases,
    expectation_url,
    generate,
    provide_generator,
    report_run,
)
from tests.suites import EXPECTATIONS

if TYPE_CHECKING:
    from tests.unit.conftest import Script

#: Begins an HTML page where a browser would ask somebody else for something.
ASKS_OUTSIDE = re.compile(r'<(?:script|link|img|iframe)\b[^>]{0,200}\b(?:src|href)="(?:https?:)?//')
URL = re.compile(r"(?P<base>.*)/docs/expectations\.md#(?P<anchor>[^:]+):~:text=(?P<id>\w+)")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "reports [of a run]" / RESULTS
    folder.mkdir(parents=True)
    return folder


def add(results: Path, uuid: str, **fields: Any) -> None:
    result = {"uuid": uuid, "name": uuid, "fullName": f"features.test_deploy#{uuid}"}
    times = {"start": 1_700_000_000_000, "stop": 1_700_000_001_000}
    (results / f"{uuid}-result.json").write_text(
        json.dumps({"status": "passed", **result, **times, **fields})
    )


def example(value: str, **fields: Any) -> dict[str, Any]:
    return {"name": "example", "value": value, **fields}


def three_cases(results: Path) -> None:
    """Four results, two of them of one case."""
    add(results, "kept", labels=[{"name": "expectation", "value": "D1"}])
    add(results, "first-try", testCaseId="t", parameters=[example("2")], status="failed")
    add(results, "second-try", testCaseId="t", parameters=[example("2")])
    add(results, "other-example", testCaseId="t", parameters=[example("3")])


# Counting.


def test_results_of_one_test_with_the_same_parameters_are_one_case(results: Path) -> None:
    three_cases(results)
    assert cases(results) == 3


def test_a_parameter_that_is_left_out_makes_no_other_case(results: Path) -> None:
    add(results, "a", testCaseId="t", parameters=[example("9:01", excluded=True)])
    add(results, "b", testCaseId="t", parameters=[example("9:02", excluded=True)])
    assert cases(results) == 1


def test_results_that_name_no_test_are_cases_of_their_own(results: Path) -> None:
    add(results, "a", fullName=None)
    add(results, "b", fullName=None)
    assert cases(results) == 2


def test_only_cases_with_the_label_count_where_one_is_named(results: Path) -> None:
    three_cases(results)
    assert cases(results, label="expectation") == 1
    assert cases(results, label="owner") == 0


def test_what_is_no_result_counts_as_none(results: Path) -> None:
    three_cases(results)
    (results / "cut-result.json").write_text('{"uuid": "cut", "na')
    (results / "empty-result.json").touch()
    (results / "list-result.json").write_text("[1, 2]")
    (results / "foreign-result.json").write_text('{"score": 3, "labels": "none"}')
    (results / "binary-result.json").write_bytes(b"\xff\xfe\x00")
    (results / "folder-result.json").mkdir()
    add(results, "odd", labels=[None, "x"], parameters={"a": 1})
    (results / "some-container.json").write_text('{"uuid": "c"}')
    assert cases(results) == 4


def test_there_are_no_cases_where_there_is_no_folder(tmp_path: Path) -> None:
    assert cases(tmp_path / "nowhere") == 0


# Links.


@pytest.mark.parametrize("expectation", EXPECTATIONS, ids=lambda expectation: expectation.id)
def test_an_expectation_links_to_its_section_of_the_document(expectation: Any) -> None:
    found = URL.fullmatch(expectation_url(expectation))
    assert found
    assert (found["base"], found["id"]) == (PROJECT.as_uri(), expectation.id)
    headings = re.findall(
        r"^## (.*)$", (PROJECT / "docs/expectations.md").read_text(), re.MULTILINE
    )
    anchors = {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}
    assert found["anchor"] in anchors


def test_links_lead_to_where_the_source_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESHPROOF_SOURCE_URL", "https://example.org/blob/abc/")
    assert expectation_url(EXPECTATIONS[0]).startswith("https://example.org/blob/abc/docs/")


# The generator itself.


@pytest.mark.usefixtures("users_cache")
def test_the_report_has_every_case_and_the_history_grows_with_each_run(
    results: Path, progress: Progress
) -> None:
    three_cases(results)
    (results / "cut-result.json").write_text('{"uuid": "cut", "na')
    reports = results.parent
    for runs in (1, 2):
        line = report_run(reports, name="Meshproof: accepted", install=True, progress=progress)
        page = reports / REPORT / "index.html"
        assert line == f"Allure report: {page}"
        summary = json.loads((page.parent / "summary.json").read_text())
        assert summary["name"] == "Meshproof: accepted"
        assert summary["stats"]["total"] == cases(results) == 3
        history = (reports / HISTORY).read_text()
        assert history == (state_dir() / HISTORY).read_text()
        points = [json.loads(line) for line in history.splitlines()]
        assert [len(point["testResults"]) for point in points] == [3] * runs
    assert not ASKS_OUTSIDE.search(page.read_text())
    # One file that opens anywhere: nothing that it would have to fetch lies beside it.
    assert {file.name for file in page.parent.iterdir()} <= {
        "index.html", "summary.json", "test-results.json",
    }  # fmt: skip
    assert {path.name for path in reports.iterdir()} == {RESULTS, REPORT, HISTORY}


# What goes wrong.

#: A generator that makes a page and adds to the history, as its configuration says.
FAKE = """\
while [ "$1" != --config ]; do shift; done
field() { sed -n "s/.*\\"$1\\": \\"\\([^\\"]*\\)\\".*/\\1/p" "$2"; }
out=$(field output "$2") kept=$(field historyPath "$2")
mkdir -p "$out"
printf '%s' '<script async src="https://counter.example/js"></script><p>A report' >"$out/index.html"
echo '{"stats": {"total": CASES}}' >"$out/summary.json"
echo '{"testResults": {}}' >>"$kept"
"""
#: The same, of a page that has as many cases as are in the results: none.
WHOLE = FAKE.replace("CASES", "0")


def made(script: Script, results: Path, tmp_path: Path, body: str = WHOLE) -> tuple[Path, Path]:
    report, history = tmp_path / "out" / REPORT, tmp_path / "kept" / HISTORY
    generator = Generator(str(script("node", body)), Path("cli.js"))
    report.parent.mkdir(exist_ok=True)
    generate(results, report, history, name="A run", generator=generator)
    return report, history


def test_visitors_are_not_counted(script: Script, results: Path, tmp_path: Path) -> None:
    report, _ = made(script, results, tmp_path)
    assert (report / "index.html").read_text() == "<p>A report"


def test_an_earlier_report_goes(script: Script, results: Path, tmp_path: Path) -> None:
    old = tmp_path / "out" / REPORT / "old.html"
    old.parent.mkdir(parents=True)
    old.touch()
    report, _ = made(script, results, tmp_path)
    assert {file.name for file in report.iterdir()} == {"index.html", "summary.json"}


def test_of_a_history_that_was_cut_off_the_rest_is_kept(
    script: Script, results: Path, tmp_path: Path
) -> None:
    history = tmp_path / "kept" / HISTORY
    history.parent.mkdir()
    history.write_text('{"name": "first"}\n\n{"name": "sec')
    made(script, results, tmp_path)
    assert history.read_text() == '{"name": "first"}\n{"testResults": {}}\n'


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("exit 7", r"failed \(exit code 7\); the whole log is"),
        (":", "no page"),
        (FAKE.replace("CASES", "1"), "a page of 1 cases where 0 are in the results"),
        (FAKE.replace("CASES", "}"), "a page of None cases where 0 are in the results"),
    ],
)
def test_where_the_generator_fails_report_and_history_stay(
    script: Script, results: Path, tmp_path: Path, body: str, says: str
) -> None:
    report, history = made(script, results, tmp_path)
    before = history.read_text()
    with pytest.raises(EnvironmentBroken, match=says):
        made(script, results, tmp_path, body)
    assert (report / "index.html").exists()
    assert history.read_text() == before


def test_a_missing_node_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, results: Path, progress: Progress, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    line = report_run(results.parent, name="A run", install=False, progress=progress)
    assert line.startswith("No Allure report: The Allure report needs the Debian package(s) nodejs")
    assert "\n" not in line
    assert not (results.parent / REPORT).exists()


def test_npm_is_asked_for_only_where_the_generator_is_not_there(
    monkeypatch: pytest.MonkeyPatch, script: Script, progress: Progress
) -> None:
    folder = script("node", ":").parent
    script("npm", 'mkdir -p node_modules/allure; echo "$@" >>calls')
    monkeypatch.setattr(allure_report, "install_packages", lambda *_, **__: pytest.fail("installs"))
    generator = provide_generator(install=False, progress=progress)
    assert generator.script.parent.is_dir()
    calls = generator.script.parents[2] / "calls"
    assert calls.read_text().startswith("ci --ignore-scripts")
    (folder / "npm").unlink()
    assert provide_generator(install=False, progress=progress) == generator
    assert len(calls.read_text().splitlines()) == 1


def test_whatever_goes_wrong_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, results: Path, progress: Progress
) -> None:
    def full(**_: object) -> Generator:
        raise OSError("no space left on device")

    monkeypatch.setattr(allure_report, "provide_generator", full)
    line = report_run(results.parent, name="A run", install=False, progress=progress)
    assert line == "No Allure report: no space left on device"


def test_the_lock_names_no_registry() -> None:
    lock = (PROJECT / "supply/npm/allure/package-lock.json").read_text()
    assert '"resolved"' not in lock
    packages = json.loads(lock)["packages"]
    assert all(package["integrity"] for path, package in packages.items() if path)
