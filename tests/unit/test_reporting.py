"""From what pytest does to the sign-off: on a suite of its own, which needs no cluster."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from xml.etree import ElementTree as ET

import pytest

from meshproof.analysis.observation import Observation
from meshproof.errors import (
    EnvironmentBroken,
    ExitCode,
    MeshproofError,
    PromiseBroken,
    UsageFailure,
)
from meshproof.paths import PROJECT
from meshproof.plugin.outcomes import outcome_of, told_of
from meshproof.plugin.reports_folder import WRITTEN, claim_folder, prepare_folder
from meshproof.plugin.scenarios import ScenarioItem, place_of_section, stages_followed, stages_named
from meshproof.plugin.selection import runs_features, runs_on_a_cluster
from meshproof.process import CommandFailed, Completed
from meshproof.signoff.allure_report import EXPECTATION_LABEL, HISTORY, REPORT, RESULTS, cases
from meshproof.signoff.attestation import ATTESTATION
from meshproof.signoff.evidence import Evidence
from meshproof.signoff.keys import generate, read_public
from meshproof.signoff.reports_folder import MARKER, mark, may_write
from meshproof.signoff.verdict import Outcome
from meshproof.signoff.verification import verify
from meshproof.suite.tutorial import StepFailed
from meshproof.waiting import WORKLOADS_READY, NotConverged, NotKept
from steps.voting.voting_page import WrongPage
from tests.several_runs import run_all
from tests.suites import IDS, NAMES, SUITE

# What one phase of a scenario says.

FAILED_COMMAND = Completed(("kubectl",), 1, "", "", 0.0, 0.0)
PROMISE_BROKEN = [
    AssertionError("3 of 5"),
    PromiseBroken("no pod of voting-app 1.0"),
    WrongPage("not the voting page"),
    StepFailed("a command of the tutorial failed"),
    NotKept("the page is served", WORKLOADS_READY, 9, 120.0, "404"),
]
SOMETHING_ELSE = [
    EnvironmentBroken("the node is gone"),
    CommandFailed("kubectl failed", FAILED_COMMAND),
    MeshproofError("any"),
    UsageFailure("no such context"),
    NotConverged("the proxies have logged 9 calls", WORKLOADS_READY, 9, 30.0, "8 calls"),
    ValueError("Expecting value: line 1 column 1 (char 0)"),
    KeyError("status"),
    TypeError("a bug"),
    OSError("no space left on device"),
]


def report(when: str, outcome: str) -> pytest.TestReport:
    flags = {name: name == outcome for name in ("passed", "failed", "skipped")}
    return cast("pytest.TestReport", SimpleNamespace(when=when, **flags))


def test_only_a_step_can_pass_a_scenario() -> None:
    assert outcome_of(report("call", "passed"), None, in_step=False) is Outcome.PASSED
    assert outcome_of(report("setup", "passed"), None, in_step=False) is None
    assert outcome_of(report("teardown", "passed"), None, in_step=False) is None


@pytest.mark.parametrize("error", PROMISE_BROKEN, ids=lambda error: type(error).__name__)
def test_a_broken_promise_fails_a_scenario_in_a_step_and_nowhere_else(error: Exception) -> None:
    assert outcome_of(report("call", "failed"), error, in_step=True) is Outcome.FAILED
    assert outcome_of(report("call", "failed"), error, in_step=False) is Outcome.ERROR
    for when in ("setup", "teardown"):
        assert outcome_of(report(when, "failed"), error, in_step=True) is Outcome.ERROR


@pytest.mark.parametrize("error", [*SOMETHING_ELSE, None], ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("when", ["setup", "call", "teardown"])
def test_whatever_else_goes_wrong_is_an_error(when: str, error: Exception | None) -> None:
    for in_step in (True, False):
        assert outcome_of(report(when, "failed"), error, in_step=in_step) is Outcome.ERROR


@pytest.mark.parametrize("when", ["setup", "call"])
def test_a_skip_is_a_skip(when: str) -> None:
    assert outcome_of(report(when, "skipped"), None, in_step=True) is Outcome.SKIPPED


# The order of the scenarios.

UP_TO, ON_TO = 'the namespace is at stage "{}"', 'the tutorial goes on to stage "{}"'


@pytest.mark.parametrize(
    ("steps", "stages"),
    [
        ([], (-1, -1)),
        (["a namespace of its own", "the page cannot be reached"], (-1, -1)),
        (["a beginning", UP_TO.format("namespace"), "it is there"], (0, 0)),
        ([UP_TO.format(NAMES[1]), "x", ON_TO.format(NAMES[2])], (1, 2)),
        ([UP_TO.format(NAMES[0]), ON_TO.format(NAMES[1]), ON_TO.format(NAMES[3])], (0, 3)),
        ([UP_TO.format("rolled-back")], (len(NAMES), len(NAMES))),
        ([UP_TO.format("<stage>")], (len(NAMES), len(NAMES))),
        ([f"{UP_TO.format(NAMES[1])} again"], (-1, -1)),
    ],
)
def test_the_stages_of_a_scenario_are_those_that_its_steps_name(
    steps: list[str], stages: tuple[int, int]
) -> None:
    assert stages_followed(stages_named(steps), SUITE) == stages


def test_scenarios_run_in_the_order_of_their_stages(ran: dict[str, Ran]) -> None:
    (suite,) = ET.parse(ran["in order"].reports / "junit.xml").getroot()  # noqa: S314 - our own
    assert [case.get("name") for case in suite.iter("testcase")] == [
        "test_elsewhere",
        "test_at_each_stage[namespace]",
        "test_into_the_second",
        "test_at_each_stage[deployed]",
        "test_again_at_the_second",
        "test_on_from_the_second",
        "test_at_each_stage[exposed]",
        "test_when_all_is_over",
    ]


def test_at_one_stage_the_ways_back_come_last() -> None:
    modules = ["test_always", "test_finalize", "test_browser", "test_deploy"]
    modules.sort(key=lambda module: place_of_section(module, tuple(SUITE.sections)))
    assert modules == ["test_browser", "test_deploy", "test_finalize", "test_always"]


def test_a_scenario_of_an_outline_has_the_stage_of_its_row(ran: dict[str, Ran]) -> None:
    stages = {
        one["example"].get("stage", one["name"]): one["stages"]
        for one in ran["in order"].scenarios("A2")
    }
    assert stages["exposed"] == ["exposed"]
    assert stages["namespace"] == ["namespace"]
    assert stages["On from the second"] == ["deployed", "exposed"]


@pytest.mark.parametrize(
    ("tags", "told"),
    [
        ({"F2"}, (("rules name 2.0",), ("both are there",))),
        ({"F2", "baseline"}, ((), ("both are there", "rules name 2.0"))),
    ],
)
def test_a_baseline_is_not_told_as_a_result(
    tmp_path: Path, tags: set[str], told: tuple[tuple[str, ...], tuple[str, ...]]
) -> None:
    evidence = Evidence(tmp_path)
    evidence.tell(Observation(results=["rules name 2.0"], baselines=["both are there"]))
    scenario = ScenarioItem("n", "name", "", ("F2",), {}, (), frozenset(tags), "name")
    assert told_of(scenario, evidence) == told


def test_a_run_says_its_seed_and_takes_one(ran: dict[str, Ran]) -> None:
    output = (ran["green"].reports.parents[1] / "output.txt").read_text()
    seeds = {name: ran[name].document["environment"]["seed"] for name in ("in order", "green")}
    assert seeds["in order"] == "7"
    for seed in seeds.values():
        assert f"Seed: {seed} (--seed {seed} draws the same again)\n" in output
    drawn = {ran[name].document["environment"]["seed"] for name in ("green", "broken", "whole")}
    assert len(drawn) > 1


# The folder of the reports.


def test_what_an_earlier_run_wrote_goes_and_the_rest_stays(tmp_path: Path) -> None:
    for name in ("junit.xml", "signoff.json", ATTESTATION, "notes.txt"):
        (tmp_path / name).touch()
    for name in ("allure-results", "evidence", "mine"):
        (tmp_path / name / "below").mkdir(parents=True)
    mark(tmp_path)
    prepare_folder(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"notes.txt", "mine", MARKER}
    assert (tmp_path / "mine" / "below").is_dir()


def test_the_folder_is_made(tmp_path: Path) -> None:
    prepare_folder(tmp_path / "not" / "yet")
    assert [path.name for path in (tmp_path / "not" / "yet").iterdir()] == [MARKER]
    prepare_folder(tmp_path / "not" / "yet")


@pytest.mark.parametrize("name", ["junit.xml", "signoff.json", "notes.txt", ".git"])
def test_a_folder_that_no_run_has_written_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{}")
    (tmp_path / "evidence").mkdir()
    with pytest.raises(pytest.UsageError, match=r"is not empty, and no run has written there: "):
        prepare_folder(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {name, "evidence"}


def test_a_folder_that_a_release_without_the_marker_wrote_is_known(ran: dict[str, Ran]) -> None:
    reports = ran["broken"].reports
    assert may_write(reports)
    (reports / MARKER).rename(reports / "kept")
    assert may_write(reports)
    (reports / "signoff.json").rename(reports / "away")
    assert not may_write(reports)
    (reports / "away").rename(reports / "signoff.json")
    (reports / "kept").rename(reports / MARKER)


def test_a_file_in_the_folders_place_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("in the way")
    with pytest.raises(pytest.UsageError, match=r"cannot be written .*: name another"):
        prepare_folder(tmp_path / "reports")
    assert (tmp_path / "reports").read_text() == "in the way"


def test_two_runs_do_not_write_to_one_folder(tmp_path: Path) -> None:
    first = claim_folder(tmp_path / "reports")
    with pytest.raises(pytest.UsageError, match=r"^Another run is writing .*: name another folder"):
        claim_folder(tmp_path / "." / "reports")
    claim_folder(tmp_path / "others").release()
    first.release()
    claim_folder(tmp_path / "reports").release()
    assert not (tmp_path / "reports").exists()


# Whole runs, over scenarios that end in every way.

FEATURE = """\
Feature: Ways to end

  @deploy @D1
  Scenario: A promise is kept
    Given a beginning
    When nothing happens
    Then the promise is kept

  @deploy @D1 @D2
  Scenario: Another promise is kept
    Then the promise is kept

  @deploy @D3
  Scenario: A promise is broken
    Given a beginning
    Then the promise is broken

  @deploy @D4
  Scenario: The environment breaks
    Then the environment breaks

  @deploy @D5
  Scenario: Somebody skips it
    Then it is skipped

  @deploy @D6
  Scenario: Set-up fails
    Given something that cannot be set up
    Then the promise is kept

  @deploy @D7
  Scenario: Cleaning up fails
    Given something that cannot be cleaned up
    Then the promise is kept

  @deploy @D8
  Scenario Outline: Values of <value>
    Then <value> is even

    Examples:
      | value |
      | 2     |
      | 3     |

  @update @U1
  Scenario: The user stops it
    Given a beginning
    Then the user stops it

  @update @U1
  Scenario: Too late
    Then the promise is kept

  @update @U2
  Scenario: Expected to fail
    Then the promise is not kept yet
