"""A cluster of somebody else's is after a run what it was, and few rights are enough for one."""

from __future__ import annotations

import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

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
from tests.clusters.by_hand import (
    Run,
    made,
    runs_on,
    signoff_of,
    verdicts,
    whole_suite,
)
from tests.whole_runs import MESHPROOF, Stranger, run_of

NAMESPACE = "untouched"
#: What leads a command to the cluster, and to a namespace of its own there.
TYPED = (*theirs.MESH.typed, f"--namespace={NAMESPACE}")
LEASES_EXPIRED = Timeout("leases-expired", 120, 5, "a killed run holds its Leases for 60 s")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("theirs")
    with made(theirs.MESH, folder, Progress()) as cluster, theirs.user(cluster):
        yield cluster


@pytest.fixture
def kubeconfig(cluster: Cluster, tmp_path: Path) -> Path:
    """That of a user who may do what the committed roles grant."""
    return theirs.grant(cluster, tmp_path / "kubeconfig")


@pytest.fixture
def existing(kubeconfig: Path) -> Run:
    """Runs Python as that user, with arguments and those that lead to the cluster."""
    return runs_on(kubeconfig, *TYPED)


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


@pytest.mark.usefixtures("unchanged")
def test_under_the_committed_roles_the_whole_suite_is_accepted(
    existing: Run, kubeconfig: Path, tmp_path: Path
) -> None:
    reports, before = tmp_path / "reports", copies()
    signoff = whole_suite(existing, reports, ExitCode.ACCEPTED)
    # What a right is lacking for would be skipped, and told there.
    assert signoff["unseen"] == []
    assert set(verdicts(signoff).values()) == {"accepted"}
    assert copies() == before
    assert holding(token_of(kubeconfig), reports, state_dir() / "existing") == []


@pytest.mark.usefixtures("unchanged")
def test_a_run_that_fails_leaves_nothing(existing: Run, tmp_path: Path) -> None:
    manifests = tmp_path / "manifests"
    done = run(["cp", "-r", str(PROJECT / "manifests" / "voting"), str(manifests)], check=False)
    assert done.ok
    file = manifests / "kubernetes" / "step-1-create-voting-app.yaml"
    file.write_text(file.read_text().replace("replicas: 3", "replicas: 2"))
    reports = tmp_path / "reports"
    done = existing(*run_of("features/voting", reports, "-m", "D3", f"--manifests={manifests}"))
    assert done.exit_code == ExitCode.REJECTED, done.transcript()
    assert verdicts(signoff_of(reports))["D3"] == "rejected"


@pytest.mark.usefixtures("unchanged")
def test_what_a_killed_run_leaves_is_taken_away(
    cluster: Cluster, existing: Run, kubeconfig: Path, tmp_path: Path
) -> None:
    command = [sys.executable, *run_of("features/voting", tmp_path / "reports", "-m", "U5", *TYPED)]
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
    cluster: Cluster, existing: Run, tmp_path: Path
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
    cluster: Cluster, existing: Run, tmp_path: Path
) -> None:
    theirs.grant(cluster, tmp_path / "other", without=("pods/log", "nodes", "*"))
    try:
        reports = tmp_path / "reports"
        done = existing(*run_of("features/voting", reports, "-m", "T3 or T4 or D1"))
    finally:
        theirs.grant(cluster, tmp_path / "other")
    assert done.exit_code == ExitCode.PARTIAL, done.transcript()
    found = verdicts(signoff_of(reports))
    assert (found["T3"], found["T4"], found["D1"]) == ("partial", "partial", "accepted")
    assert "may not get pods/log" in (reports / "signoff.md").read_text()


@pytest.mark.usefixtures("unchanged")
def test_the_doctor_finds_it_ready_and_changes_nothing(existing: Run) -> None:
    done = existing(*MESHPROOF, "doctor")
    assert done.ok, done.transcript()
    for found in ("all that a run needs", "default StorageClass", "server-side"):
        assert found in " ".join(done.stdout.split())


@pytest.fixture(autouse=True)
def _nothing_is_left(cluster: Cluster) -> Iterator[None]:
    """Whatever a test leaves is no other test's."""
    yield
    clean_up(cluster, NAMESPACE, Progress())
