"""Each way in which the ground can be struck, while a run looks at a promise (`tox run -e faults`).

One of them (a system pod that is killed) is CI's, too: ``tests/live/test_whole_runs.py``.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.health import unready_workloads
from meshproof.cluster.objects import delete, get
from meshproof.engine.engine import Engine
from meshproof.environment.environment import Environment
from meshproof.environment.options import Options
from meshproof.errors import ExitCode
from meshproof.mesh.istio import NAMESPACE as MESH_NAMESPACE
from meshproof.paths import PROJECT
from meshproof.process import run
from meshproof.run.lanes import Lane
from meshproof.run.witness import BEAT, CROWD, NAMESPACES, STILL, WINDOW
from meshproof.suite.breakages import altered_manifests, read_breakage
from meshproof.waiting import SYSTEM_READY, converge
from meshproof.wording import STRUCK
from tests.suites import BREAKAGES, MANIFESTS
from tests.whole_runs import WholeRuns, runs_beside

pytestmark = pytest.mark.exclusive

#: Seconds: longer than the leaders of the control plane may be out of touch (10 and 15).
PAUSED = 25.0
#: Where dockerd says which process it is.
DOCKERD = Path("/var/run/docker.pid")


@dataclass(frozen=True)
class Place:
    """What can be struck: a cluster, the engine that it runs on, and a run that looks at it."""

    cluster: Cluster
    engine: Engine | None
    reports: Path

    @property
    def nodes(self) -> list[str]:
        """The names of the cluster's nodes, which are the engine's names of its containers."""
        return [node.metadata.name for node in self.cluster.core.list_node().items]

    def pod(self, namespace: str, selector: str) -> str:
        """The path of one of the pods of a selector."""
        pods = f"/api/v1/namespaces/{namespace}/pods"
        found = get(self.cluster, f"{pods}?labelSelector={selector}")["items"]
        return f"{pods}/{found[0]['metadata']['name']}"

    def run(self) -> int:
        """The id of the run's process."""
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                words = file.read_bytes().split(b"\0")
                if b"run" in words and f"--reports={self.reports}".encode() in words:
                    return int(file.parent.name)
        raise AssertionError("the run has ended")


def istiod_is_killed(place: Place) -> None:
    delete(place.cluster, place.pod(MESH_NAMESPACE, "app%3Distiod"), grace=0)


def the_gateway_is_killed(place: Place) -> None:
    delete(place.cluster, place.pod(MESH_NAMESPACE, "istio%3Dingressgateway"), grace=0)


def a_system_pod_is_evicted(place: Place) -> None:
    name = place.pod("kube-system", "k8s-app%3Dkube-dns").rpartition("/")[2]
    place.cluster.core.create_namespaced_pod_eviction(
        name, "kube-system", {"metadata": {"name": name, "namespace": "kube-system"}}
    )


def the_nodes_stop(place: Place) -> None:
    if place.engine is None:
        pytest.fail("the cluster's nodes are no containers of this machine")
    nodes = place.nodes
    place.engine.run("pause", *nodes)
    try:
        time.sleep(PAUSED)
    finally:
        place.engine.run("unpause", *nodes)


def the_engine_ends(place: Place) -> None:
    if place.engine is None or not DOCKERD.exists():
        pytest.fail("the engine is not a Docker of this machine")
    process = int(DOCKERD.read_text())
    os.kill(process, signal.SIGTERM)
    converge(
        DOCKERD.exists,
        until=lambda there: not there,
        what="the engine has ended",
        timeout=SYSTEM_READY,
    )


def the_machine_stands_still(place: Place) -> None:
    # To the run it is the same: it does nothing for a while.
    process = place.run()
    os.kill(process, signal.SIGSTOP)
    time.sleep(STILL + 5)
    os.kill(process, signal.SIGCONT)


def the_machine_is_crowded(place: Place) -> None:
    del place
    many = int(CROWD * 1.5) * (os.cpu_count() or 1)
    crowd = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(many)]
    try:
        time.sleep(WINDOW * BEAT * 2)
    finally:
        for process in crowd:
            process.kill()
            process.wait()