"""
NAMELESS = """\
Feature: No promise
  Scenario: It proves nothing
    Then the promise is kept
"""
FINDINGS = """\
Feature: Findings
  @deploy @D1
  Scenario: A promise is kept
    Then the promise is kept

  @deploy @D2
  Scenario: Another promise is kept
    Then the promise is kept

  @deploy @D1 @finding
  Scenario: It is still there
    Then the promise is kept

  @deploy @D1 @finding
  Scenario: It is gone
    Then the promise is broken

  @deploy @D1 @finding
  Scenario: A promise is broken on the way
    Given the way there is broken
    Then the promise is kept

  @deploy @D1 @finding
  Scenario: What it looks at breaks its promise
    Then a promise of the ground is broken

  @deploy @D1 @finding
  Scenario: Something breaks
    Then the environment breaks

  @deploy @D1 @finding
  Scenario: Set-up fails
    Given something that cannot be set up
    Then the promise is kept

  @deploy @D1 @finding
  Scenario: Cleaning up fails
    Given something that cannot be cleaned up
    Then the promise is kept

  @deploy @D1 @finding
  Scenario: Somebody skips it
    Then it is skipped
"""
DISK_FULL = """\
Feature: A full disk
  @D1
  Scenario: A promise is kept
    Given the attestation cannot be written
    Then the promise is kept
