"""Images from a registry: pushed to one that wants a login and has a certificate of our own, and
pulled from it by a cluster whose nodes have none of them (`tox run -e clusters`).
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from meshproof.cluster.kind import KindCluster
from meshproof.engine.engine import Engine
from meshproof.engine.machine import this_machine
from meshproof.engine.provision import ensure_engine
from meshproof.environment.environment import link_tools, workshop
from meshproof.errors import ExitCode
from meshproof.mesh.istio import OPERATOR, Istio, MeshSource
from meshproof.paths import PROJECT, state_dir
from meshproof.process import Completed, run
from meshproof.progress import Progress
from meshproof.supply.catalogue import loaded
from meshproof.supply.registries import DIGEST
from meshproof.supply.workshop import Workshop
from meshproof.waiting import WORKLOADS_READY
from tests.clusters import registries
from tests.clusters.by_hand import RUN_TIMEOUT, objects, verdicts
from tests.clusters.registries import Place

NAME = "registry"
#: Seconds; pushing compresses all layers.
PUSH_TIMEOUT = 600.0
#: What a run says of a pod whose node got no image, and how many seconds it waited for it.
TOLD = re.compile(
    r"does not get an image for pod \S+ in \S+: (?:ErrImagePull|ImagePullBackOff): (.+)"
)
TOOK = re.compile(r"✗ failed: tutorial: deployed \((\d+\.\d) s\)")


@pytest.fixture(scope="module")
def engine() -> Engine:
    return ensure_engine(this_machine(), install=False, progress=Progress())


@pytest.fixture(scope="module")
def shop(engine: Engine) -> Workshop:
    shop = workshop(engine, Progress())
    shop.provide("node", "registry", "crane")
    return shop


@pytest.fixture(scope="module")
def kind(engine: Engine, shop: Workshop) -> Iterator[KindCluster]:
    """A cluster with our Istio, and without the application's images in its nodes."""
    tools = link_tools(shop, state_dir() / "clusters" / NAME / "bin")
    kind = KindCluster(
        NAME, engine=engine, tools=tools, machine=this_machine(), progress=Progress()
    )
    kind.delete()  # one that a killed run left
    try:
        kind.ensure(nodes=1, image=shop.image("node"))
        istio = Istio(kind.cluster, progress=Progress())
        istio.ensure(MeshSource(OPERATOR, hub=None, tag=None), shop.key("node"), kind.address())
        kind.await_system()
        yield kind
    finally:
        kind.delete()
        shutil.rmtree(state_dir() / "clusters" / NAME, ignore_errors=True)


