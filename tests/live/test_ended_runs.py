"""Runs that are told to end, or killed, on a live cluster: the verdict, and what is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from meshproof.cluster.cluster import RUN_VARIABLE
from meshproof.environment import Environment
from meshproof.errors import ExitCode
from meshproof.lanes import Lane
from meshproof.leftovers import clean_up
from meshproof.paths import ROOT
from meshproof.process import Completed, run
from meshproof.progress import Progress
from meshproof.tutorial.objects import get, namespaces_of
from meshproof.waiting import ENVIRONMENT_UP, NAMESPACE_GONE, Timeout, converge

#: Seconds until a verdict is there.
REPORTED = 5.0
READ = Timeout("read", 30, 0.05, "a verdict is there within five seconds")
#: Its Lease outlives a killed run by a minute.
FORGOTTEN = Timeout("forgotten", 120, 2, "a killed run holds its namespace for another minute")


class Stranger:
    """A run of somebody else's on the same cluster, in a namespace of its own."""

    def __init__(self, environment: Environment, namespace: str, folder: Path) -> None:
        self.cluster, self.namespace = environment.cluster, namespace
        self.reports, self.log = folder / "reports", folder / "log"
        # Nothing says that this run's tests have started it.
        self.variables = {k: v for k, v in os.environ.items() if k != RUN_VARIABLE}
        self.where = [f"--cluster-name={self.cluster.name}", f"--namespace={namespace}"]
        mine = [f"--reports={self.reports}", "--no-allure-report", "-p", "no:cacheprovider"]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "acceptance.py", "features", "-m", "D3", *self.where, *mine],
                cwd=ROOT,
                env=self.variables,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def await_pods(self) -> None:
        """Wait until it has pods, and so waits for its workloads itself."""
        converge(
            lambda: (
                self.process.poll() is not None
                or get(self.cluster, f"/api/v1/namespaces/{self.namespace}/pods")["items"]
            ),
            until=bool,
            what="the other run has pods",
            timeout=ENVIRONMENT_UP,
        )
        assert self.process.poll() is None, self.log.read_text()

    def clean(self) -> Completed:
        """Run `meshproof clean` for its namespace."""
        program = Path(sys.executable).with_name("meshproof")
        return run(
            [program, "clean", *self.where],
            check=False,
            cwd=ROOT,
            env={RUN_VARIABLE: ""},
            timeout=NAMESPACE_GONE.seconds + 60,
        )


@pytest.fixture
def stranger(environment: Environment, lane: Lane, tmp_path: Path) -> Iterator[Stranger]:
    started = Stranger(environment, f"{lane.namespace}-ended", tmp_path)
    started.await_pods()
    yield started
    if started.process.poll() is None:
        os.killpg(started.process.pid, signal.SIGKILL)
        started.process.wait()
    clean_up(replace(environment.cluster, owner=None), started.namespace, Progress())


def test_a_run_that_is_told_to_end_reports_and_leaves_nothing(stranger: Stranger) -> None:
    told = time.monotonic()
    stranger.process.send_signal(signal.SIGTERM)
    file = stranger.reports / "signoff.json"
    document = converge(
        lambda: json.loads(file.read_text()), until=bool, what="a sign-off", timeout=READ
    ).value
    assert time.monotonic() - told < REPORTED
    assert (document["verdict"], document["interrupted"]) == ("inconclusive", True)
    code = stranger.process.wait(NAMESPACE_GONE.seconds)
    assert code == ExitCode.TERMINATED, stranger.log.read_text()
    assert namespaces_of(stranger.cluster, stranger.namespace) == []


def test_what_a_killed_run_left_is_cleaned_once_nobody_holds_it(stranger: Stranger) -> None:
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
