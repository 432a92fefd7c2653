"""Container images: a Dockerfile's folder, with built artefacts beside it in the context."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from meshproof.paths import DATA
from meshproof.supply.go import pip_install
from meshproof.supply.recipe import Recipe
from meshproof.supply.workshop import Workbench

IMAGES = DATA / "images"


def image_recipe(
    name: str,
    about: str,
    *,
    folder: str | None = None,
    images: Path = IMAGES,
    binaries: Mapping[str, Sequence[str]] | None = None,
    base: str | None = None,
    arguments: Mapping[str, str] | None = None,
    stage: Callable[[Workbench, Path], None] | None = None,
    extra_needs: Sequence[str] = (),
) -> Recipe:
    """Make the recipe of an image.

    ``images`` is where the image's folder is: among the library's, or a project's. ``binaries``
    maps a recipe to the paths below its artefact that are put into the build context; ``stage``
    puts anything else there; ``base`` is the image recipe given as the build argument ``BASE``.
    """
    binaries, arguments = binaries or {}, dict(arguments or {})
    source = images / (folder or name)

    def build(bench: Workbench) -> None:
        context = bench.out / "context"
        shutil.copytree(source, context, ignore=shutil.ignore_patterns("__pycache__"))
        for need, paths in binaries.items():
            for path in paths:
                shutil.copy2(bench.artefact(need) / path, context)
        if stage:
            stage(bench, context)
        given = {"BASE": bench.image_of(base)} if base else {}
        bench.workshop.engine.build_image(bench.run, context, bench.image, {**given, **arguments})

    return Recipe(
        name,
        about,
        build,
        files=(source,),
        needs=(*binaries, *([base] if base else []), *extra_needs),
        image=True,
    )


def stage_wheels(bench: Workbench, context: Path) -> None:
    """Install the application's locked wheels into the build context, for the image's Python."""
    pip_install(
        context / "requirements.txt",
        context / "site-packages",
        "--python-version=3.11",
        "--implementation=cp",
        "--platform=manylinux2014_x86_64",
        "--platform=manylinux_2_28_x86_64",
    )
