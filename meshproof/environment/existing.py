"""A cluster that somebody else made: found by its kubeconfig context, used as it is."""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import socket
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

from kubernetes import config as kube_config
from kubernetes.client.exceptions import ApiException

from meshproof.cluster.cluster import COPIED, Cluster
from meshproof.cluster.kind import KindCluster
from meshproof.cluster.objects import get
from meshproof.cluster.shape import DEFAULT, MeshShape
from meshproof.engine.engine import answering
from meshproof.engine.machine import this_machine
from meshproof.environment.environment import (
    Environment,
    application_images,
    link_tools,
    load_application,
    workshop,
)
from meshproof.environment.images import from_registry
from meshproof.environment.options import Options
from meshproof.errors import EnvironmentBroken, UsageFailure
from meshproof.mesh.addresses import first_there, node_ports, page_at, stated_address
from meshproof.mesh.capabilities import Capability
from meshproof.mesh.discovery import HTTP_PORT, Asked, Gateway, find_control_plane, find_gateway
from meshproof.mesh.forwarding import Forwarder
from meshproof.paths import state_dir
from meshproof.probes.rights import Missing, missing_rights, require
from meshproof.process import run
from meshproof.progress import Progress
from meshproof.suite.rights import Place
from meshproof.waiting import NAME_RESOLVES, converge

NODES = "/api/v1/nodes"


def existing_cluster(options: Options) -> Cluster:
    """Cut the named context out of the user's kubeconfig, which itself is never written.

    The copy, with what lets its reader in, is this user's alone and goes when the process ends;
    those of processes that were killed go now.
    """
    sweep(Path(tempfile.gettempdir()))
    context = options.kube_context or ""
    digest = hashlib.sha256(context.encode()).hexdigest()[:16]  # a/b and a_b are two
    tools = link_tools(workshop(None, Progress()), state_dir() / "existing" / digest / "bin")
    folder = Path(tempfile.mkdtemp(prefix=f"{COPIED}{os.getpid()}-"))  # for its owner alone
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    own = folder / "kubeconfig"
    for left in (state_dir() / "existing").glob("*/kubeconfig"):
        left.unlink(missing_ok=True)  # by releases that kept it
    with suppress(kube_config.ConfigException):
        known = [entry["name"] for entry in kube_config.list_kube_config_contexts()[0]]
        if context not in known:
            raise UsageFailure(
                f"There is no kubeconfig context “{context}”; there are: {', '.join(known)}."
            )
    cut = run(
        [
            tools / "kubectl",
            "config",
            "view",
            "--context",
            context,
            "--minify",
            "--flatten",
            "--raw",
        ]
    )
    own.touch(mode=0o600)
    own.write_text(cut.stdout)
    return Cluster(context, own, tools)


def sweep(place: Path) -> None:
    """Take away the copies of kubeconfigs that processes left that were killed."""
    for folder in place.glob(f"{COPIED}*-*"):
        number = folder.name.removeprefix(COPIED).partition("-")[0]
        if number.isdecimal() and not _lives(int(number)):
            shutil.rmtree(folder, ignore_errors=True)  # of another user's nothing goes


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def asked_of(options: Options) -> Asked:
    """Return what the options say of the mesh."""
    return Asked(options.istio_namespace, options.revision, options.ingress)


def in_its_mesh(cluster: Cluster, options: Options) -> Cluster:
    """Return the cluster with where its istiod is; the gateway is not looked for.

    Raises ``EnvironmentBroken`` where there is none, or it cannot be seen, ``UsageFailure`` where
    several may be meant.
    """
    with _seen("istiod"):
        return replace(cluster, mesh=find_control_plane(cluster, asked_of(options)))


def shaped(cluster: Cluster, options: Options) -> tuple[Cluster, Gateway]:
    """Return the cluster with the shape of its mesh, and the gateway that users come in by.

    Raises as `in_its_mesh` does, and where the namespace of the tutorial is one of the mesh's.
    """
    cluster = in_its_mesh(cluster, options)
    with _seen("the ingress gateway"):
        gateway = find_gateway(cluster, cluster.mesh, asked_of(options))
    mesh = replace(cluster.mesh, gateway=gateway.shape)
    if options.namespace in mesh.namespaces:
        raise UsageFailure(f"--namespace: the namespace {options.namespace} is the mesh's own.")
    return replace(cluster, mesh=mesh), gateway