"""
IN_ORDER = """\
Feature: Stages
  @A2 @last
  Scenario: When all is over
    Given the namespace is at stage "namespace"

  @A2
  Scenario Outline: At each stage
    Given the namespace is at stage "<stage>"

    Examples:
      | stage     |
      | exposed   |
      | deployed  |
      | namespace |

  @A2
  Scenario: On from the second
    Given the namespace is at stage "deployed"
    When the tutorial goes on to stage "exposed"

  @A2
  Scenario: Again at the second
    Given the namespace is at stage "deployed"

  @A2
  Scenario: Into the second
    Given the namespace is at stage "namespace"
    When the tutorial goes on to stage "deployed"

  @A2
  Scenario: Elsewhere
    Then the promise is kept
"""
MODULE = 'from pytest_bdd import scenarios\n\nscenarios("{name}.feature")\n'
CONFTEST = """\
import pytest
from pytest_bdd import given, parsers, then, when

from meshproof.errors import EnvironmentBroken, PromiseBroken
from meshproof.signoff.evidence import Evidence

pytest_plugins = [
    "meshproof.plugin.options", "meshproof.plugin.scenarios", "meshproof.plugin.outcomes",
    "meshproof.plugin.reporting", "meshproof.plugin.allure_results",
    "meshproof.plugin.evidence",
]


