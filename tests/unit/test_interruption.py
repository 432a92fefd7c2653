"""Signals, sent to whole runs: on a suite of its own, which needs no cluster."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest

from meshproof import interruption as module
from meshproof.errors import EnvironmentBroken, ExitCode
from meshproof.interruption import Interrupted, Interruption, _is_tox, interruption
from meshproof.paths import PROJECT
from meshproof.waiting import Timeout, converge
from tests.forked import Forked
from tests.tox_runs import acceptance

#: Seconds until there is a verdict and its reports; and how long each test may take at most.
REPORTED, AT_MOST = 5.0, 60.0
START = Timeout("start", 60, 0.05, "pytest and its plugins are imported within some seconds")
SOON = Timeout("soon", 20, 0.02, "within the bounds of the test")

FEATURE = """\
Feature: What is interrupted
  @deploy @D1
  Scenario: It was done before
    Then it is kept

  @deploy @D2
  Scenario: A command runs
    Given something to be put back
    Then a command runs

  @deploy @D3
  Scenario: Something is waited for
    Given something to be put back
    Then something is waited for

  @deploy @D4
  Scenario: Something swallows the interrupt
    Given something to be put back
    Then the interrupt is swallowed

  @deploy @D5
  Scenario: A thread is waited for
    Given something to be put back
    Then a thread is waited for
"""
MODULE = """\
from pathlib import Path

from pytest_bdd import scenarios

scenarios("deploy.feature")
"""
CONFTEST = """\
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pytest_bdd import given, then

from fixtures_of_the_suite import *
from meshproof.process import run
from meshproof.waiting import Timeout, converge
from tests.tox_runs import acceptance

HERE = Path(__file__).parent
LONG = Timeout("long", 300, 0.1, "a test interrupts it")
COMMAND = ["sh", "-c", 'sleep 300 & echo $! >"$0"; wait', str(HERE / "child")]


@pytest.fixture(autouse=True, scope="session")
def environment():
    yield


@pytest.fixture(autouse=True)
def _environment_first():
    # As the suite's own, but there is no cluster whose state a failure could show.
    pass


@given("something to be put back")
def _(put_back):
    pass


@pytest.fixture
def put_back():
    yield
    converge(lambda: time.sleep(float(os.environ["PUT_BACK"])), until=lambda _: True,
             what="it is put back", timeout=LONG)
    (HERE / "put back").touch()


@then("it is kept")
def _():
    pass


def begun():
    (HERE / "begun").touch()


@then("a command runs")
def _():
    begun()
    run(COMMAND, timeout=300)


@then("something is waited for")
def _():
    begun()
    converge(lambda: 0, until=bool, what="it happens", timeout=LONG)


@then("the interrupt is swallowed")
def _():
    begun()
    while not (HERE / "reports" / "signoff.json").exists():
        try:
            time.sleep(300)
        except KeyboardInterrupt:
            pass
    time.sleep(300)


@then("a thread is waited for")
def _():
    begun()
    with ThreadPoolExecutor() as pool:
        pool.submit(run, COMMAND, timeout=300).result()
"""
#: What `meshproof run` does in a project; this suite is in none, and chooses its plugins itself.
ENTRY = "entry.py"
RUN = """\
import sys
from meshproof.plugin.main import run_and_exit
run_and_exit(sys.argv[1:])
"""
PLUGINS = """\
pytest_plugins = [
    "meshproof.plugin.options", "meshproof.plugin.run_folder", "meshproof.plugin.scenarios",
    "meshproof.plugin.quick", "meshproof.plugin.outcomes", "meshproof.plugin.lane_events",
    "meshproof.plugin.run_progress", "meshproof.plugin.reporting",
    "meshproof.plugin.allure_results", "meshproof.plugin.environment",
    "meshproof.plugin.evidence", "meshproof.plugin.tutorial",
    "meshproof.plugin.sampling", "meshproof.plugin.breakages",
    "meshproof.plugin.breakage_runs", "meshproof.plugin.lanes",
    "meshproof.plugin.interruption", "tests.no_environment",
]
"""
SETTINGS = """\
[pytest]
addopts = --strict-markers --strict-config --import-mode=importlib
    -p no:cacheprovider -p no:hypothesispytest
