"""What is built: recipes, the images of suites, and the cache that holds them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from meshproof.cli.common import megabytes, with_options
from meshproof.engine.engine import answering
from meshproof.engine.machine import this_machine
from meshproof.engine.provision import ensure_engine
from meshproof.environment import bring_up
from meshproof.environment.environment import workshop
from meshproof.environment.images import listed_images, push_images
from meshproof.environment.options import read_options
from meshproof.paths import PROJECT
from meshproof.progress import Progress
from meshproof.supply.catalogue import recipes
from meshproof.supply.kept import SHARED, kept, prune, size_of
from meshproof.supply.registries import checked_registry


@click.command()
@click.argument("names", nargs=-1)
@with_options("install")
def build(names: tuple[str, ...], **typed: Any) -> None:
    """Build recipes, and what they need, where it is not built yet; without NAMES, list them."""
    options = read_options(typed)
    if not names:
        shop = workshop(answering(), Progress())
        table = Table(box=None)
        for heading in ("recipe", "what it makes", "key", "built"):
            table.add_column(heading)
        for recipe in recipes().values():
            built = "yes" if shop.has(recipe.name) else "no"
            table.add_row(recipe.name, recipe.about, shop.key(recipe.name), built)
        Console(markup=False).print(table)
        return
    progress = Progress()
    known = recipes()
    engine = None
    sound = all(name in known for name in names)
    if sound and any(known[name].image or known[name].needs for name in names):
        engine = ensure_engine(this_machine(), install=options.install, progress=progress)
    shop = workshop(engine, progress)
    if engine:
        bring_up.require_programs(shop, this_machine(), options, progress)
    shop.provide(*names)
    for name in names:
        click.echo(shop.image(name) if known[name].image else str(shop.folder(name)))


@click.group("images")
def images_group() -> None:
    """The images that suites need, for clusters whose nodes cannot be loaded with them."""


@images_group.command("list")
def list_images() -> None:
    """List them: the name in the manifests, what it is, its recipe's key, and its size if built."""
    engine = answering()
    table = Table(box=None)
    for heading in ("image", "what it is", "key", "size", "built"):
        table.add_column(heading, overflow="fold", no_wrap=heading != "what it is")
    for one in listed_images(workshop(engine, Progress()), engine):
        size = megabytes(one.size) if one.built else ""
        built = "yes" if one.built else "no"
        table.add_row(one.name, one.about, one.key, size, built)
    Console(markup=False).print(table)
    if engine is None:
        click.echo("No container engine answers: images are not looked at.")


@images_group.command("push")
@click.argument("registry")
@with_options("registry_ca", "install")
def push(registry: str, **typed: Any) -> None:
    """Push them to REGISTRY (HOST[:PORT][/PATH]), and print each name there with its digest.

    What is missing is built. Whoever has logged in there by `docker login` is let in.
    """
    options, progress = read_options(typed), Progress()
    checked_registry(registry)
    engine = ensure_engine(this_machine(), install=options.install, progress=progress)
    shop = workshop(engine, progress)
    bring_up.require_programs(shop, this_machine(), options, progress)
    for name, digest in push_images(shop, registry, options.registry_ca, progress):
        click.echo(f"{name}@{digest}")


@click.command("cache")
@click.option("--prune", "pruning", is_flag=True, help="take away what no checkout's keys name")
def show_cache(pruning: bool) -> None:
    """List what was built and is kept: its size, its last use, and which checkouts name it.

    With --prune, take away what none does: checkouts that are gone do not count.
    """
    engine = answering()
    shop = workshop(engine, Progress())
    shop.note()
    place = shop.cache
    if pruning:
        gone, in_use = prune(place, engine)
        for each in gone:
            click.echo(f"gone: {each}, {megabytes(each.size)}")
        for each in in_use:
            click.echo(f"still in use: {each}, {megabytes(each.size)}")
        if not gone and not in_use:
            click.echo("Every artefact is named by a checkout.")
    else:
        table = Table(box=None)
        for heading in ("artefact", "is", "size", "last use", "named by"):
            table.add_column(heading, overflow="fold")
        for each in kept(place, engine):
            used = f"{each.used:%Y-%m-%d}" if each.used else "unknown"
            named = "\n".join(sorted(map(_told, each.checkouts))) or "no checkout"
            form = "image" if each.image else "folder"
            table.add_row(str(each), form, megabytes(each.size), used, named)
        for name in SHARED:
            size = megabytes(size_of(place / name))
            table.add_row(f"{name}, its own cache", "folder", size, "", "all recipes")
        Console(markup=False).print(table)
    if engine is None:
        click.echo("No container engine answers: images are not looked at.")


def _told(checkout: Path) -> str:
    return "this checkout" if checkout == PROJECT else str(checkout)