@pytest.fixture
def unclean():
    yield
    raise RuntimeError("it cannot be cleaned up")


@pytest.fixture
def impossible():
    raise AssertionError("it cannot be set up")


@given("a beginning")
@when("nothing happens")
def _(evidence):
    pass


@given(parsers.parse('the namespace is at stage "{stage}"'))
@when(parsers.parse('the tutorial goes on to stage "{stage}"'))
def _(stage):
    pass


@given("something that cannot be set up")
def _(impossible):
    pass


@given("something that cannot be cleaned up")
def _(unclean):
    pass


@given("the attestation cannot be written")
def _(options):
    (options.reports / "attestation.dsse.json").symlink_to("/dev/full")


@then("the promise is kept")
def _(evidence):
    evidence.baseline("0 of 5")
    evidence.result("5 of 5")
    evidence.text("Seen", "all of it")


@then("the promise is broken")
def _(evidence):
    evidence.text("Seen", "some of it")
    assert not "3 of 5 pods"


@given("the way there is broken")
def _():
    assert not "2 of 5 pods"


@then("a promise of the ground is broken")
def _():
    raise PromiseBroken("the page is not served")


@then("the environment breaks")
def _():
    raise EnvironmentBroken("The node is gone.", "$ docker ps")


@then("it is skipped")
def _():
    pytest.skip("no browser here")


@then("the user stops it")
def _():
    raise KeyboardInterrupt


@then("the promise is not kept yet")
def _():
    pytest.xfail("known")


@then(parsers.parse("{value:d} is even"))
def _(value):
    assert value % 2 == 0, f"{value} is odd"
"""
OTHER = """\
import pytest


@pytest.mark.parametrize("manifest", [{"kind": "Secret", "stringData": {"KEY": "letmein99"}}])
def test_that_has_a_parameter(manifest):
    pass
"""
SETTINGS = """\
[pytest]
addopts = --strict-markers --strict-config --import-mode=importlib
    -p no:cacheprovider -p no:hypothesispytest
bdd_features_base_dir = features
filterwarnings = error
"""
#: Each run's own arguments.
RUNS = {
    "whole": ["-k", "not (stops or late)"],
    "green": ["-m", "D1 or D2", "--sign-key=key"],
    "broken": ["-m", "D4"],
    "skipped": ["-m", "D5"],
    "stopped": ["-m", "update"],
    "cut short": ["-x", "-m", "D1 or D3 or D8"],
    "by name": ["features/test_deploy.py::test_a_promise_is_kept"],
    "nothing": ["-k", "nonesuch"],
    "another test": ["other", "-k", "has_a_parameter"],
    "listed": ["--collect-only"],
    "proves nothing": [],
    "findings": ["-x", "-m", "D1"],
    "nothing but findings": ["-m", "finding"],
    "in order": ["--seed=7"],
    "disk full": ["--sign-key=key"],
    "no key": ["--sign-key=nonesuch"],
    "no room for junit": ["-m", "D1 or D2", "--junitxml=/dev/full"],
    "junit elsewhere": ["-m", "D1 or D2", "--junitxml=other.xml"],
}
#: Runs over features of their own.
ELSEWHERE = {
    "proves nothing": NAMELESS, "in order": IN_ORDER, "disk full": DISK_FULL, "findings": FINDINGS,
    "nothing but findings": FINDINGS,
}  # fmt: skip


@dataclass(frozen=True)
class Ran:
    """One run: its exit code and the folder of its reports."""

    code: int
    reports: Path

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.reports / "signoff.json").read_text())
        return document

    @property
    def verdicts(self) -> dict[str, str]:
        """The verdicts of what was in scope."""
        rows = self.document["expectations"]
        return {row["id"]: row["verdict"] for row in rows if row["verdict"] != "out of scope"}

    def scenarios(self, identifier: str) -> list[dict[str, Any]]:
        rows = {row["id"]: row for row in self.document["expectations"]}
        scenarios: list[dict[str, Any]] = rows[identifier]["scenarios"]
        return scenarios


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ran]:
    """All runs, by their names."""
    root = tmp_path_factory.mktemp("suite")
    for name, text in {"": FEATURE, **ELSEWHERE}.items():
        folder = root / name / "features"
        folder.mkdir(parents=True)
        (folder / "deploy.feature").write_text(text)
        (folder / "test_deploy.py").write_text(MODULE.format(name="deploy"))
    (root / "conftest.py").write_text(CONFTEST)
    (root / "pytest.ini").write_text(SETTINGS)
    (root / "other").mkdir()
    (root / "other" / "test_other.py").write_text(OTHER)
    runs = {}
    for name, selection in RUNS.items():
        where = [] if any("::" in word for word in selection) else ["features"]
        if name in ELSEWHERE:
            where = ["-c", f"{name}.ini", f"{name}/features"]
            settings = SETTINGS.replace("= features", f"= {name}/features")
            (root / f"{name}.ini").write_text(settings)
        runs[name] = [*where, *selection, f"--reports={root / 'reports' / name}"]
        runs[name].append("--no-allure-report")
    generate(root / "key")
    codes, printed = run_all(root, runs, timeout=120)
    (root / "output.txt").write_text(printed)
    return {name: Ran(code, root / "reports" / name) for name, code in codes.items()}


@pytest.mark.parametrize(
    ("arguments", "runs"),
    [
        (["features"], True),
        (["."], True),
        (["/features/suite"], True),
        (["/features/suite/features/test_deploy.py::test_one"], True),
        (["tests", "features/test_deploy.py"], True),
        (["tests/unit"], False),
        (["tests/features"], False),
        (["/features/suite/tests"], False),
        (["featuresque"], False),
    ],
)
def test_features_are_run_where_an_argument_holds_them(arguments: list[str], runs: bool) -> None:
    # In a checkout below a folder that happens to be named like them.
    assert runs_features(asked_for(arguments, Path("/features/suite"))) == runs


def asked_for(arguments: list[str], root: Path) -> Any:
    """What pytest knows of a run that was asked for these in a project's folder."""
    return SimpleNamespace(
        args=arguments,
        rootpath=root,
        invocation_params=SimpleNamespace(dir=root),
        getini={"bdd_features_base_dir": "features"}.__getitem__,
    )


