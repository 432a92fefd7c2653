"""From options to a cluster and a mesh that answer: what `meshproof up` and every run do first."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlunsplit

from filelock import FileLock, Timeout

from meshproof.cluster.kind import KindCluster
from meshproof.engine import packages
from meshproof.engine.machine import Machine, this_machine
from meshproof.engine.provision import ensure_engine
from meshproof.environment.environment import (
    Environment,
    application_images,
    link_tools,
    load_application,
    workshop,
)
from meshproof.environment.existing import use_existing
from meshproof.environment.options import Options
from meshproof.mesh.istio import OPERATOR, PUBLISHED_OPERATOR, Istio, MeshSource
from meshproof.paths import state_dir
from meshproof.progress import Progress
from meshproof.supply.workshop import Workshop
from meshproof.timeouts import stretch

#: What a source build needs from the machine, by the program that shows that it is there.
BUILD_PACKAGES = {"mmdebstrap": "mmdebstrap"}


def up(options: Options, progress: Progress) -> Environment:
    """Bring cluster and mesh up, or find them healthy. Raises ``EnvironmentBroken``."""
    stretch(options.timeout_scale)
    if options.cluster == "existing":
        return use_existing(options, progress)
    with only_one(options.cluster_name, progress):
        return _kind(options, progress)


@contextmanager
def only_one(name: str, progress: Progress) -> Iterator[None]:
    """Let two runs at once bring one cluster up one after the other."""
    folder = state_dir() / "clusters"
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{name}.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        progress.note(f"another run is bringing cluster {name} up or down; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _kind(options: Options, progress: Progress) -> Environment:
    machine = this_machine()
    engine = ensure_engine(machine, install=options.install, progress=progress)
    shop = workshop(engine, progress)
    require_programs(shop, machine, options, progress)
    tools = link_tools(shop, state_dir() / "clusters" / options.cluster_name / "bin")
    kind = KindCluster(
        options.cluster_name, engine=engine, tools=tools, machine=machine, progress=progress
    )
    published = options.images == "published"
    if not published:
        shop.provide("node")
    node_image = options.node_image or shop.image("node")
    decided = kind.ensure(nodes=options.nodes, image=node_image, own_node=not published)
    operator = PUBLISHED_OPERATOR if published else OPERATOR
    source = MeshSource(operator, hub=options.hub, tag=options.tag)
    build = "published" if published else shop.key("node")
    istio = Istio(kind.cluster, progress=progress)
    if istio.installed() not in (None, source.digest(build)):
        # Sidecars that an older mesh injected would stay: only a new cluster has none of them.
        reason = "another Istio is installed in it"
        kind.refuse_in_use(reason)
        progress.note(f"replacing cluster {kind.name}: {reason}")
        kind.delete()
        kind.ensure(nodes=options.nodes, image=node_image, own_node=not published)
        istio = Istio(kind.cluster, progress=progress)  # the old one's address is gone
    with ThreadPoolExecutor(max_workers=1) as pool:
        loading = pool.submit(load_application, shop, kind)
        istio.ensure(source, build, kind.address())
        loading.result()
    kind.await_system()
    return Environment(
        kind.cluster,
        urlunsplit(("http", f"127.0.0.1:{kind.loopback_port()}", "", "", "")),
        made=decided.action == "create",
        engine=engine,
        images=application_images(shop, engine),
        built=not published,
        pods_since=kind.pods_since(),
    )


def require_programs(
    shop: Workshop, machine: Machine, options: Options, progress: Progress
) -> None:
    """Install what building images needs from Debian, where their base is not built yet."""
    if shop.has("debian"):
        return
    lacking = tuple(
        package for program, package in BUILD_PACKAGES.items() if not shutil.which(program)
    )
    if lacking:
        packages.install_packages(
            lacking,
            why="Making the base of the images",
            machine=machine,
            allowed=options.install,
            progress=progress,
        )
