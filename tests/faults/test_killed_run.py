"""A run that is killed on a live cluster: who may take away what it left, and when."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshproof.cluster.objects import namespaces_of
from meshproof.environment.environment import Environment
from meshproof.errors import ExitCode
from meshproof.run.lanes import Lane
from meshproof.waiting import Timeout, converge
from tests.whole_runs import StrangeRun

#: Its Lease outlives a killed run by a minute.
FORGOTTEN = Timeout("forgotten", 120, 2, "a killed run holds its namespace for another minute")


@pytest.fixture
def stranger(environment: Environment, lane: Lane, tmp_path: Path) -> Iterator[StrangeRun]:
    started = StrangeRun(environment, f"{lane.namespace}-ended", tmp_path)
    yield started
    started.end()


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
