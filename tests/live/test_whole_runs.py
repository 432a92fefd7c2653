"""A handful of runs as whole processes, from the arguments to the exit code and the reports.

One for each way to end on a mesh; the others need none (test_exit_codes.py).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from meshproof.cluster.cluster import Cluster
from meshproof.environment import Environment
from meshproof.errors import ExitCode
from meshproof.lanes import Lane
from meshproof.leftovers import clean_up
from meshproof.mutants import MUTANTS, mutated_manifests, read_mutant
from meshproof.paths import ROOT
from meshproof.process import run
from meshproof.progress import Progress
from meshproof.tutorial.objects import delete, get, namespace_object
from meshproof.tutorial.tutorial import MANIFESTS, Tutorial
from meshproof.waiting import ENVIRONMENT_UP, SYSTEM_READY, converge

#: Seconds; a run of one scenario takes some 15.
RUN_TIMEOUT = 300.0


@dataclass(frozen=True)
class Ended:
    """A run that has ended: its exit code, what it printed, and its sign-off."""

    code: int
    printed: str
    signoff: dict[str, Any]


Accept = Callable[..., Ended]


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    return tmp_path / "reports"


@pytest.fixture
def accept(environment: Environment, lane: Lane, reports: Path) -> Iterator[Accept]:
    """Run the suite in a namespace of its own; the way in is left to the lanes."""
    namespace = f"{lane.namespace}-whole"

    def accept(*arguments: str) -> Ended:
        own = [f"--namespace={namespace}", f"--reports={reports}", "--no-allure-report"]
        own.append(f"--cluster-name={environment.cluster.name}")
        done = run(
            [
                sys.executable,
                "acceptance.py",
                "features",
                "-p",
                "no:cacheprovider",
                *own,
                *arguments,
            ],
            check=False,
            cwd=ROOT,
            timeout=RUN_TIMEOUT,
        )
        signoff = json.loads((reports / "signoff.json").read_text())
        return Ended(done.exit_code, done.transcript(), signoff)

    yield accept
    clean_up(replace(environment.cluster, owner=None), namespace, Progress())


def test_what_was_proved_is_accepted(accept: Accept) -> None:
    ended = accept("-m", "D2")
    assert ended.code == ExitCode.ACCEPTED, ended.printed
    assert ended.signoff["verdict"] == "accepted", ended.printed


def test_a_broken_promise_is_rejected_and_what_the_cluster_says_is_kept(
    accept: Accept, reports: Path, tmp_path: Path
) -> None:
    breakage = read_mutant(MUTANTS / "d3-two-app-pods.yaml")
    manifests = mutated_manifests(breakage, MANIFESTS, tmp_path / "manifests")
    ended = accept("-m", "D3", f"--manifests={manifests}")
    assert ended.code == ExitCode.REJECTED, ended.printed
    row = next(row for row in ended.signoff["expectations"] if row["id"] == "D3")
    assert row["verdict"] == "rejected", ended.printed
    (failed,) = (s for s in row["scenarios"] if s["outcome"] == "failed")
    assert breakage.explains(failed["message"]), failed["message"]
    caught = [e["path"] for e in failed["evidence"] if "-failure-" in e["path"]]
    assert caught and all((reports / file).is_file() for file in caught), failed


DNS = "/api/v1/namespaces/kube-system/pods"


@contextmanager
def struck(cluster: Cluster, namespace: str) -> Iterator[None]:
    """Have one of the cluster's DNS pods killed once a namespace is there, and wait for another."""

    def strike() -> None:
        converge(
            lambda: namespace_object(cluster, namespace),
            until=bool,
            what=f"namespace {namespace} is there",
            timeout=ENVIRONMENT_UP,
        )
        pods = get(cluster, f"{DNS}?labelSelector=k8s-app%3Dkube-dns")["items"]
        delete(cluster, f"{DNS}/{pods[0]['metadata']['name']}", grace=0)

    with ThreadPoolExecutor(1) as pool:
        striking = pool.submit(strike)
        yield
        striking.result()
    converge(
        lambda: cluster.apps.read_namespaced_deployment("coredns", "kube-system").status,
        until=lambda status: status.ready_replicas == status.replicas,
        what="the cluster's DNS is ready again",
        timeout=SYSTEM_READY,
    )


@pytest.mark.exclusive
def test_a_red_of_the_time_in_which_the_ground_was_struck_is_inconclusive(
    accept: Accept, environment: Environment, lane: Lane, tmp_path: Path
) -> None:
    cluster, namespace = environment.cluster, f"{lane.namespace}-whole"
    Tutorial(cluster, namespace, progress=Progress()).delete()  # an earlier test's
    breakage = read_mutant(MUTANTS / "d3-two-app-pods.yaml")
    manifests = mutated_manifests(breakage, MANIFESTS, tmp_path / "manifests")
    with struck(cluster, namespace):
        ended = accept("-m", "D3", f"--manifests={manifests}")
    assert ended.code == ExitCode.ENVIRONMENT, ended.printed
    row = next(row for row in ended.signoff["expectations"] if row["id"] == "D3")
    assert row["verdict"] == "inconclusive", ended.printed
    messages = [scenario["message"] for scenario in row["scenarios"]]
    assert any("pod kube-system/coredns-" in message for message in messages), messages
