"""Runs on a mesh in the shape of AKS's add-on, made for them: `tox run -e clusters`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from meshproof.cluster.cluster import Cluster
from meshproof.errors import ExitCode
from meshproof.progress import Progress
from tests.clusters import aks
from tests.clusters.by_hand import (
    Document,
    Run,
    made,
    objects,
    runs_on,
    the_same_objects,
    verdicts,
    whole_suite,
)
from tests.whole_runs import MESHPROOF

FILTER = {"applyTo": "LISTENER", "patch": {"operation": "MERGE", "value": {}}}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with made(aks.MESH, tmp_path_factory.mktemp("aks"), Progress()) as cluster:
        yield cluster


@pytest.fixture
def existing(cluster: Cluster) -> Run:
    return runs_on(cluster.kubeconfig, *aks.MESH.typed)


def of_kind(api: str, kind: str, namespace: str = "default", **content: Any) -> Document:
    metadata = {"name": "refused", "namespace": namespace}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **content}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (of_kind("networking.istio.io/v1beta1", "ProxyConfig", spec={}), "no objects of this kind"),
        (
            of_kind("networking.istio.io/v1", "WorkloadGroup", spec={"template": {}}),
            "no objects of this kind",
        ),
        (
            of_kind("extensions.istio.io/v1alpha1", "WasmPlugin", spec={"url": "file:///none"}),
            "no objects of this kind",
        ),
        (
            of_kind(
                "networking.istio.io/v1alpha3", "EnvoyFilter", spec={"configPatches": [FILTER]}
            ),
            "no EnvoyFilter of this type",
        ),
        (of_kind("v1", "ConfigMap", aks.NAMESPACE), "the Istio add-on's own"),
    ],
    ids=lambda one: one["kind"] if isinstance(one, dict) else "",
)
def test_the_mesh_refuses_what_the_add_on_refuses(
    cluster: Cluster, document: Document, said: str
) -> None:
    done = cluster.command(
        "kubectl", "create", "--dry-run=server", "-f", "-",
        stdin=yaml.safe_dump(document), check=False,
    )  # fmt: skip
    assert (done.exit_code, said in done.stderr) == (1, True), done.transcript()


@pytest.mark.parametrize(
    ("typed", "code", "said"),
    [
        ([], ExitCode.ACCEPTED, aks.REVISION),
        (["--revision=asm-1-21"], ExitCode.USAGE, "No istiod is as"),
        (["--ingress=default/kubernetes"], ExitCode.USAGE, "leads to no pod of a gateway"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_changed(
    cluster: Cluster, existing: Run, typed: list[str], code: ExitCode, said: str
) -> None:
    before = objects(cluster)
    done = existing(*MESHPROOF, "up", *typed)
    assert (done.exit_code, said in done.transcript()) == (code, True), done.transcript()
    assert objects(cluster) == before


def test_the_suite_is_accepted_and_leaves_nothing(
    cluster: Cluster, existing: Run, tmp_path: Path
) -> None:
    with the_same_objects(cluster, existing):
        signoff = whole_suite(existing, tmp_path / "reports", ExitCode.ACCEPTED)
        assert set(verdicts(signoff).values()) == {"accepted"}
        told = signoff["environment"]["deviations"]
        assert [line for line in told if line in aks.SHAPE.deviations()] == aks.SHAPE.deviations()
        assert signoff["unseen"] == []  # by the add-on's own access log
