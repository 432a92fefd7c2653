"""`meshproof up` beside what it is made of: bare `kind create cluster` and `istioctl install`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml

from benchmarks.costs import Cost, measured
from benchmarks.figures import Figure
from meshproof.cluster.kind_config import CONFIG, cluster_config
from meshproof.documents import read
from meshproof.engine.engine import Engine
from meshproof.engine.machine import this_machine
from meshproof.engine.provision import ensure_engine
from meshproof.environment.environment import link_tools, workshop
from meshproof.mesh.istio import OPERATOR
from meshproof.paths import PROJECT
from meshproof.process import run
from meshproof.progress import Progress

#: Seconds that a command may take.
TIMEOUT = 900.0
OURS, BARE = "bench-up", "bench-bare"


def measure_bring_up(progress: Progress) -> Iterator[Figure]:
    """Bring one cluster up by `meshproof up` and one by bare commands, and take both down.

    Everything is built before; both load their node image from the engine.
    """
    engine = ensure_engine(this_machine(), install=True, progress=progress)
    with tempfile.TemporaryDirectory(prefix="meshproof-bench-") as made:
        folder = Path(made)
        shop = workshop(engine, progress)
        shop.provide("node", "application")
        tools, image = link_tools(shop, folder / "bin"), shop.image("node")
        ours = _ours(progress)
        kind, mesh = _bare(engine, tools, image, folder, progress)
    yield Figure(
        "bring-up", "meshproof up, without a cluster", "s", ours.seconds,
        kind.seconds + mesh.seconds, "kind create cluster, then istioctl install",
        busy=ours.busy, idle=ours.idle,
    )  # fmt: skip
    yield Figure("bring-up", "kind create cluster", "s", kind.seconds, busy=kind.busy)
    yield Figure("bring-up", "istioctl install", "s", mesh.seconds, busy=mesh.busy)


def _ours(progress: Progress) -> Cost:
    command = [Path(sys.executable).with_name("meshproof")]
    with progress.step("meshproof up"):
        try:
            with measured() as cost:
                run([*command, "up", "--cluster-name", OURS], timeout=TIMEOUT, cwd=PROJECT)
        finally:
            run(
                [*command, "down", "--cluster-name", OURS],
                timeout=TIMEOUT,
                cwd=PROJECT,
                check=False,
            )
    return cost


def _bare(
    engine: Engine, tools: Path, image: str, folder: Path, progress: Progress
) -> tuple[Cost, Cost]:
    kubeconfig = folder / "kubeconfig"
    config = cluster_config(read(CONFIG.read_text()), nodes=1, machine=this_machine())
    named = ["--name", BARE, "--kubeconfig", str(kubeconfig)]
    environment = {**engine.kind_environment, "KUBECONFIG": str(kubeconfig)}
    with progress.step("kind create cluster, istioctl install"):
        try:
            with measured() as kind:
                run(
                    [tools / "kind", "create", "cluster", *named, "--image", image,
                     "--config", "-"],
                    stdin=yaml.safe_dump(config), timeout=TIMEOUT, env=environment,
                )  # fmt: skip
            with measured() as mesh:
                run(
                    [tools / "istioctl", "install", "-f", OPERATOR, "-y"],
                    timeout=TIMEOUT, env=environment,
                )  # fmt: skip
        finally:
            run(
                [tools / "kind", "delete", "cluster", *named],
                timeout=TIMEOUT, env=environment, check=False,
            )  # fmt: skip
    return kind, mesh
