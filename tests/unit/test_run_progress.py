"""What a run prints, on a suite of its own: in one process and in lanes, in a log and in place."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import termios
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from meshproof.paths import PROJECT, state_dir
from meshproof.plugin.outcomes import REASON_LENGTH, ending_of, reason_of
from meshproof.run.durations import Durations
from meshproof.run.overview import Ending
from tests.forked import AT_MOST, ran

FEATURE = """\
Feature: Ways to end

  @D1
  Scenario: A promise is kept
    Given a beginning
    Then the promise is kept

  @D2 @D3
  Scenario: A promise is broken
    Then the promise is broken

  @D4
  Scenario: Somebody skips it
    Then it is skipped

  @D5
  Scenario: Cleaning up fails
    Given something that cannot be cleaned up

  @D6
  Scenario: Its lane dies
    Then the lane dies
"""
MODULE = 'from pytest_bdd import scenarios\n\nscenarios("deploy.feature")\n'
UNIT = "def test_one():\n    pass\n\n\ndef test_two():\n    pass\n"
#: As meshproof/plugin/run_progress.py does it, for one process and for lanes.
CONFTEST = """\
import os
import tempfile
from pathlib import Path

import pytest
from pytest_bdd import given, then

from meshproof.plugin.lane_events import LANE, tell_lane
from meshproof.plugin.run_progress import RunProgress
from meshproof.run.lane_progress import LaneSteps
from meshproof.run.overview import Planned
from meshproof.waiting import Timeout, converge

SCENARIOS = [
    ("test_a_promise_is_kept", "A promise is kept", ("D1",)),
    ("test_a_promise_is_broken", "A promise is broken", ("D2", "D3")),
    ("test_somebody_skips_it", "Somebody skips it", ("D4",)),
    ("test_cleaning_up_fails", "Cleaning up fails", ("D5",)),
]
if os.environ.get("DIES"):
    SCENARIOS.append(("test_its_lane_dies", "Its lane dies", ("D6",)))


def pytest_configure(config):
    for number in range(1, 7):
        config.addinivalue_line("markers", f"D{number}: an expectation")
    given_folder = getattr(config, "workerinput", {}).get("lanes")
    if given_folder:
        tell_lane(config, Path(given_folder))
        return
    config.lanes = Path(tempfile.mkdtemp(dir=config.rootpath))
    lanes = config.getoption("numprocesses") or 1
    if not config.getoption("numprocesses"):
        tell_lane(config, config.lanes)
    titles = {f"features/test_deploy.py::{node}": rest for node, *rest in SCENARIOS}

    def planned(item):
        return Planned(item.nodeid, *titles.get(item.nodeid, [item.nodeid]))

    shown = RunProgress(config, lanes=lanes, folder=config.lanes, planned=planned)
    # Of lanes the process that reports collects nothing here, as plugin/lanes.py has it do.
    shown.tests = [Planned(node, *rest) for node, rest in titles.items()]
    config.pluginmanager.register(shown)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    node.workerinput["lanes"] = str(node.config.lanes)


@pytest.fixture(autouse=True, scope="session")
def environment(pytestconfig):
    LaneSteps(pytestconfig.stash[LANE]).note("replacing the cluster")


@pytest.fixture
def unclean():
    yield
    raise RuntimeError("it cannot be cleaned up")


@given("a beginning")
def _():
    print("PRINTED BY A TEST")
    os.system("echo PRINTED BY A PROGRAM")
    wait = Timeout("go", 300, 0.05, "a test")
    converge(Path(os.environ["GO"]).exists, until=bool, what="the test goes on", timeout=wait)


@then("the promise is kept")
def _():
    pass


@given("something that cannot be cleaned up")
def _(unclean):
    pass


@then("the promise is broken")
def _():
    assert not "3 of 5 pods", "3 of 5 pods"


@then("it is skipped")
def _():
    pytest.skip("no browser here")


@then("the lane dies")
def _():
    os._exit(9)
