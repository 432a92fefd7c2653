"""Signals at each moment of a run and of the command: the verdict, the code, what is left.

They write what they measure as a table, for docs/exit-codes.md, to ``signals.md`` in the reports
folder (`tox run -e faults -- -k signals`).
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from meshproof.cluster.cluster import RUN_VARIABLE
from meshproof.cluster.kind import LABEL
from meshproof.cluster.objects import namespaces_of
from meshproof.environment.environment import Environment
from meshproof.environment.options import Options
from meshproof.errors import ExitCode
from meshproof.paths import PROJECT, state_dir
from meshproof.process import run
from meshproof.run.lanes import Lane
from meshproof.signoff.reports_folder import mark
from tests.tox_runs import acceptance
from tests.whole_runs import MESHPROOF, Stranger, take_away, writing_to

pytestmark = pytest.mark.exclusive

#: Seconds until a verdict is there, and until all is taken down.
REPORTED, ENDED = 5.0, 180.0
CODES = {
    signal.SIGINT: ExitCode.INTERRUPTED,
    signal.SIGTERM: ExitCode.TERMINATED,
    signal.SIGHUP: ExitCode.HUNG_UP,
}
#: Whatever a process starts has this of its environment, and is known by its value.
MARK = "MESHPROOF_STARTED_BY"
#: A program that is installed beside this Python.
PROGRAMS = Path(sys.executable).parent


@dataclass(frozen=True)
class Moment:
    """When a signal comes: once a line is said, or pods are there that a stage brings.

    ``own_cluster`` says that the process makes a cluster of its own; ``lent`` that it is lent the
    way in for any host by the run around it, which the first of several lanes does not begin
    without; ``typed`` is what it is told besides.
    """

    line: str = ""
    number: signal.Signals = signal.SIGTERM
    typed: tuple[str, ...] = ()
    own_cluster: bool = False
    to_all: bool = False
    lent: bool = False


OF_RUNS = {
    "collection": Moment(r"^rootdir: "),
    "bring-up: the cluster of its own is created": Moment("▸ create cluster", own_cluster=True),
    "bring-up: images are loaded into it": Moment("▸ load ", signal.SIGINT, own_cluster=True),
    "bring-up: Istio is installed in it": Moment("▸ install Istio", own_cluster=True),
    "a stage is entered": Moment(),
    "a stage is entered, Ctrl-C": Moment(number=signal.SIGINT, to_all=True),
    "a stage is entered, its terminal is closed": Moment(number=signal.SIGHUP),
    "two lanes": Moment(typed=("-n2",), lent=True),
}


@dataclass
class Table:
    """What was measured, as rows of a table."""

    file: Path

    def row(self, moment: str, number: signal.Signals, *cells: object) -> None:
        """Add a row."""
        told = [f"{cell:.1f}" if isinstance(cell, float) else str(cell) for cell in cells]
        with self.file.open("a") as file:
            file.write(f"| {' | '.join([moment, number.name, *told])} |\n")


@pytest.fixture(scope="module")
def table(options: Options) -> Table:
    file = Path(options.reports) / "signals.md"
    mark(file.parent)  # the next run may write there
    file.write_text(
        "| moment | signal | verdict and reports after (s) | ended after (s) | code | left |\n"
        "|---|---|---|---|---|---|\n"
    )
    return Table(file)


class Started:
    """Processes that tests start on the same machine, and what they may leave on it."""

    def __init__(self, environment: Environment, lane: Lane, folder: Path) -> None:
        self.environment, self.folder = environment, folder
        self.namespace = f"{lane.namespace}-ended"
        self.own = f"{environment.cluster.name}-ended"
        self.mark = str(folder)
        self.processes: list[Stranger] = []

    def run(self, moment: Moment, *, by: Sequence[str] = ()) -> Stranger:
        """A run of one expectation's scenarios, told at its moment."""
        where = self.own if moment.own_cluster else self.environment.cluster.name
        begin = by or (sys.executable, *MESHPROOF, "run", "features")
        there = (f"--cluster-name={where}", f"--namespace={self.namespace}")
        own = writing_to(self.folder / "reports")
        return self._told([*begin, "-m", "D3", *there, *own, *moment.typed], moment)

    def command(self, moment: Moment, **variables: str) -> Stranger:
        """The command `meshproof`, told at its moment."""
        return self._told([PROGRAMS / "meshproof", *moment.typed], moment, **variables)

    def _told(self, command: list[str | Path], moment: Moment, **variables: str) -> Stranger:
        if moment.lent:
            variables[RUN_VARIABLE] = os.environ[RUN_VARIABLE]
        started = Stranger(command, self.folder, **{MARK: self.mark, **variables})
        self.processes.append(started)
        if moment.line:
            started.await_line(moment.line)
        else:
            started.await_pods(self.environment.cluster, self.namespace)
        self.told = started.tell(moment.number, to_all=moment.to_all)
        return started

    def left(self) -> str:
        """What is left of a run or a cluster of its own, and what still runs, in words."""
        engine = self.environment.engine
        assert engine is not None, "its nodes are containers of this machine"
        namespaces = namespaces_of(self.environment.cluster, self.namespace)
        found = [f"namespace {name}" for name in namespaces]
        containers = engine.containers(f"{LABEL}={self.own}")
        found += [f"container {container.name}" for container in containers]
        state = state_dir() / "clusters" / self.own
        found += [name for name in ("kubeconfig", "nodes.json") if (state / name).exists()]
        found += [f"process {name}" for name in marked(f"{MARK}={self.mark}")]
        return ", ".join(found) or "nothing"

    def take_away(self) -> None:
        """End what runs, and take away whatever is left."""
        for process in self.processes:
            process.kill()
        take_away(self.environment.cluster, self.namespace)
        run(
            [PROGRAMS / "meshproof", "down", f"--cluster-name={self.own}"],
            check=False, cwd=PROJECT, timeout=ENDED,
        )  # fmt: skip


