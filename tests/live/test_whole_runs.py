"""A handful of runs as whole processes, from the arguments to the exit code and the reports.

One for each way to end on a mesh; the others need none (test_exit_codes.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.namespaces import log_calls
from meshproof.cluster.objects import apply, delete, get
from meshproof.environment.environment import Environment
from meshproof.environment.options import Options
from meshproof.errors import ExitCode
from meshproof.progress import Progress
from meshproof.run.lanes import Lane
from meshproof.suite.breakages import altered_manifests, read_breakage
from meshproof.suite.tutorial import Tutorial
from meshproof.waiting import SYSTEM_READY, converge
from tests.suites import BREAKAGES, MANIFESTS, SUITE
from tests.whole_runs import WholeRuns, runs_beside


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    return tmp_path / "reports"


@pytest.fixture
def accept(
    environment: Environment, lane: Lane, options: Options, reports: Path
) -> Iterator[WholeRuns]:
    with runs_beside(environment, lane, options, "whole", reports) as runs:
        yield runs


def test_what_was_proved_is_accepted(accept: WholeRuns) -> None:
    ended = accept("-m", "D2")
    assert ended.code == ExitCode.ACCEPTED, ended.printed
    assert ended.signoff["verdict"] == "accepted", ended.printed


def test_a_broken_promise_is_rejected_and_what_the_cluster_says_is_kept(
    accept: WholeRuns, reports: Path, tmp_path: Path
) -> None:
    breakage = read_breakage(BREAKAGES / "d3-two-app-pods.yaml")
    manifests = altered_manifests(breakage, MANIFESTS, tmp_path / "manifests")
    ended = accept("-m", "D3", f"--manifests={manifests}")
    assert ended.code == ExitCode.REJECTED, ended.printed
    row = ended.row("D3")
    assert row["verdict"] == "rejected", ended.printed
    (failed,) = (s for s in row["scenarios"] if s["outcome"] == "failed")
    assert breakage.explains(failed["message"]), failed["message"]
    caught = [e["path"] for e in failed["evidence"] if "-failure-" in e["path"]]
    assert caught and all((reports / file).is_file() for file in caught), failed


DNS = "/api/v1/namespaces/kube-system/pods"


@contextmanager
def struck(runs: WholeRuns) -> Iterator[None]:
    """Have one of the cluster's DNS pods killed once a run is there, and wait for another."""
    cluster = runs.cluster

    def strike() -> None:
        pods = get(cluster, f"{DNS}?labelSelector=k8s-app%3Dkube-dns")["items"]
        delete(cluster, f"{DNS}/{pods[0]['metadata']['name']}", grace=0)

    with runs.meanwhile(strike):
        yield
    converge(
        lambda: cluster.apps.read_namespaced_deployment("coredns", "kube-system").status,
        until=lambda status: status.ready_replicas == status.replicas,
        what="the cluster's DNS is ready again",
        timeout=SYSTEM_READY,
    )


@pytest.mark.exclusive
def test_a_red_of_the_time_in_which_the_ground_was_struck_is_inconclusive(
    accept: WholeRuns, environment: Environment, lane: Lane, tmp_path: Path
) -> None:
    cluster, namespace = environment.cluster, f"{lane.namespace}-whole"
    Tutorial(cluster, namespace, SUITE, progress=Progress()).delete()  # an earlier test's
    breakage = read_breakage(BREAKAGES / "d3-two-app-pods.yaml")
    manifests = altered_manifests(breakage, MANIFESTS, tmp_path / "manifests")
    with struck(accept):
        ended = accept("-m", "D3", f"--manifests={manifests}")
    assert ended.code == ExitCode.ENVIRONMENT, ended.printed
    row = ended.row("D3")
    assert row["verdict"] == "inconclusive", ended.printed
    messages = [scenario["message"] for scenario in row["scenarios"]]
    assert any("pod kube-system/coredns-" in message for message in messages), messages


POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
REFUSES = "refuses-filters"
#: Nothing is made there; it is a place to see the policy hold.
TRIED_IN = "default"


def refusing(namespace: str) -> dict[str, dict[str, Any]]:
    """A policy by which a namespace has no EnvoyFilter, and its binding, by where they are kept."""
    names: dict[str, Any] = {
        "matchExpressions": [
            {
                "key": "kubernetes.io/metadata.name",
                "operator": "In",
                "values": [namespace, TRIED_IN],
            }
        ]
    }
    filters: dict[str, Any] = {
        "apiGroups": ["networking.istio.io"],
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["envoyfilters"],
    }
    policy = {
        "matchConstraints": {"namespaceSelector": names, "resourceRules": [filters]},
        "validations": [{"expression": "false", "message": "no filters here"}],
    }
    return {
        POLICIES: policy,
        BINDINGS: {"policyName": REFUSES, "validationActions": ["Deny"]},
    }


@contextmanager
def refused(cluster: Cluster, namespace: str) -> Iterator[None]:
    """Have a namespace refuse EnvoyFilters, as a mesh of others may."""
    made = refusing(namespace)
    try:
        for place, spec in made.items():
            kind = "ValidatingAdmissionPolicy" + ("" if place == POLICIES else "Binding")
            manifest = {
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": kind,
                "metadata": {"name": REFUSES, **cluster.ownership},
                "spec": spec,
            }
            apply(cluster, f"{place}/{REFUSES}", manifest)
        converge(
            lambda: log_calls(cluster, TRIED_IN, tried=True),
            until=bool,
            what="EnvoyFilters are refused",
            timeout=SYSTEM_READY,  # of a cluster that is there
        )
        yield
    finally:
        for place in reversed(made):
            delete(cluster, f"{place}/{REFUSES}")


def test_what_a_mesh_does_not_let_the_harness_see_is_skipped_and_never_rejected(
    accept: WholeRuns, environment: Environment, lane: Lane
) -> None:
    # To the run, a mesh whose proxies log no calls, by its own pods: the tutorial's would log.
    cluster, namespace = environment.cluster, f"{lane.namespace}-whole"
    with refused(cluster, f"{namespace}-preflight"):
        ended = accept("-m", "T3 or D2")
    assert ended.code == ExitCode.PARTIAL, ended.printed
    assert ended.signoff["verdict"] == "partial", ended.printed
    assert ended.row("D2")["verdict"] == "accepted", ended.printed
    assert ended.row("T3")["verdict"] == "partial", ended.printed
    (unseen,) = ended.signoff["unseen"]
    assert (unseen["name"], unseen["expectations"]) == ("access-log", ["T3"]), ended.printed
    assert "the client's proxy logs 0 and the server's 0" in unseen["reason"], ended.printed
    assert "refuses the suites' own access log (" in unseen["reason"], ended.printed
    assert "no filters here" in unseen["reason"], ended.printed
    assert "Not seen on this mesh, and skipped for it: access-log (T3)." in ended.printed
