"""Runs as whole processes, from the arguments to the exit code and the reports, on a live mesh."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from meshproof.cluster.cluster import RUN_VARIABLE, Cluster
from meshproof.cluster.lease import drop, of_namespace
from meshproof.cluster.objects import get, namespace_object
from meshproof.environment.environment import Environment
from meshproof.environment.leftovers import clean_up
from meshproof.environment.options import Options
from meshproof.paths import PROJECT
from meshproof.process import Completed, run
from meshproof.progress import Progress
from meshproof.run.lanes import Lane
from meshproof.waiting import ENVIRONMENT_UP, NAMESPACE_GONE, Timeout, converge

#: Seconds; a run of one scenario takes some 15.
RUN_TIMEOUT = 300.0
#: A verdict is there five seconds after a signal.
READ = Timeout("read", 30, 0.05, "a verdict is there within five seconds")
#: The command, as arguments of the Python that these tests run with.
MESHPROOF = ("-m", "meshproof")


def writing_to(reports: Path) -> list[str]:
    """The arguments of a run that writes its reports and nothing beside them."""
    return ["-p", "no:cacheprovider", "--no-allure-report", f"--reports={reports}"]


def run_of(features: str, reports: Path, *arguments: str) -> list[str]:
    """Python's arguments for a run of features, which writes its reports and nothing beside."""
    return [*MESHPROOF, "run", features, *writing_to(reports), *arguments]


@dataclass(frozen=True)
class Ended:
    """A run that has ended: its exit code, what it printed, and its sign-off."""

    code: int
    printed: str
    signoff: dict[str, Any]

    def row(self, expectation: str) -> dict[str, Any]:
        """What the sign-off says of an expectation."""
        (found,) = (row for row in self.signoff["expectations"] if row["id"] == expectation)
        row: dict[str, Any] = found
        return row


class WholeRuns:
    """Starts runs on the cluster of the run around them, in a namespace of their own.

    The way in for any host is for that run's lanes.
    """

    def __init__(
        self, environment: Environment, options: Options, namespace: str, reports: Path
    ) -> None:
        """Nothing has run yet."""
        self.cluster, self.namespace, self.reports = environment.cluster, namespace, reports
        where = {"cluster": options.cluster, "cluster-name": self.cluster.name}
        if options.kube_context:
            where["kube-context"] = options.kube_context
        where["namespace"] = namespace
        self.where = [f"--{name}={value}" for name, value in where.items()]

    def __call__(self, *arguments: str) -> Ended:
        """Run the scenarios that the arguments select, and return how that ended."""
        done = run(
            [sys.executable, *run_of("features", self.reports, *self.where, *arguments)],
            check=False,
            cwd=PROJECT,
            timeout=RUN_TIMEOUT,
        )
        signoff = json.loads((self.reports / "signoff.json").read_text())
        return Ended(done.exit_code, done.transcript(), signoff)

    @contextmanager
    def meanwhile(self, act: Callable[[], object]) -> Iterator[None]:
        """Have something done as soon as a run has its namespace. Raises what it raises."""

        def once_it_is_there() -> None:
            converge(
                lambda: namespace_object(self.cluster, self.namespace),
                until=bool,
                what=f"namespace {self.namespace} is there",
                timeout=ENVIRONMENT_UP,
            )
            act()

        with ThreadPoolExecutor(1) as pool:
            acting = pool.submit(once_it_is_there)
            yield
            acting.result()

    def clean_up(self) -> None:
        """Take away what they left, whoever made it.

        They have ended, and one whose ground was struck could not give its Lease back.
        """
        take_away(self.cluster, self.namespace)


@contextmanager
def runs_beside(
    environment: Environment, lane: Lane, options: Options, name: str, reports: Path
) -> Iterator[WholeRuns]:
    """Have such runs in a namespace beside a lane's, where nothing is before and after."""
    runs = WholeRuns(environment, options, f"{lane.namespace}-{name}", reports)
    runs.clean_up()  # what a run that was killed has left
    try:
        yield runs
    finally:
        runs.clean_up()


class Stranger:
    """A process of somebody else's, which nothing says that this run's tests have started.

    What it says goes to a file.
    """

    def __init__(self, command: Sequence[str | Path], folder: Path, **variables: str) -> None:
        """Start it, in the checkout's folder and a session of its own.

        It ignores no signal, as what is started in the background of a script would.
        """
        self.reports, self.log = folder / "reports", folder / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                ["env", "--default-signal", *map(str, command)],
                cwd=PROJECT,
                env={**{k: v for k, v in os.environ.items() if k != RUN_VARIABLE}, **variables},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        """All that it has said so far."""
        return self.log.read_text(errors="replace")

    def await_line(self, pattern: str) -> None:
        """Wait until it has said a line. Raises ``AssertionError`` where it has ended instead."""
        self._await(
            lambda: re.search(pattern, self.said, re.MULTILINE), f"the process says “{pattern}”"
        )

    def await_pods(self, cluster: Cluster, namespace: str) -> None:
        """Wait until a namespace has pods. Raises ``AssertionError`` where it has ended instead."""
        path = f"/api/v1/namespaces/{namespace}/pods"
        self._await(lambda: get(cluster, path)["items"], f"namespace {namespace} has pods")

    def _await(self, look: Callable[[], object], what: str) -> None:
        converge(
            lambda: self.process.poll() is not None or look(),
            until=bool,
            what=what,
            timeout=ENVIRONMENT_UP,
        )
        assert self.process.poll() is None, self.said

    def tell(self, number: signal.Signals, *, to_all: bool = False) -> float:
        """Send it a signal, or all that it has started, too; returns when, by the clock."""
        told = time.monotonic()
        if to_all:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)
        return told

    def signoff(self) -> dict[str, Any]:
        """Its sign-off, once there is one that can be read."""
        file = self.reports / "signoff.json"
        document: dict[str, Any] = converge(
            lambda: json.loads(file.read_text()), until=bool, what="a sign-off", timeout=READ
        ).value
        return document

    def kill(self) -> None:
        """End it at once, with all that it has started, where it has not ended."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class StrangeRun(Stranger):
    """A run of somebody else's of one scenario on the same cluster, in a namespace of its own."""

    def __init__(
        self,
        environment: Environment,
        namespace: str,
        folder: Path,
        *arguments: str,
        **variables: str,
    ) -> None:
        """Start it, and wait until it waits for its workloads itself."""
        self.cluster, self.namespace = environment.cluster, namespace
        self.where = [f"--cluster-name={self.cluster.name}", f"--namespace={namespace}"]
        typed = run_of("features", folder / "reports", "-m", "D3", *self.where, *arguments)
        super().__init__([sys.executable, *typed], folder, **variables)
        try:
            self.await_pods(self.cluster, namespace)
        except BaseException:
            self.end()
            raise

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

    def end(self) -> None:
        """End it where it has not ended, and take away what it left."""
        self.kill()
        take_away(self.cluster, self.namespace)


@contextmanager
def strange_run(
    environment: Environment, lane: Lane, folder: Path, *arguments: str, **variables: str
) -> Iterator[StrangeRun]:
    """Have such a run, in a namespace beside a lane's, and take away what it left."""
    started = StrangeRun(environment, f"{lane.namespace}-ended", folder, *arguments, **variables)
    try:
        yield started
    finally:
        started.end()


def take_away(cluster: Cluster, namespace: str) -> None:
    """Take away a namespace with its lanes' that a run has left, and its Lease."""
    # One that was killed would hold the namespace for a minute more.
    drop(cluster, of_namespace(namespace))
    clean_up(replace(cluster, owner=None), namespace, Progress())