@pytest.mark.parametrize(
    ("arguments", "runs"),
    [
        (["features"], True),
        (["tests/live/test_stores.py"], True),
        (["tests/thorough"], True),
        (["tests"], True),
        (["tests/unit"], False),
        (["tests/faults"], False),
    ],
)
def test_a_cluster_is_needed_where_tests_that_need_one_are(
    tmp_path: Path, arguments: list[str], runs: bool
) -> None:
    """There are no faults in this project: a folder that is not there needs nothing."""
    for folder in ("live", "thorough"):
        (tmp_path / "tests" / folder).mkdir(parents=True)
    assert runs_on_a_cluster(asked_for(arguments, tmp_path)) == runs


def test_the_parameters_of_other_tests_are_in_no_result(ran: dict[str, Ran]) -> None:
    (file,) = (ran["another test"].reports / RESULTS).glob("*-result.json")
    result = json.loads(file.read_text())
    assert result["name"] == "test_that_has_a_parameter[manifest0]"
    assert "letmein99" not in file.read_text()


def test_every_way_to_end_has_its_verdict(ran: dict[str, Ran]) -> None:
    whole = ran["whole"]
    assert whole.verdicts == {
        "D1": "accepted",
        "D2": "accepted",
        "D3": "rejected",
        "D4": "inconclusive",
        "D5": "partial",
        "D6": "inconclusive",
        "D7": "inconclusive",
        "D8": "rejected",
        "U2": "partial",
    }
    assert whole.document["counts"] == {
        "collected": 10, "passed": 3, "failed": 2, "skipped": 2, "errors": 3,
    }  # fmt: skip
    assert (whole.document["verdict"], whole.code) == ("rejected", ExitCode.REJECTED)
    assert [row["id"] for row in whole.document["expectations"]] == list(IDS)


def test_the_message_of_a_scenario_is_what_went_wrong(ran: dict[str, Ran]) -> None:
    messages = {
        identifier: [scenario["message"] for scenario in ran["whole"].scenarios(identifier)]
        for identifier in ("D1", "D3", "D4", "D5", "D6", "D7", "D8")
    }
    assert messages["D1"] == ["", ""]
    assert "3 of 5 pods" in messages["D3"][0]
    assert "The node is gone." in messages["D4"][0]
    assert "no browser here" in messages["D5"][0]
    assert "it cannot be set up" in messages["D6"][0]
    assert "it cannot be cleaned up" in messages["D7"][0]
    assert messages["D8"][0] == ""
    assert "3 is odd" in messages["D8"][1]