bdd_features_base_dir = features
filterwarnings = error
"""


@dataclass
class Run:
    """A run of one scenario, once its step has begun."""

    root: Path
    process: subprocess.Popen[str] | Forked
    told: float = 0.0

    def tell(self, number: signal.Signals) -> None:
        """Send it a signal; the first one's time counts."""
        self.told = self.told or time.monotonic()
        self.process.send_signal(number)

    def await_verdict(self) -> dict[str, Any]:
        """Return its sign-off once there is one that can be read. Says how long it took."""
        file = self.root / "reports" / "signoff.json"
        seen = converge(
            lambda: json.loads(file.read_text()), until=bool, what="a sign-off", timeout=SOON
        )
        assert time.monotonic() - self.told < REPORTED
        document: dict[str, Any] = seen.value
        return document

    def end(self) -> tuple[int, str]:
        """Its exit code and what it said, once it has ended."""
        said, _ = self.process.communicate(timeout=AT_MOST)
        return self.process.wait(), said

    @property
    def was_put_back(self) -> bool:
        return (self.root / "put back").exists()


class Suite:
    """Starts runs, each in a process of its own, and ends those that are left."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.started: list[subprocess.Popen[str] | Forked] = []

    def start(
        self, scenario: str, *more: str, put_back: float = 0.0, by: Sequence[str] = ()
    ) -> Run:
        typed = ["features", "-k", scenario, "--no-allure-report", *more]
        env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("MESHPROOF_")},
            "PYTHONPATH": f"{PROJECT}{os.pathsep}{self.root}",
            "MESHPROOF_STATE": str(self.root / "state"),
            "PUT_BACK": str(put_back),
        }
        process = (
            subprocess.Popen(
                [*by, *typed], cwd=self.root, env=env,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
            )
            if by
            else Forked([ENTRY, *typed], cwd=self.root, env=env)
        )  # fmt: skip
        self.started.append(process)
        converge(
            lambda: process.poll() is not None or (self.root / "begun").exists(),
            until=bool, what="its step has begun", timeout=START,
        )  # fmt: skip
        assert process.poll() is None, process.communicate()
        return Run(self.root, process)

    def child(self) -> int:
        """The id of the process that a run's command has started, once it has."""
        file = self.root / "child"
        return converge(
            lambda: int(file.read_text()), until=bool, what="its command runs", timeout=SOON
        ).value


@pytest.fixture(autouse=True)
def _hangup_is_no_longer_ignored_by_children() -> Iterator[None]:
    """Have children heed SIGHUP also where these tests were started with `nohup`.

    What is ignored stays so in a child; a handler does not, and this one ignores it here, too.
    """
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    if ignored:
        signal.signal(signal.SIGHUP, lambda *_: None)
    yield
    if ignored:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


@pytest.fixture
def suite(tmp_path: Path) -> Iterator[Suite]:
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "deploy.feature").write_text(FEATURE)
    (tmp_path / "features" / "test_deploy.py").write_text(MODULE)
    (tmp_path / "conftest.py").write_text(
        CONFTEST.replace("from fixtures_of_the_suite import *\n", PLUGINS)
    )
    (tmp_path / "pytest.ini").write_text(SETTINGS)
    (tmp_path / ENTRY).write_text(RUN)
    made = Suite(tmp_path)
    yield made
    for process in made.started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.stdout:
            process.stdout.close()


CODES = {
    signal.SIGINT: ExitCode.INTERRUPTED,
    signal.SIGTERM: ExitCode.TERMINATED,
    signal.SIGHUP: ExitCode.HUNG_UP,
}


@pytest.mark.parametrize("number", CODES)
def test_each_signal_ends_in_a_verdict_and_its_code(suite: Suite, number: signal.Signals) -> None:
    run = suite.start("waited_for and something or done")
    run.tell(number)
    document = run.await_verdict()
    assert (document["verdict"], document["interrupted"]) == ("inconclusive", True)
    assert [document["counts"][name] for name in ("collected", "passed")] == [2, 1]
    code, said = run.end()
    assert code == CODES[number], said
    assert "Verdict: inconclusive" in said
    assert run.was_put_back
    assert (suite.root / "reports" / "junit.xml").exists()
    assert (suite.root / "reports" / "signoff.html").exists()