@contextmanager
def _seen(what: str) -> Iterator[None]:
    """Tell whoever may not see something so."""
    try:
        yield
    except ApiException as error:
        raise EnvironmentBroken(
            f"It cannot be seen where {what} is: the API server says {error.status} "
            f"({HTTPStatus(error.status or 500).phrase}).",
            str(error.reason),
        ) from error


def told(mesh: MeshShape) -> list[str]:
    """Say of a mesh of another shape than the tutorial's what was found, and what is adapted."""
    if mesh == DEFAULT:
        return []
    return [
        f"the mesh: istiod of revision {mesh.revision} in {mesh.namespace}, "
        f"ingress gateway {mesh.gateway.service}",
        *(f"adapted: {line}" for line in mesh.deviations()),
    ]


def way_in(cluster: Cluster, gateway: Gateway, progress: Progress) -> str:
    """Return the URL by which this machine reaches the gateway.

    That is at its Service's address, else at a node's port, else through the API server, as long
    as this process lives. Raises ``NotConverged`` where its host name does not resolve.
    """
    address = stated_address(gateway.service)
    if address:
        await_name(address)
        return page_at(address)
    with suppress(ApiException):  # who may not see nodes has the other way
        place = first_there(node_ports(gateway.service, get(cluster, NODES)["items"]))
        if place:
            return page_at(*place)
    port = Forwarder(cluster, gateway.shape, gateway.service).port
    progress.note(f"the gateway has no address: it is reached through the API server, port {port}")
    return page_at("127.0.0.1", port)


def await_name(host: str) -> None:
    """Wait until a gateway's host name resolves, which a new one does after a while."""

    def resolve() -> bool:
        try:
            return bool(socket.getaddrinfo(host, HTTP_PORT))
        except socket.gaierror:
            return False

    converge(
        resolve,
        until=bool,
        what=f"the gateway's host name {host} resolves",
        timeout=NAME_RESOLVES,
    )


def use_existing(options: Options, progress: Progress) -> Environment:
    """Find the cluster and its mesh, and ask what may be done there; nothing is changed.

    Raises ``EnvironmentBroken`` where one is not there, or what a run needs is not allowed.
    """
    cluster = existing_cluster(options)
    try:
        version = cluster.version
    except Exception as error:
        raise EnvironmentBroken(
            f"The cluster of context “{options.kube_context}” does not answer: "
            f"{type(error).__name__}."
        ) from error
    progress.note(f"using the cluster of context {options.kube_context} (Kubernetes {version})")
    missing = missing_rights(cluster, Place.CLUSTER)
    require(missing)
    cluster, gateway = shaped(cluster, options)
    missing += missing_rights(cluster, Place.ISTIOD)
    require(missing)
    for line in (*told(cluster.mesh), *(one.sentence for one in missing)):
        progress.note(line)
    base = options.ingress_url or way_in(cluster, gateway, progress)
    engine = answering()
    cluster = from_registry(cluster, options, progress)
    images = cluster.images.digests if cluster.images else {}
    pods_since: str | None = None
    if engine and not cluster.images:
        name = (options.kube_context or "").removeprefix("kind-")
        kind = KindCluster(
            name, engine=engine, tools=cluster.tools, machine=this_machine(), progress=progress
        )
        if kind.containers():  # a kind cluster of this engine: the application can be loaded
            shop = workshop(engine, progress)
            now = datetime.now(UTC).isoformat()
            pods_since = now if load_application(shop, kind, foreign=cluster) else None
            images = application_images(shop, engine)
    return Environment(
        cluster,
        base,
        made=False,
        engine=engine,
        images=images,
        built=False,
        pods_since=pods_since,
        unseen=unseen(missing),
    )


def unseen(missing: Iterable[Missing]) -> dict[Capability, str]:
    """Return what cannot be seen for want of rights, with the first sentence that says why."""
    found: dict[Capability, str] = {}
    for one in missing:
        for capability in one.right.capabilities:
            found.setdefault(capability, one.sentence)
    return found