@pytest.fixture(scope="module")
def place(
    engine: Engine, kind: KindCluster, shop: Workshop, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    with registries.serving(engine, kind, shop, tmp_path_factory.mktemp("registry")) as place:
        yield place


#: Runs `meshproof` with arguments, as a client that has logged in or not.
Command = Callable[..., Completed]


@pytest.fixture
def meshproof(place: Place) -> Command:
    def command(*arguments: str, logged_in: bool = True) -> Completed:
        program = Path(sys.executable).with_name("meshproof")
        return run(
            [program, *arguments],
            check=False,
            timeout=PUSH_TIMEOUT,
            env=place.environment(logged_in=logged_in),
        )

    return command


@dataclass(frozen=True)
class Ended:
    """A run that has ended: its exit code, what it printed, and its sign-off."""

    code: int
    printed: str
    signoff: dict[str, Any]

    @property
    def environment(self) -> dict[str, Any]:
        """What the sign-off says was tested."""
        found: dict[str, Any] = self.signoff["environment"]
        return found


@pytest.fixture
def accept(kind: KindCluster, place: Place, tmp_path: Path) -> Callable[..., Ended]:
    """Runs scenarios on the cluster as one that exists, with images of the registry."""

    def accept(*arguments: str, logged_in: bool = True) -> Ended:
        reports = tmp_path / "reports"
        shutil.rmtree(reports, ignore_errors=True)
        where = {
            "cluster": "existing",
            "kube-context": f"kind-{NAME}",
            "ingress-url": f"http://127.0.0.1:{kind.loopback_port()}",
            "registry": place.name,
            "registry-ca": place.ca,
            "reports": reports,
        }
        options = [f"--{name}={value}" for name, value in where.items()]
        done = run(
            [sys.executable, "-m", "meshproof", "run", "features", "-p", "no:cacheprovider",
             "--no-allure-report", *options, *arguments],
            check=False,
            cwd=PROJECT,
            timeout=RUN_TIMEOUT,
            env={**place.environment(logged_in=logged_in), "KUBECONFIG": str(kind.kubeconfig)},
        )  # fmt: skip
        signoff = json.loads((reports / "signoff.json").read_text())
        return Ended(done.exit_code, done.transcript(), signoff)

    return accept


def in_nodes(kind: KindCluster, engine: Engine) -> str:
    """The names of all images that the nodes have."""
    ctr = ("ctr", "--namespace=k8s.io", "images", "list", "--quiet")
    return "\n".join(engine.run("exec", node.name, *ctr).stdout for node in kind.containers())


def repository_of(image: str) -> str:
    """The repository of an image of the suites in any registry, without the registry's name."""
    return image.rpartition(":")[0].removeprefix("localhost/")


def test_who_has_not_logged_in_or_does_not_trust_it_pushes_nothing(
    meshproof: Command, place: Place
) -> None:
    ca = f"--registry-ca={place.ca}"
    refused = meshproof("images", "push", place.name, ca, logged_in=False)
    assert refused.exit_code == ExitCode.ENVIRONMENT, refused.transcript()
    assert f"docker login {place.host}" in refused.transcript()
    doubted = meshproof("images", "push", place.name)
    assert doubted.exit_code == ExitCode.ENVIRONMENT, doubted.transcript()
    assert "not trusted here: give the certificate" in doubted.transcript()


def test_a_registry_that_is_not_there_is_said_before_a_run_begins(
    meshproof: Command, place: Place
) -> None:
    gone = meshproof("images", "push", f"{place.host.partition(':')[0]}:1/team")
    assert gone.exit_code == ExitCode.ENVIRONMENT, gone.transcript()
    assert "cannot be reached from here" in gone.transcript()
    none = meshproof("images", "push", "https://registry.example.org")
    assert none.exit_code == ExitCode.USAGE, none.transcript()
    assert "is no registry" in none.transcript()


def test_a_run_names_the_image_that_the_registry_lacks(accept: Callable[..., Ended]) -> None:
    ended = accept("-m", "D1")
    assert ended.code == ExitCode.ENVIRONMENT, ended.printed
    assert ended.signoff["verdict"] == "inconclusive", ended.printed
    assert re.search(r"The registry \S+ has no image \S+:1\.0-[0-9a-f]{16}: ", ended.printed)


def test_all_images_are_pushed_and_named_with_their_digests(
    meshproof: Command, place: Place
) -> None:
    done = meshproof("images", "push", place.name, f"--registry-ca={place.ca}")
    assert done.exit_code == 0, done.transcript()
    lines = done.stdout.split()
    assert len(lines) == len(loaded()), done.transcript()
    for name, line in zip(loaded(), lines, strict=True):
        pushed, _, digest = line.partition("@")
        assert pushed.startswith(f"{place.name}/{name.removeprefix('localhost/')}-")
        assert DIGEST.fullmatch(digest)


def test_who_pulls_without_a_login_is_told_what_the_node_was(
    accept: Callable[..., Ended], place: Place
) -> None:
    ended = accept("-m", "D3")
    assert ended.code == ExitCode.ENVIRONMENT, ended.printed
    assert ended.signoff["verdict"] == "inconclusive", ended.printed
    (row,) = (row for row in ended.signoff["expectations"] if row["id"] == "D3")
    (scenario,) = row["scenarios"]
    told = TOLD.search(scenario["message"])
    assert told, ended.printed
    assert f"{place.name}/voting/" in told[1]
    assert "no basic auth credentials" in told[1]
    (seconds,) = TOOK.findall(ended.printed)
    assert float(seconds) < WORKLOADS_READY.seconds / 2, ended.printed


def test_both_suites_are_accepted_with_images_of_the_registry(
    accept: Callable[..., Ended], kind: KindCluster, engine: Engine, place: Place
) -> None:
    before_run = in_nodes(kind, engine)
    assert not [name for name in map(repository_of, loaded()) if name in before_run]
    before = objects(kind.cluster)
    ended = accept(f"--pull-secret={place.login}")
    assert ended.code == ExitCode.ACCEPTED, ended.printed
    assert set(verdicts(ended.signoff).values()) == {"accepted"}, ended.printed
    assert ended.signoff["unseen"] == []
    assert ended.environment["images"].keys() == loaded().keys()
    assert all(map(DIGEST.fullmatch, ended.environment["images"].values()))
    assert f"pulled from {place.name} with a Secret" in ended.environment["deviations"][-1]
    there = in_nodes(kind, engine).split()
    for name, digest in ended.environment["images"].items():
        assert f"{place.name}/{repository_of(name)}@{digest}" in there, there
    assert loaded().keys().isdisjoint(there)
    assert objects(kind.cluster) == before
