"""The suites' images: which there are, pushing them to a registry, and having them from there."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.images import Images
from meshproof.cluster.namespaces import login
from meshproof.engine.engine import Engine
from meshproof.environment.environment import workshop
from meshproof.environment.options import Options
from meshproof.process import run_logged
from meshproof.progress import Progress
from meshproof.supply.catalogue import loaded
from meshproof.supply.registries import Registry, checked_registry, in_registry
from meshproof.supply.workshop import Workshop

#: The recipe of the program that talks to registries.
CRANE = "crane"
#: Seconds until an image is written to a file; the largest takes ten.
SAVE_TIMEOUT = 300.0


@dataclass(frozen=True)
class Listed:
    """An image that suites need: its ``name`` in the manifests, and its ``size`` in bytes if built.

    ``digest`` is that of its configuration in the engine, empty where it is not built.
    """

    name: str
    about: str
    recipe: str
    key: str
    digest: str = ""
    size: int = 0

    @property
    def built(self) -> bool:
        """Whether the engine has it."""
        return bool(self.digest)


def listed_images(shop: Workshop, engine: Engine | None) -> list[Listed]:
    """List what suites need; without an engine nothing is built."""
    found = []
    for name, recipe in loaded().items():
        one = Listed(name, shop.recipes[recipe].about, recipe, shop.key(recipe))
        if engine and shop.has(recipe):
            reference = shop.image(recipe)
            size = engine.image_size(reference)
            one = replace(one, digest=engine.image_id(reference), size=size)
        found.append(one)
    return found


def push_images(
    shop: Workshop, registry: str, ca: Path | None, progress: Progress
) -> Iterator[tuple[str, str]]:
    """Push what suites need; gives for each, once it is there, its name there and its digest.

    What is missing is built. Raises ``UsageFailure`` for what is no registry, and
    ``EnvironmentBroken`` where the registry does not take an image.
    """
    name = checked_registry(registry)
    shop.provide(CRANE, *loaded().values())
    there = registry_of(shop, name, ca)
    with tempfile.TemporaryDirectory(prefix="meshproof-") as folder:
        for position, (image, recipe) in enumerate(loaded().items(), 1):
            pushed = in_registry(name, image, shop.key(recipe))
            with progress.step(f"push {pushed} ({position} of {len(loaded())})"):
                archive = _saved(shop, recipe, Path(folder))
                digest = there.push(archive, pushed)
                archive.unlink()
            yield pushed, digest


def _saved(shop: Workshop, recipe: str, folder: Path) -> Path:
    """Write an image to an archive, which crane reads."""

    def logged(*argv: str | Path, env: Mapping[str, str]) -> None:
        run_logged(argv, log=folder / "save.log", timeout=SAVE_TIMEOUT, env=env)

    archive = folder / "image.tar"
    shop.engine.save_images(logged, [shop.image(recipe)], archive)
    return archive


def registry_of(shop: Workshop, name: str, ca: Path | None) -> Registry:
    """Return a registry to be asked, by crane, which is built where it is not yet."""
    shop.provide(CRANE)
    return Registry(name, shop.folder(CRANE) / "bin" / CRANE, ca)


def from_registry(cluster: Cluster, options: Options, progress: Progress) -> Cluster:
    """Return a cluster whose nodes have the suites' images from the registry of the options.

    What the checkout builds must be there, and what nodes log in with: raises
    ``EnvironmentBroken`` where it is not. Nothing is done without a registry.
    """
    if options.registry is None:
        return cluster
    shop = workshop(None, progress)
    there = registry_of(shop, options.registry, options.registry_ca)
    wanted = {
        name: in_registry(options.registry, name, shop.key(recipe))
        for name, recipe in loaded().items()
    }
    with progress.step(f"ask {there.host} for the digests of {len(wanted)} images"):
        with ThreadPoolExecutor() as pool:
            digests = list(pool.map(there.digest, wanted.values()))
        if options.pull_secret:
            login(cluster, options.pull_secret)
    names = {
        name: f"{pulled}@{digest}"
        for (name, pulled), digest in zip(wanted.items(), digests, strict=True)
    }
    return replace(cluster, images=Images(options.registry, names, options.pull_secret))
