"""A run that is told to end on a live cluster: its verdict, and what is left.

Each moment at which a signal may come has a row in ``tests/faults/test_signals.py``; one that is
killed, ``tests/faults/test_killed_run.py``.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshproof.cluster.objects import namespaces_of
from meshproof.environment.environment import Environment
from meshproof.errors import ExitCode
from meshproof.run.lanes import Lane
from meshproof.waiting import NAMESPACE_GONE
from tests.whole_runs import StrangeRun, strange_run

#: Seconds until a verdict is there.
REPORTED = 5.0


@pytest.fixture
def stranger(environment: Environment, lane: Lane, tmp_path: Path) -> Iterator[StrangeRun]:
    with strange_run(environment, lane, tmp_path) as started:
        yield started


def test_a_run_that_is_told_to_end_reports_and_leaves_nothing(stranger: StrangeRun) -> None:
    told = stranger.tell(signal.SIGTERM)
    document = stranger.signoff()
    assert time.monotonic() - told < REPORTED
    assert (document["verdict"], document["interrupted"]) == ("inconclusive", True)
    code = stranger.process.wait(NAMESPACE_GONE.seconds)
    assert code == ExitCode.TERMINATED, stranger.said
    assert namespaces_of(stranger.cluster, stranger.namespace) == []
