from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from filelock import FileLock

from meshproof.engine.engine import Engine
from meshproof.progress import Progress
from meshproof.supply.kept import ABANDONED, Kept, kept, prune
from meshproof.supply.recipe import Recipe
from meshproof.supply.workshop import Workbench, Workshop


@dataclass
class Images:
    """An engine's images, by reference, and those that a container uses."""

    there: dict[str, int]
    used: set[str] = field(default_factory=set)

    def image_references(self, pattern: str) -> list[str]:
        assert pattern == "localhost/meshproof/*"
        return list(self.there)

    def image_size(self, reference: str) -> int:
        return self.there[reference]

    def remove_image(self, reference: str) -> bool:
        if reference in self.used:
            return False
        del self.there[reference]
        return True

    @property
    def engine(self) -> Engine:
        return cast(Engine, self)


def build(bench: Workbench) -> None:
    (bench.out / "product").write_text("ten bytes.")
    bench.log.write_text("built\n")


@dataclass
class Machine:
    """A cache, and checkouts that build in it."""

    folder: Path
    progress: Progress

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    def checkout(self, name: str, **versions: str) -> Workshop:
        """A checkout with a recipe for each of these, in these versions."""
        root = self.folder / name
        root.mkdir(exist_ok=True)
        recipes = {
            recipe: Recipe(recipe, "", build, settings={"version": version})
            for recipe, version in versions.items()
        }
        return Workshop(recipes, root=root, cache=self.cache, progress=self.progress)

    def names(self, engine: Engine | None = None) -> list[str]:
        return [each.name for each in kept(self.cache, engine)]


@pytest.fixture
def machine(tmp_path: Path, progress: Progress) -> Machine:
    return Machine(tmp_path, progress)


def test_what_was_built_is_listed_with_its_size_its_use_and_who_names_it(machine: Machine) -> None:
    begun = datetime.now(UTC) - timedelta(seconds=1)
    one, two = machine.checkout("one", kind="1", istio="1"), machine.checkout("two", kind="1")
    one.provide("kind", "istio")
    two.provide("kind")
    istio, kind = kept(machine.cache, None)
    assert sorted(kind.checkouts) == [one.project, two.project]
    assert (istio.name, istio.key, istio.checkouts) == ("istio", one.key("istio"), (one.project,))
    assert kind.size > len("ten bytes.")
    assert kind.used is not None and begun < kind.used
    assert str(kind) == one.folder("kind").name


def test_use_is_noted_of_what_is_there_already(machine: Machine) -> None:
    shop = machine.checkout("one", kind="1")
    shop.provide("kind")
    note = machine.cache / "used" / shop.folder("kind").name
    os.utime(note, (0, 0))
    shop.provide("kind")
    (kind,) = kept(machine.cache, None)
    assert kind.used is not None and kind.used.year > 1970


def test_what_a_checkout_names_no_more_goes_with_its_log(machine: Machine) -> None:
    old = machine.checkout("one", kind="1", istio="1")
    old.provide("kind", "istio")
    new = machine.checkout("one", kind="2", istio="1")
    new.provide("kind")
    gone, in_use = prune(machine.cache, None)
    assert ([(each.name, each.key) for each in gone], in_use) == ([("kind", old.key("kind"))], [])
    assert machine.names() == ["istio", "kind"]
    assert new.has("kind") and not old.has("kind")
    assert not old.log("kind").exists() and new.log("kind").exists()
    assert not list((machine.cache / "unfinished").iterdir())
    assert prune(machine.cache, None) == ([], [])


def test_what_another_checkout_names_stays_until_that_is_gone(machine: Machine) -> None:
    for version in "12":
        machine.checkout(version, kind=version).provide("kind")
    assert prune(machine.cache, None) == ([], [])
    shutil.rmtree(machine.folder / "1")
    gone, _ = prune(machine.cache, None)
    assert [each.name for each in gone] == ["kind"]
    assert machine.names() == ["kind"]


def test_what_only_some_recipes_were_asked_for_of_is_named_all_the_same(machine: Machine) -> None:
    machine.checkout("one", kind="1", istio="1").provide("kind", "istio")
    machine.checkout("one", kind="1").provide("kind")  # as a part of the recipes is used alone
    assert prune(machine.cache, None) == ([], [])


def test_what_is_built_again_just_now_stays(machine: Machine) -> None:
    old = machine.checkout("one", kind="1")
    old.provide("kind")
    machine.checkout("one", kind="2").provide("kind")
    with FileLock(machine.cache / "locks" / f"{old.folder('kind').name}.lock"):
        gone, in_use = prune(machine.cache, None)
    assert (gone, [each.key for each in in_use]) == ([], [old.key("kind")])
    assert old.has("kind")


def test_images_go_but_for_those_in_use(machine: Machine) -> None:
    shop = machine.checkout("one", node="1")
    shop.provide("node")
    named = f"localhost/meshproof/node:{shop.key('node')}"
    spare, busy = (f"localhost/meshproof/node:{digit * 16}" for digit in "ab")
    images = Images({named: 1, spare: 2, busy: 3, "localhost/meshproof/other:latest": 4}, {busy})
    gone, in_use = prune(machine.cache, images.engine)
    assert gone == [Kept("node", "a" * 16, True, 2, None, ())]
    assert in_use == [Kept("node", "b" * 16, True, 3, None, ())]
    assert set(images.there) == {named, busy, "localhost/meshproof/other:latest"}


def test_what_a_killed_build_left_goes_after_a_day(machine: Machine) -> None:
    machine.checkout("one", kind="1").provide("kind")
    fresh, old = (machine.cache / "unfinished" / name for name in ("kind-1", "kind-2"))
    for folder in (fresh, old):
        (folder / "half").mkdir(parents=True)
    long_ago = time.time() - ABANDONED - 1
    os.utime(old, (long_ago, long_ago))
    prune(machine.cache, None)
    assert fresh.exists() and not old.exists()


def test_an_empty_cache_has_nothing(tmp_path: Path) -> None:
    assert kept(tmp_path / "none", None) == []
    assert prune(tmp_path / "none", None) == ([], [])


@pytest.mark.parametrize("content", ["{", "{}", "[]", '{"root": 1, "keys": {}}'])
def test_a_note_that_cannot_be_read_is_written_anew(machine: Machine, content: str) -> None:
    shop = machine.checkout("one", kind="1")
    shop.provide("kind")
    (note,) = (machine.cache / "checkouts").iterdir()
    note.write_text(content)
    shop.provide("kind")
    assert prune(machine.cache, None) == ([], [])
