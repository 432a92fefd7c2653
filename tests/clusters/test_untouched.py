"""A cluster of somebody else's is after a run what it was, and few rights are enough for one."""

from __future__ import annotations

import json
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from meshproof.cluster.cluster import COPIED, Cluster
from meshproof.environment.leftovers import clean_up
from meshproof.errors import ExitCode
from meshproof.paths import PROJECT, state_dir
from meshproof.process import Completed, run
from meshproof.progress import Progress
from meshproof.waiting import VOLUMES_GONE, Timeout, converge
from tests.clusters import theirs
from tests.whole_runs import MESHPROOF, Stranger, run_of

#: Of each kind of proof one: injection, the way in, identity, mutual TLS, a volume.
SOME = "D1 or D5 or U6 or T3 or C2"
NAMESPACE = "untouched"
RUN_TIMEOUT = 900.0
LEASES_EXPIRED = Timeout("leases-expired", 120, 5, "a killed run holds its Leases for 60 s")

Meshproof = Callable[..., Completed]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with theirs.made(Progress()) as cluster, theirs.user(cluster):
        yield cluster


@pytest.fixture
def kubeconfig(cluster: Cluster, tmp_path: Path) -> Path:
    """That of a user who may do what the committed roles grant."""
    return theirs.grant(cluster, tmp_path / "kubeconfig")


@pytest.fixture
def typed(cluster: Cluster) -> list[str]:
    """The arguments that lead to the cluster."""
    (context,) = yaml.safe_load(cluster.kubeconfig.read_text())["contexts"]
    name = context["name"]
    return ["--cluster=existing", f"--kube-context={name}", f"--namespace={NAMESPACE}"]


@pytest.fixture
def existing(kubeconfig: Path, typed: list[str]) -> Meshproof:
    """Runs Python as that user, with arguments and those that lead to the cluster."""

    def call(*arguments: str) -> Completed:
        return run(
            [sys.executable, *arguments, *typed],
            check=False,
            cwd=PROJECT,
            timeout=RUN_TIMEOUT,
            env={"KUBECONFIG": str(kubeconfig)},
        )

    return call


def scenarios(reports: Path, *arguments: str) -> list[str]:
    return run_of("features/voting", reports, *arguments)


@pytest.fixture
def unchanged(cluster: Cluster, kubeconfig: Path) -> Iterator[None]:
    """Afterwards every object states what it stated, and so does the user's kubeconfig."""
    before, file = theirs.contents(cluster), kubeconfig.read_bytes()
    yield
    converge(
        lambda: different(before, theirs.contents(cluster)),
        until=lambda lines: not lines,
        what="the cluster is as it was before",
        timeout=VOLUMES_GONE,
        promised=True,
    )
    assert kubeconfig.read_bytes() == file


