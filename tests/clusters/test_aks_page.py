"""Every command of docs/aks.md but `az`'s own, both ways that it names: `tox run -e clusters`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml

from meshproof.cluster.cluster import Cluster
from meshproof.environment.environment import workshop
from meshproof.paths import PROJECT
from meshproof.progress import Progress
from tests.clusters import aks, registries
from tests.clusters.by_hand import (
    Mesh,
    default_operator,
    kind_cluster,
    made,
    objects,
    signoff_of,
    verdicts,
)
from tests.clusters.registries import PASSWORD, Place
from tests.pages import printed_by, readers_variables, typed

PAGE = PROJECT / "docs" / "aks.md"
INSTALLER = "Or with Istio's own installer"
#: What of the page is the add-on's alone.
ADD_ON = (
    "The cluster, with the Istio add-on",
    "What the add-on's proxies log",
    "What the add-on's proxies no longer log",
)
#: As the page names it, after `az aks get-credentials --context`.
CONTEXT = "meshproof-aks"
REGISTRY = "example.azurecr.io"
#: Seconds; pushing, a look at three promises, and two to three minutes of all the rest.
ALL_OF_IT = 1200.0


@dataclass(frozen=True)
class Way:
    """One of the page's two: the headings that are the other's alone, and the mesh."""

    without: tuple[str, ...]
    mesh: Mesh


WAYS = [
    Way((INSTALLER,), replace(aks.MESH, name="page", before=aks.in_place())),
    # There already, as nothing here gives a new gateway an address; the page's command installs it
    # once more.
    Way(ADD_ON, Mesh("page", default_operator())),
]


@pytest.fixture(scope="module", params=WAYS, ids=["add-on", "installer"])
def way(request: pytest.FixtureRequest) -> Way:
    found: Way = request.param
    return found


@pytest.fixture(scope="module")
def cluster(way: Way, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with made(way.mesh, tmp_path_factory.mktemp("page"), Progress()) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def place(cluster: Cluster, way: Way, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    kind = kind_cluster(way.mesh.name, Progress())
    shop = workshop(kind.engine, Progress())
    shop.provide("registry", "crane")
    folder = tmp_path_factory.mktemp("registry")
    with registries.serving(kind.engine, kind, shop, folder) as place:
        yield place


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of this commit, in which a reader types."""
    folder = tmp_path / "meshproof"
    subprocess.run(["git", "clone", "--quiet", str(PROJECT), str(folder)], check=True)
    return folder


@pytest.fixture
def environment(cluster: Cluster, place: Place, way: Way, tmp_path: Path) -> Mapping[str, str]:
    """The variables of a reader whose `az` has done what the page has it do."""
    kubeconfig = tmp_path / "kubeconfig"
    shutil.copy(cluster.kubeconfig, kubeconfig)
    cluster.command(
        "kubectl", "config", "rename-context", way.mesh.context, CONTEXT,
        f"--kubeconfig={kubeconfig}",
    )  # fmt: skip
    programs = [Path(sys.executable).parent, cluster.tools, os.environ["PATH"]]
    return {
        **readers_variables(),
        **place.environment(),
        "KUBECONFIG": str(kubeconfig),
        "PATH": os.pathsep.join(map(str, programs)),
        "PASSWORD": PASSWORD,
        # What Azure's registry has from authorities that everybody trusts.
        "MESHPROOF_REGISTRY_CA": str(place.ca),
        "MESHPROOF_ALLURE_REPORT": "0",
    }


def script(way: Way, place: Place, operator: Path) -> str:
    """The page's commands of this way, with what differs here in its place."""
    found = "".join(block.text for block in typed(PAGE, without=way.without))
    filled = {REGISTRY: place.host}
    if INSTALLER not in way.without:
        filled["istioctl install "] = f"istioctl install --filename {operator} "
    for written, here in filled.items():
        assert written in found
        found = found.replace(written, here)
    return found


def test_every_command_of_the_page_leads_to_the_sign_off_and_away_again(
    way: Way,
    cluster: Cluster,
    place: Place,
    checkout: Path,
    environment: Mapping[str, str],
    tmp_path: Path,
) -> None:
    operator = tmp_path / "operator.yaml"
    operator.write_text(yaml.safe_dump(way.mesh.operator))
    before = objects(cluster)
    printed = printed_by(script(way, place, operator), checkout, environment, timeout=ALL_OF_IT)
    signoff = signoff_of(checkout / "reports")
    assert signoff["verdict"] == "accepted", printed
    assert verdicts(signoff) == dict.fromkeys(["D1", "D5", "T2"], "accepted"), printed
    told = " ".join(signoff["environment"]["deviations"])
    assert f"pulled from {place.host}/meshproof with a Secret" in told
    (decision,) = (checkout / "reports").glob("decision*.json")
    assert json.loads(decision.read_text())["payloadType"] == "application/vnd.in-toto+json"
    assert "Decision: accept" in printed
    left = objects(cluster)
    assert left == before, left ^ before