@pytest.mark.parametrize("scenario", ["command", "thread"])
def test_a_command_ends_with_what_it_has_started(suite: Suite, scenario: str) -> None:
    run = suite.start(scenario)
    pid = suite.child()
    run.tell(signal.SIGTERM)
    run.await_verdict()
    code, said = run.end()
    assert code == ExitCode.TERMINATED, said
    assert run.was_put_back
    stat = Path(f"/proc/{pid}/stat")
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


def test_the_verdict_does_not_wait_for_what_is_put_back(suite: Suite) -> None:
    run = suite.start("command", put_back=7)
    run.tell(signal.SIGTERM)
    run.await_verdict()
    assert not run.was_put_back
    code, _ = run.end()
    assert code == ExitCode.TERMINATED
    assert run.was_put_back


def test_the_verdict_does_not_wait_for_what_swallows_the_interrupt(suite: Suite) -> None:
    run = suite.start("swallows")
    run.tell(signal.SIGTERM)
    assert run.await_verdict()["verdict"] == "inconclusive"
    code, said = run.end()
    assert code == ExitCode.TERMINATED, said
    assert run.was_put_back


def test_a_second_signal_ends_at_once_and_says_what_is_left(suite: Suite) -> None:
    run = suite.start("command", "--namespace=mine", put_back=300)
    run.tell(signal.SIGTERM)
    run.await_verdict()
    time.sleep(1)  # what comes sooner is the same interrupt twice
    begun = time.monotonic()
    run.tell(signal.SIGINT)
    code, said = run.end()
    assert time.monotonic() - begun < 2
    assert code == ExitCode.INTERRUPTED
    assert "meshproof: ended at once by a second signal." in said
    assert "`meshproof clean --namespace mine`" in said
    assert not run.was_put_back


def test_the_same_interrupt_twice_is_one(suite: Suite) -> None:
    # As tox does, which passes Ctrl-C on to its child, who had it from the terminal.
    run = suite.start("command", put_back=1)
    run.tell(signal.SIGINT)
    run.tell(signal.SIGINT)
    code, said = run.end()
    assert (code, run.was_put_back) == (ExitCode.INTERRUPTED, True), said


@pytest.mark.parametrize("to_all", [False, True], ids=["to the run", "to its lanes, too"])
def test_lanes_put_back_what_they_changed(suite: Suite, to_all: bool) -> None:
    run = suite.start("command", "-n2", put_back=7)
    if to_all:
        run.told = time.monotonic()
        os.killpg(run.process.pid, signal.SIGINT)
    else:
        run.tell(signal.SIGINT)
    assert run.await_verdict()["interrupted"]
    code, said = run.end()
    assert (code, run.was_put_back) == (ExitCode.INTERRUPTED, True), said
    # Nor did it bring up a cluster of the name that the run around it wants.
    assert not (suite.root / "state" / "clusters").exists()


def test_nobody_reads_what_a_run_says_when_its_terminal_is_gone(suite: Suite) -> None:
    run = suite.start("command", put_back=1)
    assert run.process.stdout
    run.process.stdout.close()
    run.tell(signal.SIGHUP)
    assert run.await_verdict()["interrupted"]
    assert run.process.wait(AT_MOST) == ExitCode.HUNG_UP
    assert run.was_put_back


def tox(suite: Suite) -> list[str]:
    """The command of the README, on this suite and with the packages that the tests run with."""
    settings = (PROJECT / "tox.ini").read_text()
    (suite.root / "tox.ini").write_text(
        settings.replace("python -m meshproof run", f"python {ENTRY}")
    )
    return acceptance()