"""
SETTINGS = """\
[pytest]
addopts = --strict-markers --strict-config --import-mode=importlib
    -p no:cacheprovider -p no:hypothesispytest -ra
bdd_features_base_dir = features
filterwarnings = error
"""
KEPT = "features/test_deploy.py::test_a_promise_is_kept"
#: How pytest ends its own lines of a test module.
SHARE = re.compile(r"\[ *\d+%\]")
CODES = re.compile(r"\x1b\[[?0-9;]*[A-Za-z]")
#: Seconds, the share that is done, sign, title, and what follows the scenario's own seconds.
ENDED = re.compile(r"^\[ *\d+\.\d s\] (\d/\d) (.) (.*) \(\d+\.\d s\)(: .*?)?(?: · about .* left)?$")


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    folder = tmp_path / "suite"
    (folder / "features").mkdir(parents=True)
    (folder / "features" / "deploy.feature").write_text(FEATURE)
    (folder / "features" / "test_deploy.py").write_text(MODULE)
    (folder / "unit").mkdir()
    (folder / "unit" / "test_unit.py").write_text(UNIT)
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "pytest.ini").write_text(SETTINGS)
    return folder


def environment(suite: Path, **more: str) -> dict[str, str]:
    own = {"PYTHONPATH": str(PROJECT), "GO": str(suite / "go"), "TERM": "xterm", "COLUMNS": "120"}
    inherited = {name: value for name, value in os.environ.items() if name != "CI"}
    return {**inherited, **own, **more}


def log(suite: Path, *arguments: str, **more: str) -> str:
    """What a run prints where nobody looks on."""
    (suite / "go").touch()
    done = ran(["-m", "pytest", *arguments], cwd=suite, env=environment(suite, **more))
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout
    return done.stdout


def before_summary(printed: str) -> str:
    return re.split("^=+ (?:ERRORS|FAILURES) =+", printed, maxsplit=1, flags=re.MULTILINE)[0]


def ended(printed: str) -> list[tuple[str, ...]]:
    lines = before_summary(printed).splitlines()
    return [match.groups("") for line in lines if (match := ENDED.match(line.rstrip()))]


OUTCOMES = {
    ("✓", "D1 A promise is kept", ""),
    ("✗", "D2 D3 A promise is broken", ": AssertionError: 3 of 5 pods"),
    ("○", "D4 Somebody skips it", ": Skipped: no browser here"),
    ("✗", "D5 Cleaning up fails", ": RuntimeError: it cannot be cleaned up"),
}


def test_a_log_has_a_line_a_scenario_and_the_names_of_no_files(suite: Path) -> None:
    printed = log(suite, "features", "-k", "not dies", "-n0")
    lines = ended(printed)
    assert [line[0] for line in lines] == ["1/4", "2/4", "3/4", "4/4"]
    assert {line[1:] for line in lines} == OUTCOMES
    assert "] replacing the cluster\n" in printed
    told = before_summary(printed)
    assert "test_deploy.py" not in told
    assert "PRINTED" not in told
    assert not SHARE.search(told)
    assert "1 failed, 2 passed, 1 skipped, 1 deselected, 1 error" in printed
    kept = json.loads((state_dir() / "durations.json").read_text())
    assert list(kept) == [KEPT]  # the only one that passed


def test_a_log_of_lanes_is_the_same_also_where_one_dies(suite: Path) -> None:
    printed = log(suite, "features", "-n2", DIES="1")
    lines = ended(printed)
    assert [line[0] for line in lines] == ["1/5", "2/5", "3/5", "4/5", "5/5"]
    assert {line[1:] for line in lines} > OUTCOMES
    (died,) = (line for line in lines if line[2] == "D6 Its lane dies")
    assert re.match(r": worker 'gw\d' crashed while running", died[3])
    assert re.search(r"\] gw0: replacing the cluster\n", printed)
    assert "PRINTED" not in before_summary(printed)


def test_other_tests_have_a_line_each_too_and_an_estimate_is_of_earlier_runs(suite: Path) -> None:
    durations = Durations.load()
    durations.add(KEPT, 100.0)
    durations.save()
    printed = log(suite, "unit", "features", "-k", "not dies", "-n0")
    told = before_summary(printed)
    lines = ended(printed)
    assert [line[:3] for line in lines[:2]] == [
        ("1/6", "✓", "unit/test_unit.py::test_one"),
        ("2/6", "✓", "unit/test_unit.py::test_two"),
    ]
    assert {line[1:] for line in lines[2:]} == OUTCOMES
    assert re.search(r"3/6 ✓ D1 A promise is kept \(\d\.\d s\) · about \d+ s left", told)
    assert not SHARE.search(told)
    assert "features/test_deploy.py" not in told
    kept = json.loads(durations.path.read_text())
    assert {*kept} == {KEPT, "unit/test_unit.py::test_one", "unit/test_unit.py::test_two"}
    first, second = kept[KEPT]
    assert first == 100.0
    assert second < 100.0


def test_with_v_pytest_has_its_own_lines_too(suite: Path) -> None:
    printed = log(suite, "features", "-k", "not dies", "-n0", "-v")
    assert {line[1:] for line in ended(printed)} == OUTCOMES
    assert "test_deploy.py::test_a_promise_is_kept" in before_summary(printed)


@pytest.mark.parametrize("lanes", ["-n0", "-n2"])
def test_a_terminal_shows_in_place_what_runs_and_what_is_waited_for(
    suite: Path, lanes: str
) -> None:
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (30, 120))
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "features", "-k", "not dies", lanes],
        cwd=suite,
        env=environment(suite),
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    printed = ""
    while True:
        try:
            more = os.read(master, 65536)
        except OSError:  # the other side is closed
            break
        printed += more.decode(errors="replace")
        if "waiting until" in printed:
            (suite / "go").touch()
    os.close(master)
    assert process.wait(AT_MOST) == pytest.ExitCode.TESTS_FAILED, printed
    told = before_summary(CODES.sub("", printed).replace("\r", "\n"))
    assert re.search(r"D1 A promise is kept +\d+ s waiting until the test ", told)
    assert re.search(r"━ \d/4 done · \d failed · \d+ s", told)
    assert {line[1:] for line in ended(told)} == OUTCOMES
    assert "test_deploy.py" not in told
    assert "PRINTED" not in told


# How a scenario ended.


def report(outcome: str, longrepr: object = None) -> pytest.TestReport:
    flags = {name: name == outcome for name in ("passed", "failed", "skipped")}
    return cast("pytest.TestReport", SimpleNamespace(longrepr=longrepr, **flags))


def crash(message: str) -> object:
    return SimpleNamespace(reprcrash=SimpleNamespace(message=message))


@pytest.mark.parametrize(
    ("outcomes", "ending"),
    [
        (["passed", "passed", "passed"], Ending.PASSED),
        (["passed", "failed", "passed"], Ending.FAILED),
        (["failed", "passed"], Ending.FAILED),
        (["passed", "skipped", "failed"], Ending.FAILED),
        (["skipped", "passed"], Ending.SKIPPED),
    ],
)
def test_the_worst_phase_is_how_a_scenario_ended(outcomes: list[str], ending: Ending) -> None:
    assert ending_of([report(outcome) for outcome in outcomes]) is ending


@pytest.mark.parametrize(
    ("reports", "reason"),
    [
        ([report("passed")], ""),
        ([report("passed"), report("failed", crash("3 of 5\nassert 3 == 5"))], "3 of 5"),
        ([report("skipped", ("file", 3, "Skipped: no browser"))], "Skipped: no browser"),
        ([report("skipped", ("f", 3, "later")), report("failed", "worker died")], "worker died"),
        ([report("failed", "x" * 1000)], "x" * (REASON_LENGTH - 1) + "…"),
    ],
)
def test_the_reason_is_the_first_line_of_what_went_wrong(
    reports: list[pytest.TestReport], reason: str
) -> None:
    assert reason_of(reports) == reason
