"""Runs on a mesh with Istio's default settings, made for them: `tox run -e clusters`."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from meshproof.cluster.cluster import Cluster
from meshproof.errors import ExitCode
from meshproof.progress import Progress
from meshproof.waiting import WORKLOADS_READY
from tests.clusters import defaults
from tests.clusters.by_hand import (
    Run,
    made,
    runs_on,
    the_same_objects,
    verdicts,
    whole_suite,
)
from tests.suites import MANIFESTS
from tests.whole_runs import MESHPROOF

#: How many seconds it took until following the tutorial was given up.
TOOK = re.compile(r"✗ failed: tutorial: deployed \((\d+\.\d) s\)")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with made(defaults.MESH, tmp_path_factory.mktemp("defaults"), Progress()) as cluster:
        yield cluster


@pytest.fixture
def existing(cluster: Cluster) -> Run:
    return runs_on(cluster.kubeconfig, *defaults.MESH.typed)


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


def test_what_these_settings_let_be_seen_is_accepted_and_the_rest_says_why(
    cluster: Cluster, existing: Run, tmp_path: Path
) -> None:
    with the_same_objects(cluster, existing):
        signoff = whole_suite(existing, tmp_path / "reports", ExitCode.PARTIAL)
        unseen = signoff["unseen"]
        assert {row["name"] for row in unseen} == {str(one) for one in defaults.UNSEEN}, unseen
        without = {name for row in unseen for name in row["expectations"]}
        found = verdicts(signoff)
        assert {name for name, said in found.items() if said == "partial"} == without, found
        assert {found[name] for name in found.keys() - without} == {"accepted"}, found