@pytest.mark.parametrize(
    ("number", "to_all"),
    [(signal.SIGINT, False), (signal.SIGINT, True), (signal.SIGTERM, False)],
    ids=["SIGINT to tox", "Ctrl-C", "SIGTERM to tox"],
)
def test_a_run_through_tox_has_the_time_that_it_needs(
    suite: Suite, number: signal.Signals, to_all: bool
) -> None:
    run = suite.start("command", put_back=3, by=tox(suite))
    pid = suite.child()
    run.told = time.monotonic()
    if to_all:
        os.killpg(run.process.pid, number)
    else:
        run.process.send_signal(number)
    assert run.await_verdict()["verdict"] == "inconclusive"
    converge(lambda: run.was_put_back, until=bool, what="it is put back", timeout=SOON)
    run.end()
    stat = Path(f"/proc/{pid}/stat")
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


class EndedAtOnce(Exception):
    """The process would have ended."""


@pytest.mark.parametrize(
    ("by_tox", "seconds"), [(True, [5.0, 6.0]), (True, [40.0]), (False, [5.0])]
)
def test_what_tox_passes_on_late_is_the_same_interrupt_once(
    monkeypatch: pytest.MonkeyPatch, by_tox: bool, seconds: list[float]
) -> None:
    now = 100.0

    def end(code: int) -> NoReturn:
        raise EndedAtOnce(code)

    monkeypatch.setattr(module, "_is_tox", lambda _: by_tox)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(os, "_exit", end)
    found = Interruption()
    found.install(left=lambda: "all")
    with pytest.raises(KeyboardInterrupt):
        found._receive(signal.SIGINT, None)
    *passed_on, last = seconds
    for since in passed_on:
        now = 100.0 + since
        found._receive(signal.SIGINT, None)
    now = 100.0 + last
    with pytest.raises(EndedAtOnce):
        found._receive(signal.SIGINT, None)


@pytest.mark.parametrize(
    ("command", "is_tox"),
    [(["-m", "tox", "run"], True), (["bin/tox", "run"], True), (["other.py", "bin/tox"], False)],
)
def test_tox_is_told_by_its_command(tmp_path: Path, command: list[str], is_tox: bool) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("tox.py", "bin/tox", "other.py"):
        (tmp_path / name).write_text("import sys; print(flush=True); sys.stdin.read()")
    child = subprocess.Popen(
        [sys.executable, *command], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert child.stdout and child.stdout.readline()  # it has its command by now
        assert _is_tox(child.pid) is is_tox
    finally:
        child.communicate()
    assert not _is_tox(child.pid)


STARTER = """\
import subprocess, sys, threading, time

def start():
    child = subprocess.Popen([sys.executable, *sys.argv[2:]], stdout=subprocess.PIPE)
    child.stdout.readline()

thread = threading.Thread(target=start)
thread.start()
thread.join()  # its end is told to the child, which still has its parent, and a reader
time.sleep(float(sys.argv[1]))
"""
STARTED = """\
import sys, time
from pathlib import Path
from meshproof.interruption import end_with_parent, interruption

interruption.install(left=lambda: "")
end_with_parent()
try:
    print("started", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    until = time.monotonic() + 3
    while time.monotonic() < until:
        time.sleep(0.05)
    print("taken down", flush=True)
    Path(sys.argv[1]).touch()
"""


@pytest.mark.parametrize("later", [0.3, 1.5])
def test_a_parent_that_ends_by_and_by_is_one_interrupt_and_no_reader(
    tmp_path: Path, later: float
) -> None:
    taken_down = tmp_path / "taken down"
    started = tmp_path / "started.py"
    started.write_text(STARTED)
    subprocess.run(
        [sys.executable, "-c", STARTER, str(later), started, taken_down],
        check=True, timeout=AT_MOST, cwd=PROJECT, env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )  # fmt: skip
    converge(taken_down.exists, until=bool, what="it was taken down", timeout=SOON)


# In one process.


def test_waiting_ends_in_every_thread_until_things_are_taken_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(interruption, "_stopped", True)
    with pytest.raises(Interrupted):
        converge(lambda: 1, until=bool, what="it", timeout=SOON)
    assert issubclass(Interrupted, EnvironmentBroken)
    interruption.resume()
    assert converge(lambda: 1, until=bool, what="it", timeout=SOON).value == 1


def test_nobody_told_it_to_end() -> None:
    one = Interruption()
    assert (one.number, one.exit_code) == (None, None)
    one.check()
