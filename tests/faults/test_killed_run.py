"""Runs that are killed on a live cluster, whole or one lane: the verdict, and what is left."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshproof.cluster.cluster import RUN_VARIABLE
from meshproof.cluster.objects import namespaces_of
from meshproof.environment.environment import Environment
from meshproof.errors import ExitCode
from meshproof.run.lanes import Lane
from meshproof.waiting import Timeout, converge
from tests.whole_runs import StrangeRun, strange_run

#: Seconds; a run of some scenarios in two lanes takes about 40.
ALL_OF_IT = 300.0
#: Its Lease outlives a killed run by a minute.
FORGOTTEN = Timeout("forgotten", 120, 2, "a killed run holds its namespace for another minute")


@pytest.fixture
def stranger(environment: Environment, lane: Lane, tmp_path: Path) -> Iterator[StrangeRun]:
    with strange_run(environment, lane, tmp_path) as started:
        yield started


def test_what_a_killed_run_left_is_cleaned_once_nobody_holds_it(stranger: StrangeRun) -> None:
    refused = stranger.clean()
    assert refused.exit_code == ExitCode.ENVIRONMENT, refused.transcript()
    assert namespaces_of(stranger.cluster, stranger.namespace) == [stranger.namespace]
    os.killpg(stranger.process.pid, signal.SIGKILL)
    stranger.process.wait()
    cleaned = converge(
        stranger.clean, until=lambda done: done.ok, what="it can be cleaned", timeout=FORGOTTEN
    ).value
    assert cleaned.stdout == f"taken away: {stranger.namespace}\n"
    assert namespaces_of(stranger.cluster, stranger.namespace) == []


def workers(process: int) -> list[int]:
    """The processes of a run's lanes, the first lane's first: Pythons that are told what to do."""
    found = []
    for thread in Path(f"/proc/{process}/task").iterdir():
        children = (int(child) for child in (thread / "children").read_text().split())
        found += [
            child
            for child in children
            if b"sys.stdin.readline" in Path(f"/proc/{child}/cmdline").read_bytes()
        ]
    return sorted(found)


@pytest.fixture
def in_lanes(environment: Environment, lane: Lane, tmp_path: Path) -> Iterator[StrangeRun]:
    # The first of several lanes does not begin without the way in for any host: this run's.
    lent = {RUN_VARIABLE: os.environ[RUN_VARIABLE]}
    with strange_run(environment, lane, tmp_path, "-n2", **lent) as started:
        yield started


def test_a_lane_that_is_killed_leaves_its_scenario_open_and_nothing_behind(
    in_lanes: StrangeRun,
) -> None:
    first, second = workers(in_lanes.process.pid)
    os.kill(first, signal.SIGKILL)
    assert in_lanes.process.wait(ALL_OF_IT) == ExitCode.ENVIRONMENT, in_lanes.said
    document = in_lanes.signoff()
    assert (document["verdict"], document["interrupted"]) == ("inconclusive", False), in_lanes.said
    (row,) = (row for row in document["expectations"] if row["id"] == "D3")
    told = [(scenario["outcome"], scenario["message"]) for scenario in row["scenarios"]]
    crashed = [message for outcome, message in told if outcome == "error"]
    assert len(crashed) == 1, told
    assert "worker 'gw0' crashed while running" in crashed[0], told
    assert namespaces_of(in_lanes.cluster, in_lanes.namespace) == []
    assert not Path(f"/proc/{second}").exists()