#: What a red of that time says of it, as a regular expression.
STRIKES: dict[Callable[[Place], None], str] = {
    istiod_is_killed: f"pod {MESH_NAMESPACE}/istiod-",
    the_gateway_is_killed: f"pod {MESH_NAMESPACE}/istio-ingressgateway-",
    a_system_pod_is_evicted: "pod kube-system/coredns-",
    the_machine_stands_still: "this machine stood still for ",
    the_machine_is_crowded: "this machine was crowded: ",
    # Whichever comes first: a command that nobody answers, or the control plane's new leaders.
    the_nodes_stop: "Unable to connect to the server|pod kube-system/kube-",
    the_engine_ends: "the cluster does not answer: ",
}


@pytest.fixture
def runs(
    environment: Environment, lane: Lane, options: Options, tmp_path: Path
) -> Iterator[WholeRuns]:
    with runs_beside(environment, lane, options, "struck", tmp_path / "reports") as runs:
        yield runs
        heal(environment, options)


def heal(environment: Environment, options: Options) -> None:
    """Bring back what a strike has taken, and wait until the cluster and its mesh are whole."""
    if options.cluster == "kind":
        program = Path(sys.executable).with_name("meshproof")
        run([program, "up", f"--cluster-name={environment.cluster.name}"], cwd=PROJECT, timeout=600)
    converge(
        lambda: unready_workloads(environment.cluster, NAMESPACES),
        until=lambda unready: not unready,
        what="the ground is whole again",
        timeout=SYSTEM_READY,
    )


def struck(
    by: Callable[[Place], None], runs: WholeRuns, engine: Engine | None
) -> AbstractContextManager[None]:
    """Have the ground struck once a run has its namespace."""
    return runs.meanwhile(partial(by, Place(runs.cluster, engine, runs.reports)))


@pytest.mark.parametrize("by", STRIKES, ids=lambda by: by.__name__.replace("_", " "))
def test_a_red_of_that_time_is_inconclusive(
    by: Callable[[Place], None], runs: WholeRuns, environment: Environment, tmp_path: Path
) -> None:
    breakage = read_breakage(BREAKAGES / "d3-two-app-pods.yaml")
    manifests = altered_manifests(breakage, MANIFESTS, tmp_path / "manifests")
    with struck(by, runs, environment.engine):
        ended = runs("-m", "D3", f"--manifests={manifests}")
    assert ended.code == ExitCode.ENVIRONMENT, ended.printed
    row = ended.row("D3")
    assert row["verdict"] == "inconclusive", ended.printed
    messages = [scenario["message"] for scenario in row["scenarios"]]
    assert any(re.search(STRIKES[by], message) for message in messages), messages


def test_a_green_of_that_time_stays_one_and_says_so(
    runs: WholeRuns, environment: Environment
) -> None:
    by = the_gateway_is_killed  # on which nothing of D2 rests
    with struck(by, runs, environment.engine):
        ended = runs("-m", "D2")
    assert ended.code == ExitCode.ACCEPTED, ended.printed
    observations = [line for one in ended.row("D2")["scenarios"] for line in one["observations"]]
    said = [line for line in observations if line.startswith(STRUCK)]
    assert any(re.search(STRIKES[by], line) for line in said), observations


def test_what_stays_is_left_behind_though_the_machine_was_crowded(
    runs: WholeRuns, environment: Environment, tmp_path: Path
) -> None:
    by = the_machine_is_crowded
    breakage = read_breakage(BREAKAGES / "a3-priority-class.yaml")
    manifests = altered_manifests(breakage, MANIFESTS, tmp_path / "manifests")
    with struck(by, runs, environment.engine):
        ended = runs("-m", "A3", f"--manifests={manifests}")
    assert ended.code == ExitCode.REJECTED, ended.printed
    (scenario,) = ended.row("A3")["scenarios"]
    assert "left behind: PriorityClass.scheduling.k8s.io voting-first" in scenario["message"]
    assert any(re.search(STRIKES[by], line) for line in scenario["observations"]), scenario