def marked(setting: str) -> list[str]:
    """The programs that run with a setting in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            if setting.encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "comm").read_text().strip())
    return found


@pytest.fixture
def started(environment: Environment, lane: Lane, tmp_path: Path) -> Iterator[Started]:
    started = Started(environment, lane, tmp_path)
    yield started
    started.take_away()


@pytest.mark.parametrize("name", OF_RUNS)
def test_a_run_reports_within_five_seconds_and_leaves_nothing(
    started: Started, table: Table, name: str
) -> None:
    moment = OF_RUNS[name]
    told = started.run(moment)
    document = told.signoff()
    reported = time.monotonic() - started.told
    code = told.process.wait(ENDED)
    ended = time.monotonic() - started.told
    left = started.left()
    table.row(name, moment.number, reported, ended, code, left)
    assert (document["verdict"], document["interrupted"]) == ("inconclusive", True), told.said
    assert (code, left) == (CODES[moment.number], "nothing"), told.said
    assert reported < REPORTED


def test_a_run_through_tox_reports_and_leaves_nothing(started: Started, table: Table) -> None:
    moment = Moment()
    told = started.run(moment, by=acceptance(f"--workdir={started.folder / 'tox'}"))
    document = told.signoff()
    reported = time.monotonic() - started.told
    told.process.wait(ENDED)
    # tox has ended at once, without a word to its child.
    while started.left() != "nothing" and time.monotonic() - started.told < ENDED:
        time.sleep(0.5)
    ended = time.monotonic() - started.told
    left = started.left()
    table.row("a stage is entered, through tox", moment.number, reported, ended, "tox's own", left)
    assert (document["verdict"], document["interrupted"]) == ("inconclusive", True), told.said
    assert left == "nothing", told.said
    assert reported < REPORTED


def test_a_second_signal_ends_a_run_at_once_and_says_what_is_left(
    started: Started, table: Table
) -> None:
    told = started.run(Moment())
    told.signoff()
    time.sleep(max(0.0, started.told + 1.5 - time.monotonic()))
    again = told.tell(signal.SIGINT)
    code = told.process.wait(ENDED)
    ended = time.monotonic() - again
    left = started.left()
    table.row("a stage was entered, the second signal", signal.SIGINT, "none", ended, code, left)
    assert code == CODES[signal.SIGINT], told.said
    assert ended < REPORTED
    if left != "nothing":
        assert f"`meshproof clean --namespace {started.namespace}" in told.said


OF_THE_COMMAND = {
    "`up`: the cluster is created": Moment("▸ create cluster", typed=("up",)),
    "`up`: images are loaded": Moment("▸ load ", signal.SIGINT, typed=("up",)),
    "`up`: Istio is installed": Moment("▸ install Istio", signal.SIGHUP, typed=("up",)),
}


@pytest.mark.parametrize("name", OF_THE_COMMAND)
def test_up_ends_and_what_it_made_is_taken_up_or_down_by_the_next(
    started: Started, table: Table, name: str
) -> None:
    moment = OF_THE_COMMAND[name]
    told = started.command(replace(moment, typed=(*moment.typed, f"--cluster-name={started.own}")))
    code = told.process.wait(ENDED)
    ended = time.monotonic() - started.told
    table.row(name, moment.number, "none", ended, code, started.left())
    assert code == CODES[moment.number], told.said
    assert "Traceback" not in told.said
    down = run([PROGRAMS / "meshproof", "down", f"--cluster-name={started.own}"], cwd=PROJECT)
    assert started.left() == "nothing", down.transcript()


def test_a_build_ends_and_leaves_no_part_of_it(started: Started, table: Table) -> None:
    cache = started.folder / "cache"
    moment = Moment("▸ ", typed=("build", "kind"))
    told = started.command(moment, MESHPROOF_CACHE=str(cache))
    code = told.process.wait(ENDED)
    ended = time.monotonic() - started.told
    parts = [*cache.glob("artefacts/kind*"), *cache.glob("unfinished/*")]
    runs = marked(f"{MARK}={started.mark}")
    left = ", ".join([*(path.name for path in parts), *runs]) or "nothing"
    table.row("`build`: a recipe is made", moment.number, "none", ended, code, left)
    assert code == CODES[moment.number], told.said
    assert left == "nothing", told.said
