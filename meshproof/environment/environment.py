"""What is known of a running environment: cluster, way in, engine and images, as one plain type."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from meshproof.cluster.cluster import Cluster, make_tools
from meshproof.cluster.kind import KindCluster
from meshproof.engine.engine import Engine
from meshproof.environment.options import Options
from meshproof.mesh.capabilities import Capability
from meshproof.mesh.istio import Istio
from meshproof.paths import DATA, PROJECT, cache_dir
from meshproof.process import run
from meshproof.progress import Progress
from meshproof.suite.deviations import deviations_of
from meshproof.suite.registry import suites
from meshproof.supply.catalogue import TOOLS, loaded, recipes
from meshproof.supply.workshop import Workshop
from meshproof.timeouts import factor_told


@dataclass(frozen=True)
class Environment:
    """A cluster with a mesh that answers.

    ``made`` says that there was no cluster before (so a run takes it down again);
    ``loopback`` is the ingress gateway as reached from this machine. ``pods_since`` is when
    its nodes were last started or got other images (UTC, ISO 8601), None where they are not asked.
    ``unseen`` is what the harness may not see here, each with why in a sentence.
    """

    cluster: Cluster
    loopback: str
    made: bool
    engine: Engine | None
    images: dict[str, str]
    built: bool
    pods_since: str | None = None
    unseen: Mapping[Capability, str] = field(default_factory=dict)


def workshop(engine: Engine | None, progress: Progress) -> Workshop:
    """The workshop of this project, with the cache of this machine."""
    return Workshop(
        recipes(), root=DATA, project=PROJECT, cache=cache_dir(), engine=engine, progress=progress
    )


def link_tools(shop: Workshop, folder: Path) -> Path:
    """Build kind, kubectl and istioctl where needed and link them into one folder."""
    shop.provide(*TOOLS.values())
    return make_tools(
        folder,
        {name: shop.folder(recipe) / "bin" / name for name, recipe in TOOLS.items()},
    )


def is_own(options: Options) -> bool:
    """Whether the cluster is Meshproof's own; an existing one is for others, too."""
    return options.cluster == "kind"


def application_images(shop: Workshop, engine: Engine) -> dict[str, str]:
    """The application's images as they are named in manifests, with their digests."""
    return {name: engine.image_id(shop.image(recipe)) for name, recipe in loaded().items()}


def load_application(shop: Workshop, kind: KindCluster, *, foreign: Cluster | None = None) -> bool:
    """Have the application's images, as built from this checkout, in every node.

    Says whether one had another of the same name; see ``KindCluster.load``.
    """
    shop.provide("application")
    pairs = [f"{fixed}={shop.image(recipe)}" for fixed, recipe in loaded().items()]
    return kind.load(shop.folder("application") / "images.tar", pairs, foreign=foreign)


def facts(environment: Environment) -> dict[str, Any]:
    """What was tested, exactly: versions, image digests, and what is not the tutorial's own.

    What takes a command each is asked at once.
    """
    engine = environment.engine
    with ThreadPoolExecutor() as pool:
        mesh = pool.submit(Istio(environment.cluster, progress=Progress()).versions)
        found: dict[str, Any] = {}
        asked = {}
        if engine:
            found["engine"] = engine.version
            asked["kind"] = pool.submit(kind_version, environment.cluster.tools)
            if not environment.cluster.images:  # else the engine need not have them
                for image in (image for suite in suites() for image in suite.images):
                    if built := environment.images.get(image.name):
                        for fact, program in image.versions.items():
                            asked[fact] = pool.submit(version_printed, engine, built, program)
    return {
        "kubernetes": environment.cluster.version,
        "cluster": environment.cluster.name,
        **mesh.result(),
        "images": environment.images,
        "deviations": deviations_told(environment),
        **found,
        **{name: answer.result() for name, answer in asked.items()},
        **({"deadlines": factor_told()} if factor_told() else {}),
    }


def deviations_told(environment: Environment) -> list[str]:
    """What is tested that is not the tutorial's own or not the default, each in a sentence."""
    images, mesh = environment.cluster.images, environment.cluster.mesh
    listed = [one.text for one in deviations_of(built=environment.built)]
    return [*listed, *mesh.deviations(), *([images.told] if images else [])]


def kind_version(tools: Path) -> str:
    """The version of the kind that made the cluster."""
    return run([tools / "kind", "version", "--quiet"]).stdout.strip()


def version_printed(engine: Engine, image: str, program: str) -> str:
    """What a program in an image says of its version: the newest that Debian had at its build."""
    printed = engine.run("run", "--rm", f"--entrypoint={program}", image, "--version").stdout
    return " ".join(printed.split())