def test_evidence_and_observations_stand_beside_the_scenario(ran: dict[str, Ran]) -> None:
    kept, _ = ran["whole"].scenarios("D1")
    assert kept["name"] == "A promise is kept"
    assert kept["feature"] == "Ways to end"
    assert kept["observations"] == ["0 of 5", "5 of 5"]
    assert (kept["results"], kept["baselines"]) == (["5 of 5"], ["0 of 5"])
    assert kept["duration_s"] >= 0
    (piece,) = kept["evidence"]
    assert piece["path"] == "evidence/D1-a-promise-is-kept/01-seen.txt"
    broken = ran["whole"].scenarios("D3")[0]
    for piece in (*kept["evidence"], *broken["evidence"]):
        content = (ran["whole"].reports / piece["path"]).read_bytes()
        assert (len(content), sha256(content).hexdigest()) == (piece["bytes"], piece["sha256"])


def test_a_selection_that_passes_is_accepted_over_what_it_proves(ran: dict[str, Ran]) -> None:
    green = ran["green"]
    assert (green.document["verdict"], green.code) == ("accepted", ExitCode.ACCEPTED)
    assert green.verdicts == {"D1": "accepted", "D2": "accepted"}
    assert green.document["scope"]["selection"] == "-m D1 or D2"
    assert green.document["counts"]["collected"] == 2


def test_a_scenario_chosen_by_its_name_is_the_scope(ran: dict[str, Ran]) -> None:
    chosen = ran["by name"]
    assert chosen.code == ExitCode.ACCEPTED
    assert (
        chosen.document["scope"]["selection"] == "features/test_deploy.py::test_a_promise_is_kept"
    )
    assert chosen.verdicts == {"D1": "accepted"}


@pytest.mark.parametrize(
    ("name", "verdict", "code"),
    [
        ("broken", "inconclusive", ExitCode.ENVIRONMENT),
        ("skipped", "partial", ExitCode.PARTIAL),
        ("stopped", "inconclusive", ExitCode.INTERRUPTED),
        ("cut short", "inconclusive", ExitCode.ENVIRONMENT),
    ],
)
def test_the_exit_code_is_that_of_the_verdict(
    ran: dict[str, Ran], name: str, verdict: str, code: ExitCode
) -> None:
    assert (ran[name].document["verdict"], ran[name].code) == (verdict, code)


def test_what_did_not_run_is_missing(ran: dict[str, Ran]) -> None:
    assert ran["stopped"].document["interrupted"] is True
    assert [s["outcome"] for s in ran["stopped"].scenarios("U1")] == ["missing", "missing"]
    assert [s["message"] for s in ran["stopped"].scenarios("U1")] == ["it did not run"] * 2
    assert ran["cut short"].verdicts == {
        "D1": "accepted",
        "D2": "accepted",
        "D3": "rejected",
        "D8": "inconclusive",
    }
    assert ran["cut short"].document["counts"] == {
        "collected": 5, "passed": 2, "failed": 1, "skipped": 0, "errors": 0,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["nothing", "proves nothing"])
def test_a_usage_error_leaves_no_sign_off(ran: dict[str, Ran], name: str) -> None:
    assert ran[name].code == ExitCode.USAGE
    assert not (ran[name].reports / "signoff.json").exists()


def test_looking_at_what_there_is_writes_nothing(ran: dict[str, Ran]) -> None:
    assert ran["listed"].code == ExitCode.ACCEPTED
    assert not ran["listed"].reports.exists()


def test_the_output_says_verdict_scope_and_file(ran: dict[str, Ran]) -> None:
    output = (ran["green"].reports.parents[1] / "output.txt").read_text()
    assert "Verdict: accepted — scope: -m D1 or D2\n" in output
    assert f"Sign-off: {ran['green'].reports / 'signoff.json'}\n" in output
    assert "Nothing was selected: the selection matches no scenario.\n" in output
    assert "The scenario “test_it_proves_nothing” carries no expectation's id." in output


def test_a_run_with_a_key_is_signed_when_all_is_written(ran: dict[str, Ran]) -> None:
    green = ran["green"]
    root = green.reports.parents[1]
    key = read_public(root / "key.pub")
    found = verify(green.reports, key, {"voting": PROJECT / "manifests" / "voting"})
    assert not found.differences
    assert f"Compared with {green.reports}: 4 reports, 2 files of evidence." in found.looked_at
    output = (root / "output.txt").read_text()
    assert f"Attestation: {green.reports / ATTESTATION}, signed with key {key.keyid}\n" in output


def test_a_run_without_a_key_is_not_signed(ran: dict[str, Ran]) -> None:
    assert not (ran["whole"].reports / ATTESTATION).exists()


