"""Runs on a mesh in the shape of AKS's add-on, made for them: `tox run -e clusters`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from meshproof.cluster.cluster import Cluster
from meshproof.errors import ExitCode
from meshproof.paths import PROJECT
from meshproof.probes.inventory import list_objects
from meshproof.process import Completed, run
from meshproof.progress import Progress
from tests.clusters import aks

#: Of each kind of proof one: injection, pods, the way in, identity, mutual TLS, isolation.
SOME = "D1 or D3 or D5 or D6 or U6 or T2 or T3 or C6"
#: Seconds for these; a whole run takes some ten minutes.
RUN_TIMEOUT = 1800.0

#: The command, by the Python that runs this.
COMMAND = ("-c", "from meshproof.cli import main; main()")

Meshproof = Callable[..., Completed]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with aks.made(tmp_path_factory.mktemp("aks"), Progress()) as kind:
        yield replace(kind.cluster, mesh=aks.SHAPE)


@pytest.fixture
def existing(cluster: Cluster) -> Meshproof:
    """Runs Python with arguments, and those that lead to the cluster, whatever comes of it."""

    def call(*arguments: str) -> Completed:
        return run(
            [sys.executable, *arguments, "--cluster=existing", f"--kube-context={aks.CONTEXT}"],
            check=False,
            cwd=PROJECT,
            timeout=RUN_TIMEOUT,
            env={**os.environ, "KUBECONFIG": str(cluster.kubeconfig)},
        )

    return call


def objects(cluster: Cluster) -> set[tuple[str, str, str, str]]:
    """All objects but those that come and go by themselves, as A3 counts them."""
    _, listed = list_objects(cluster)
    return {(one.kind, one.namespace, one.name, one.uid) for one in listed}


def test_the_suite_is_accepted_and_leaves_nothing(
    cluster: Cluster, existing: Meshproof, tmp_path: Path
) -> None:
    before = objects(cluster)
    reports = tmp_path / "reports"
    done = existing(
        "-m", "meshproof", "run", "features", "-p", "no:cacheprovider", "--no-allure-report",
        f"--reports={reports}", "-m", SOME,
    )  # fmt: skip
    assert done.exit_code == ExitCode.ACCEPTED, done.transcript()
    signoff: dict[str, Any] = json.loads((reports / "signoff.json").read_text())
    told = " ".join(signoff["environment"]["deviations"])
    assert f"istio.io/rev={aks.REVISION}" in told
    assert f"istio: {aks.GATEWAY}" in told
    cleaned = existing(*COMMAND, "clean")
    assert cleaned.ok, cleaned.transcript()
    assert objects(cluster) == before


@pytest.mark.parametrize(
    ("typed", "code", "said"),
    [
        ([], ExitCode.ACCEPTED, aks.REVISION),
        (["--revision=asm-1-21"], ExitCode.USAGE, "No istiod is as"),
        (["--ingress=default/kubernetes"], ExitCode.USAGE, "leads to no pod of a gateway"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_changed(
    cluster: Cluster, existing: Meshproof, typed: list[str], code: ExitCode, said: str
) -> None:
    before = objects(cluster)
    done = existing(*COMMAND, "up", *typed)
    assert (done.exit_code, said in done.transcript()) == (code, True), done.transcript()
    assert objects(cluster) == before
