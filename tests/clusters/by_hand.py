"""A kind cluster with an Istio that Meshproof did not install, for runs on an existing cluster.

What differs between such meshes is their operator file and what is done beside it.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.health import unready_workloads
from meshproof.cluster.kind import KindCluster
from meshproof.cluster.shape import DEFAULT, MeshShape
from meshproof.engine.engine import answering
from meshproof.engine.machine import this_machine
from meshproof.environment.environment import link_tools, load_application, workshop
from meshproof.errors import EnvironmentBroken, ExitCode
from meshproof.mesh.istio import INSTALL_TIMEOUT, OPERATOR
from meshproof.paths import PROJECT
from meshproof.probes.api_resources import list_objects
from meshproof.process import Completed, run
from meshproof.progress import Progress
from meshproof.waiting import MESH_READY, converge
from tests.whole_runs import MESHPROOF, run_of

#: Seconds; a run of a whole suite takes some ten minutes on two cores that nobody else uses.
RUN_TIMEOUT = 2700.0
Document = dict[str, Any]


def default_operator() -> Document:
    """Istio's default settings, but for what the built proxy and two cores need."""
    found: Document = yaml.safe_load(OPERATOR.read_text())
    return found


@dataclass(frozen=True)
class Mesh:
    """A mesh to be made: its operator file, its shape, and what is there beside it.

    ``before`` and ``after`` are objects that are applied before and after Istio is installed,
    ``deleted`` what is deleted then, as `kubectl delete` names it.
    """

    name: str
    operator: Document
    shape: MeshShape = DEFAULT
    before: list[Document] = field(default_factory=list)
    after: list[Document] = field(default_factory=list)
    deleted: tuple[tuple[str, str], ...] = ()

    @property
    def context(self) -> str:
        """Its cluster's context in the kubeconfig that kind writes."""
        return f"kind-{self.name}"

    @property
    def typed(self) -> tuple[str, ...]:
        """The arguments that lead a command to it."""
        return "--cluster=existing", f"--kube-context={self.context}"


def apply(cluster: Cluster, documents: list[Document]) -> None:
    """Apply objects, if there are any. Raises ``CommandFailed``."""
    if documents:
        cluster.command("kubectl", "apply", "-f", "-", stdin=yaml.safe_dump_all(documents))


def install(mesh: Mesh, cluster: Cluster, address: str, folder: Path) -> None:
    """Install Istio as the mesh has it, and give its gateway an address, as a cloud would."""
    apply(cluster, mesh.before)
    file = folder / "operator.yaml"
    file.write_text(yaml.safe_dump(mesh.operator))
    cluster.command("istioctl", "install", "-f", str(file), "-y", timeout=INSTALL_TIMEOUT)
    for one in mesh.deleted:
        cluster.command("kubectl", "delete", "--ignore-not-found", *one)
    apply(cluster, mesh.after)
    status = {"status": {"loadBalancer": {"ingress": [{"ip": address}]}}}
    gateway = mesh.shape.gateway
    cluster.core.patch_namespaced_service_status(gateway.name, gateway.namespace, status)
    converge(
        lambda: unready_workloads(cluster, mesh.shape.namespaces),
        until=lambda names: not names,
        what="istiod and the gateway are ready",
        timeout=MESH_READY,
    )


def kind_cluster(name: str, progress: Progress) -> KindCluster:
    """The cluster, whether it is there or not. Raises ``EnvironmentBroken`` without an engine."""
    engine = answering()
    if engine is None:
        raise EnvironmentBroken("A container engine is needed to make a cluster.")
    found = KindCluster(
        name, engine=engine, tools=Path(), machine=this_machine(), progress=progress
    )
    found.tools = link_tools(workshop(engine, progress), found.kubeconfig.parent / "bin")
    return found


def make(mesh: Mesh, folder: Path, progress: Progress) -> Cluster:
    """Make the cluster and its mesh, with the application's images loaded."""
    kind = kind_cluster(mesh.name, progress)
    shop = workshop(kind.engine, progress)
    shop.provide("node")
    kind.ensure(nodes=1, image=shop.image("node"))
    install(mesh, kind.cluster, kind.address(), folder)
    cluster = replace(kind.cluster, mesh=mesh.shape)
    load_application(shop, kind, foreign=cluster)
    kind.await_system()
    return cluster


@contextmanager
def made(mesh: Mesh, folder: Path, progress: Progress) -> Iterator[Cluster]:
    """Have the cluster as long as the context lasts; one that a killed run left goes first."""
    kind = kind_cluster(mesh.name, progress)
    kind.delete()
    try:
        yield make(mesh, folder, progress)
    finally:
        kind.delete()
        shutil.rmtree(kind.kubeconfig.parent, ignore_errors=True)


#: Runs Python with arguments, and those that lead to the cluster, whatever comes of it.
Run = Callable[..., Completed]


def runs_on(kubeconfig: Path, *typed: str) -> Run:
    """Runs on a cluster, as a user has them who was given this kubeconfig.

    ``typed`` are the arguments that lead each of them there.
    """

    def call(*arguments: str) -> Completed:
        return run(
            [sys.executable, *arguments, *typed],
            check=False,
            cwd=PROJECT,
            timeout=RUN_TIMEOUT,
            env={"KUBECONFIG": str(kubeconfig)},
        )

    return call


def signoff_of(reports: Path) -> dict[str, Any]:
    """The sign-off that a run has written."""
    found: dict[str, Any] = json.loads((reports / "signoff.json").read_text())
    return found


def whole_suite(existing: Run, reports: Path, ends: ExitCode) -> dict[str, Any]:
    """Run the whole voting suite, which must end with this code, and return its sign-off."""
    done = existing(*run_of("features/voting", reports))
    assert done.exit_code == ends, done.transcript()
    return signoff_of(reports)


@contextmanager
def the_same_objects(cluster: Cluster, existing: Run) -> Iterator[None]:
    """Afterwards, and after `meshproof clean`, the cluster has the objects that it had before."""
    before = objects(cluster)
    yield
    cleaned = existing(*MESHPROOF, "clean")
    assert cleaned.ok, cleaned.transcript()
    left = objects(cluster)
    assert left == before, left ^ before


def verdicts(signoff: Mapping[str, Any]) -> dict[str, str]:
    """The verdict of each expectation of a sign-off's scope, by its id."""
    rows = signoff["expectations"]
    return {row["id"]: row["verdict"] for row in rows if row["verdict"] != "out of scope"}


def objects(cluster: Cluster) -> set[tuple[str, str, str, str]]:
    """All objects but those that come and go by themselves, as A3 counts them."""
    _, listed = list_objects(cluster)
    return {(one.kind, one.namespace, one.name, one.uid) for one in listed}