def test_where_a_run_cannot_be_signed_the_verdict_stays(ran: dict[str, Ran]) -> None:
    full = ran["disk full"]
    assert (full.document["verdict"], full.code) == ("partial", ExitCode.PARTIAL)
    assert not (full.reports / ATTESTATION).exists()
    assert (
        f"The sign-off could not be signed: {full.reports / ATTESTATION} cannot be written "
        "(No space left on device).\n"
    ) in (full.reports.parents[1] / "output.txt").read_text()


def test_a_key_that_is_not_there_ends_the_run_before_it_begins(ran: dict[str, Ran]) -> None:
    assert ran["no key"].code == ExitCode.USAGE
    assert not ran["no key"].reports.exists()
    output = (ran["green"].reports.parents[1] / "output.txt").read_text()
    assert "ERROR: There is no key file nonesuch: `meshproof keygen` makes one.\n" in output


def test_a_junit_report_that_cannot_be_written_leaves_a_verdict_and_says_so(
    ran: dict[str, Ran],
) -> None:
    full = ran["no room for junit"]
    assert (full.document["verdict"], full.code) == ("inconclusive", ExitCode.ENVIRONMENT)
    (difference,) = full.document["reconciliation"]["differences"]
    assert difference.startswith("full cannot be read (")
    output = (full.reports.parents[1] / "output.txt").read_text()
    assert "A report could not be written: [Errno 28] No space left on device" in output


def test_a_junit_report_may_be_elsewhere(ran: dict[str, Ran]) -> None:
    elsewhere = ran["junit elsewhere"]
    assert elsewhere.code == ExitCode.ACCEPTED
    assert elsewhere.document["reconciliation"] == {
        "collected": 2, "ran": 2, "junit": 2, "allure": 2, "differences": [],
    }  # fmt: skip


# Findings.

STATES = {
    "It is still there": "found",
    "It is gone": "gone",
    "A promise is broken on the way": "not looked at",
    "What it looks at breaks its promise": "not looked at",
    "Something breaks": "not looked at",
    "Set-up fails": "not looked at",
    "Cleaning up fails": "not looked at",
    "Somebody skips it": "not looked at",
}


def findings(run: Ran) -> dict[str, dict[str, Any]]:
    """The findings of a run, by the names of their scenarios."""
    return {one["scenario"]["name"]: one for one in run.document["findings"]}


def test_however_findings_end_nothing_turns_red(ran: dict[str, Ran]) -> None:
    run = ran["findings"]
    assert (run.document["verdict"], run.code) == ("accepted", ExitCode.ACCEPTED)
    assert run.verdicts == {"D1": "accepted"}
    assert run.document["counts"] == {
        "collected": 1, "passed": 1, "failed": 0, "skipped": 0, "errors": 0,
    }  # fmt: skip
    assert run.document["problems"] == []
    assert {name: one["state"] for name, one in findings(run).items()} == STATES


def test_a_finding_says_what_became_of_it(ran: dict[str, Ran]) -> None:
    texts = {name: one["text"] for name, one in findings(ran["findings"]).items()}
    assert texts["It is still there"] == "5 of 5"
    assert texts["It is gone"] == "What it found is gone: assert not '3 of 5 pods'"
    assert texts["A promise is broken on the way"].startswith("It was not looked at: ")
    assert "2 of 5 pods" in texts["A promise is broken on the way"]
    assert "the page is not served" in texts["What it looks at breaks its promise"]
    assert "The node is gone." in texts["Something breaks"]
    assert "it cannot be set up" in texts["Set-up fails"]
    assert "it cannot be cleaned up" in texts["Cleaning up fails"]
    assert texts["Somebody skips it"] == "It was not looked at: Skipped: no browser here"
    output = (ran["findings"].reports.parents[1] / "output.txt").read_text()
    assert "Findings, which have no vote: 1 still there, 1 gone, 6 not looked at.\n" in output
    assert "Finding “It is gone”: What it found is gone: assert not '3 of 5 pods'\n" in output


def test_junit_and_allure_have_findings_as_they_ended_and_none_as_a_failure(
    ran: dict[str, Ran],
) -> None:
    run = ran["findings"]
    assert run.document["reconciliation"] == {
        "collected": 9, "ran": 9, "junit": 9, "allure": 9, "differences": [],
    }  # fmt: skip
    (suite,) = ET.parse(run.reports / "junit.xml").getroot()  # noqa: S314 - our own
    assert {name: suite.get(name) for name in ("failures", "errors", "skipped")} == {
        "failures": "0", "errors": "0", "skipped": "7",
    }  # fmt: skip
    messages = {
        case.get("name"): skipped.get("message")
        for case in suite.iter("testcase")
        for skipped in case.iter("skipped")
    }
    assert messages["test_it_is_gone"] == "What it found is gone: assert not '3 of 5 pods'"
    results = allure_results(run)
    assert {name for name, one in results.items() if one["status"] == "passed"} == {
        "A promise is kept", "It is still there",
    }  # fmt: skip
    assert {one["status"] for one in results.values()} == {"passed", "skipped", "broken"}
    assert results["It is gone"]["status"] == "skipped"
    assert "What it found is gone: " in results["It is gone"]["statusDetails"]["message"]


