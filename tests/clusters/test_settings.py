"""Runs on a mesh with settings of its owner's, made for them: `tox run -e clusters`."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from meshproof.cluster.cluster import Cluster
from meshproof.errors import ExitCode
from meshproof.mesh.capabilities import BY_PROXIES
from meshproof.progress import Progress
from meshproof.waiting import WORKLOADS_READY
from tests.clusters import settled
from tests.clusters.by_hand import (
    Run,
    made,
    runs_on,
    signoff_of,
    the_same_objects,
    verdicts,
)
from tests.suites import MANIFESTS
from tests.whole_runs import MESHPROOF, run_of

#: The scenarios that read what proxies log or count.
SEEING = " or ".join(one.tag for one in BY_PROXIES)
#: How many seconds it took until following the tutorial was given up.
TOOK = re.compile(r"✗ failed: tutorial: deployed \((\d+\.\d) s\)")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with made(settled.MESH, tmp_path_factory.mktemp("settled"), Progress()) as cluster:
        yield cluster


@pytest.fixture
def existing(cluster: Cluster) -> Run:
    return runs_on(cluster.kubeconfig, *settled.MESH.typed)


def without_room(folder: Path) -> Path:
    """The tutorial's manifests, whose app pods ask for a hundred cores each."""
    copy = folder / "manifests"
    shutil.copytree(MANIFESTS, copy)
    file = copy / "kubernetes" / "step-1-create-voting-app.yaml"
    documents = list(yaml.safe_load_all(file.read_text()))
    (app,) = (
        one
        for one in documents
        if (one["kind"], one["metadata"]["name"]) == ("Deployment", "voting-app-1-0")
    )
    (container,) = app["spec"]["template"]["spec"]["containers"]
    container["resources"] = {"requests": {"cpu": "100"}}
    file.write_text(yaml.safe_dump_all(documents))
    return copy


def test_a_pod_that_no_node_has_room_for_is_told_and_not_waited_for(
    existing: Run, tmp_path: Path
) -> None:
    done = existing(*MESHPROOF, "advance", "deployed", f"--manifests={without_room(tmp_path)}")
    cleaned = existing(*MESHPROOF, "clean")
    assert cleaned.ok, cleaned.transcript()
    assert done.exit_code == ExitCode.ENVIRONMENT, done.transcript()
    assert re.search(
        r"no room for pod voting-app-1-0-\S+ in voting: .*Insufficient cpu", done.stderr
    )
    (seconds,) = TOOK.findall(done.stderr)
    assert float(seconds) < WORKLOADS_READY.seconds / 2, done.transcript()


def test_what_reads_logs_and_counts_is_accepted_and_the_meshs_settings_stay(
    cluster: Cluster, existing: Run, tmp_path: Path
) -> None:
    reports = tmp_path / "reports"
    with the_same_objects(cluster, existing):
        done = existing(*run_of("features/voting", reports, "-m", SEEING))
        assert done.exit_code == ExitCode.ACCEPTED, done.transcript()
        signoff = signoff_of(reports)
        assert signoff["unseen"] == [], signoff["unseen"]
        assert set(verdicts(signoff).values()) == {"accepted"}, signoff