def different(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Name what is there in one and not in the other, or states something else."""
    return sorted(name for name in before | after if before.get(name) != after.get(name))


def copies() -> list[Path]:
    """The copies of kubeconfigs that are there."""
    return sorted(Path(tempfile.gettempdir()).glob(f"{COPIED}*"))


def holding(text: bytes, *folders: Path) -> list[Path]:
    """The files below folders that hold a text."""
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    return [file for file in files if text in file.read_bytes()]


def token_of(kubeconfig: Path) -> bytes:
    (user,) = yaml.safe_load(kubeconfig.read_text())["users"]
    return str(user["user"]["token"]).encode()


def verdicts(reports: Path) -> dict[str, str]:
    signoff: dict[str, Any] = json.loads((reports / "signoff.json").read_text())
    return {row["id"]: row["verdict"] for row in signoff["expectations"]}


@pytest.mark.usefixtures("unchanged")
def test_under_the_committed_roles_the_suite_is_accepted(
    existing: Meshproof, kubeconfig: Path, tmp_path: Path
) -> None:
    reports, before = tmp_path / "reports", copies()
    done = existing(*scenarios(reports, "-m", SOME))
    assert done.exit_code == ExitCode.ACCEPTED, done.transcript()
    assert copies() == before
    assert holding(token_of(kubeconfig), reports, state_dir() / "existing") == []


@pytest.mark.usefixtures("unchanged")
def test_a_run_that_fails_leaves_nothing(existing: Meshproof, tmp_path: Path) -> None:
    manifests = tmp_path / "manifests"
    done = run(["cp", "-r", str(PROJECT / "manifests" / "voting"), str(manifests)], check=False)
    assert done.ok
    file = manifests / "kubernetes" / "step-1-create-voting-app.yaml"
    file.write_text(file.read_text().replace("replicas: 3", "replicas: 2"))
    reports = tmp_path / "reports"
    done = existing(*scenarios(reports, "-m", "D3", f"--manifests={manifests}"))
    assert done.exit_code == ExitCode.REJECTED, done.transcript()
    assert verdicts(reports)["D3"] == "rejected"


@pytest.mark.usefixtures("unchanged")
def test_what_a_killed_run_leaves_is_taken_away(
    cluster: Cluster, existing: Meshproof, kubeconfig: Path, typed: list[str], tmp_path: Path
) -> None:
    command = [sys.executable, *scenarios(tmp_path / "reports", "-m", "U5", *typed)]
    before = copies()
    killed = Stranger(command, tmp_path, KUBECONFIG=str(kubeconfig))
    try:
        killed.await_pods(cluster, NAMESPACE)
        killed.tell(signal.SIGKILL, to_all=True)
        killed.process.wait()
    finally:
        killed.kill()

    def clean() -> Completed:
        return existing(*MESHPROOF, "clean")

    # Until its Leases have expired it may live, and nothing is taken from it.
    done = converge(
        clean,
        until=lambda done: done.exit_code != ExitCode.ENVIRONMENT,
        what="the killed run holds nothing any more",
        timeout=LEASES_EXPIRED,
    ).value
    assert done.ok, done.transcript()
    assert copies() == before


@pytest.mark.usefixtures("unchanged")
def test_without_a_right_that_a_run_needs_nothing_is_begun(
    cluster: Cluster, existing: Meshproof, tmp_path: Path
) -> None:
    theirs.grant(cluster, tmp_path / "other", without=("leases", "namespaces"))
    try:
        done = existing(*MESHPROOF, "up")
        told = existing(*MESHPROOF, "doctor")
    finally:
        theirs.grant(cluster, tmp_path / "other")
    assert done.exit_code == told.exit_code == ExitCode.ENVIRONMENT, done.transcript()
    assert "may not get, create, patch or delete namespaces" in done.transcript()
    assert "✗" in told.stdout


@pytest.mark.usefixtures("unchanged")
def test_without_a_right_that_scenarios_need_these_are_skipped(
    cluster: Cluster, existing: Meshproof, tmp_path: Path
) -> None:
    theirs.grant(cluster, tmp_path / "other", without=("pods/log", "nodes", "*"))
    try:
        reports = tmp_path / "reports"
        done = existing(*scenarios(reports, "-m", "T3 or T4 or D1"))
    finally:
        theirs.grant(cluster, tmp_path / "other")
    assert done.exit_code == ExitCode.PARTIAL, done.transcript()
    found = verdicts(reports)
    assert (found["T3"], found["T4"], found["D1"]) == ("partial", "partial", "accepted")
    assert "may not get pods/log" in (reports / "signoff.md").read_text()


@pytest.mark.usefixtures("unchanged")
def test_the_doctor_finds_it_ready_and_changes_nothing(existing: Meshproof) -> None:
    done = existing(*MESHPROOF, "doctor")
    assert done.ok, done.transcript()
    for found in ("all that a run needs", "default StorageClass", "server-side"):
        assert found in " ".join(done.stdout.split())


@pytest.fixture(autouse=True)
def _nothing_is_left(cluster: Cluster) -> Iterator[None]:
    """Whatever a test leaves is no other test's."""
    yield
    clean_up(cluster, NAMESPACE, Progress())