def test_a_run_of_nothing_but_findings_proves_nothing(ran: dict[str, Ran]) -> None:
    run = ran["nothing but findings"]
    assert (run.document["verdict"], run.code) == ("partial", ExitCode.PARTIAL)
    assert run.verdicts == {"D1": "unproved"}
    assert {name: one["state"] for name, one in findings(run).items()} == STATES


def test_junit_has_every_scenario(ran: dict[str, Ran]) -> None:
    (suite,) = ET.parse(ran["whole"].reports / "junit.xml").getroot()  # noqa: S314 - our own
    assert {name: suite.get(name) for name in ("failures", "errors", "skipped")} == {
        "failures": "4",  # JUnit calls whatever goes wrong while steps run a failure
        "errors": "1",
        "skipped": "2",
    }
    names = {case.get("name") for case in suite.iter("testcase")}
    assert len(names) == 10


def allure_results(run: Ran) -> dict[str, dict[str, Any]]:
    """Allure's results of a run, by the names of the scenarios."""
    files = (run.reports / RESULTS).glob("*-result.json")
    return {result["name"]: result for result in (json.loads(file.read_text()) for file in files)}


def test_allure_has_the_steps_as_they_are_written(ran: dict[str, Ran]) -> None:
    results = allure_results(ran["whole"])
    kept = results["A promise is kept"]
    assert kept["status"] == "passed"
    assert [(step["name"], step["status"]) for step in kept["steps"]] == [
        ("Given a beginning", "passed"),
        ("When nothing happens", "passed"),
        ("Then the promise is kept", "passed"),
    ]
    (attachment,) = kept["steps"][2]["attachments"]
    assert attachment["name"] == "Seen"
    broken = results["A promise is broken"]
    assert broken["status"] == "failed"
    assert [(step["name"], step["status"]) for step in broken["steps"]] == [
        ("Given a beginning", "passed"),
        ("Then the promise is broken", "failed"),
    ]
    stuck = results["Set-up fails"]
    assert [(step["name"], step["status"]) for step in stuck["steps"]] == [
        ("Given something that cannot be set up", "failed")
    ]


def labels(result: dict[str, Any], name: str) -> set[str]:
    return {label["value"] for label in result["labels"] if label["name"] == name}


@pytest.mark.parametrize(
    ("scenario", "ids"),
    [("A promise is kept", ["D1"]), ("Another promise is kept", ["D1", "D2"]),
     ("Set-up fails", ["D6"]), ("Values of 3", ["D8"])],
)  # fmt: skip
def test_allure_knows_what_a_scenario_belongs_to_whatever_becomes_of_it(
    ran: dict[str, Ran], scenario: str, ids: list[str]
) -> None:
    result = allure_results(ran["whole"])[scenario]
    assert labels(result, "epic") == {"Deploy the application"}
    assert labels(result, "feature") == {"Ways to end"}
    assert labels(result, "expectation") == set(ids)
    assert [link["name"].partition(":")[0] for link in result["links"]] == ids
    assert all("/docs/expectations.md#" in link["url"] for link in result["links"])


def test_allure_knows_the_stages_that_a_scenario_follows(ran: dict[str, Ran]) -> None:
    results = allure_results(ran["in order"])
    tags = {name: labels(result, "tag") - {"A2", "last"} for name, result in results.items()}
    assert tags["On from the second"] == {"stage: deployed", "stage: exposed"}
    assert tags["Again at the second"] == {"stage: deployed"}
    assert tags["Elsewhere"] == set()


def test_allure_has_a_case_for_each_scenario(ran: dict[str, Ran]) -> None:
    results = ran["whole"].reports / RESULTS
    collected = ran["whole"].document["counts"]["collected"]
    assert cases(results) == cases(results, label=EXPECTATION_LABEL) == collected == 10


def test_nothing_else_is_written_beside_the_reports(ran: dict[str, Ran]) -> None:
    made_of_them = {REPORT, HISTORY}  # by Allure's generator, which these runs do without
    written = {path.name for path in ran["green"].reports.iterdir()}
    assert written == {*WRITTEN, MARKER} - made_of_them
