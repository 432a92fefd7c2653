"""Runs that are told to end, or killed, on a live cluster: the verdict, and what is left.

Each moment at which a signal may come has a row in ``tests/faults/test_signals.py``.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from meshproof.cluster.cluster import RUN_VARIABLE
from meshproof.cluster.objects import namespaces_of
from meshproof.environment.environment import Environment
from meshproof.environment.leftovers import clean_up
from meshproof.errors import ExitCode
from meshproof.paths import PROJECT
from meshproof.process import Completed, run
from meshproof.progress import Progress
from meshproof.run.lanes import Lane
from meshproof.waiting import NAMESPACE_GONE, Timeout, converge
from tests.whole_runs import Stranger, run_of

#: Seconds until a verdict is there.
REPORTED = 5.0
#: Its Lease outlives a killed run by a minute.
FORGOTTEN = Timeout("forgotten", 120, 2, "a killed run holds its namespace for another minute")


class StrangeRun(Stranger):
    """A run of somebody else's on the same cluster, in a namespace of its own."""

    def __init__(self, environment: Environment, namespace: str, folder: Path) -> None:
        self.cluster, self.namespace = environment.cluster, namespace
        self.where = [f"--cluster-name={self.cluster.name}", f"--namespace={namespace}"]
        typed = run_of("features", folder / "reports", "-m", "D3", *self.where)
        super().__init__([sys.executable, *typed], folder)

    def clean(self) -> Completed:
        """Run `meshproof clean` for its namespace."""
        program = Path(sys.executable).with_name("meshproof")
        return run(
            [program, "clean", *self.where],
            check=False,
            cwd=PROJECT,
            env={RUN_VARIABLE: ""},
            timeout=NAMESPACE_GONE.seconds + 60,
        )


@pytest.fixture
def stranger(environment: Environment, lane: Lane, tmp_path: Path) -> Iterator[StrangeRun]:
    started = StrangeRun(environment, f"{lane.namespace}-ended", tmp_path)
    started.await_pods(started.cluster, started.namespace)  # so it waits for its workloads itself
    yield started
    started.kill()
    clean_up(replace(environment.cluster, owner=None), started.namespace, Progress())


def test_a_run_that_is_told_to_end_reports_and_leaves_nothing(stranger: StrangeRun) -> None:
    told = stranger.tell(signal.SIGTERM)
    document = stranger.signoff()
    assert time.monotonic() - told < REPORTED
    assert (document["verdict"], document["interrupted"]) == ("inconclusive", True)
    code = stranger.process.wait(NAMESPACE_GONE.seconds)
    assert code == ExitCode.TERMINATED, stranger.said
    assert namespaces_of(stranger.cluster, stranger.namespace) == []


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
