from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshproof.supply.recipe import Recipe, content_digest, in_order, inputs_of, key_of
from meshproof.supply.workshop import Workbench


def build(bench: Workbench) -> None:
    """Build in one way."""


def build_otherwise(bench: Workbench) -> None:
    """Build in another way."""


def key(recipe: Recipe, root: Path, needed: str = "0123") -> str:
    return key_of(recipe.name, inputs_of(recipe, [root], dict.fromkeys(recipe.needs, needed)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "images" / "node"
    (folder / "etc").mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM scratch\n")
    (folder / "etc" / "start.sh").write_text("#!/bin/sh\n")
    return folder


@pytest.fixture
def recipe(folder: Path) -> Recipe:
    return Recipe(
        "node", "a node", build, files=(folder,), settings={"go": "1.26", "tags": ""}, needs=("go",)
    )


def test_same_inputs_give_the_same_key_wherever_the_checkout_lies(
    recipe: Recipe, folder: Path, tmp_path: Path
) -> None:
    before = key(recipe, tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder.parent.rename(elsewhere / "images")
    moved = replace(recipe, files=(elsewhere / "images" / "node",))
    assert key(moved, elsewhere) == before


def _content(folder: Path) -> None:
    (folder / "Dockerfile").write_text("FROM other\n")


def _mode(folder: Path) -> None:
    (folder / "etc" / "start.sh").chmod(0o755)


def _rename(folder: Path) -> None:
    (folder / "etc" / "start.sh").rename(folder / "etc" / "begin.sh")


def _move(folder: Path) -> None:
    (folder / "etc" / "start.sh").rename(folder / "start.sh")


def _add(folder: Path) -> None:
    (folder / "empty").touch()


def _remove(folder: Path) -> None:
    (folder / "Dockerfile").unlink()


@pytest.mark.parametrize("change", [_content, _mode, _rename, _move, _add, _remove])
def test_a_changed_file_changes_the_key(
    recipe: Recipe, folder: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    before = key(recipe, tmp_path)
    change(folder)
    assert key(recipe, tmp_path) != before


def test_bytecode_does_not_change_the_key(recipe: Recipe, folder: Path, tmp_path: Path) -> None:
    before = key(recipe, tmp_path)
    (folder / "etc" / "__pycache__").mkdir()
    (folder / "etc" / "__pycache__" / "app.cpython-311.pyc").write_bytes(b"\0")
    assert key(recipe, tmp_path) == before


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"settings": {"go": "1.27", "tags": ""}},
        {"settings": {"go": "1.26"}},
        {"settings": {"go": "1.26", "tags": "", "more": ""}},
        {"build": build_otherwise},
        {"needs": ("go", "kind")},
        {"needs": ()},
        {"files": ()},
    ],
    ids=" ".join,
)
def test_a_changed_recipe_changes_the_key(
    recipe: Recipe, tmp_path: Path, change: dict[str, Any]
) -> None:
    assert key(replace(recipe, **change), tmp_path) != key(recipe, tmp_path)


def test_a_changed_need_changes_the_key(recipe: Recipe, tmp_path: Path) -> None:
    assert key(recipe, tmp_path, needed="4567") != key(recipe, tmp_path)


def test_what_a_recipe_is_about_does_not_change_its_key(recipe: Recipe, tmp_path: Path) -> None:
    assert key(replace(recipe, about="told better"), tmp_path) == key(recipe, tmp_path)


@given(settings=st.dictionaries(st.text(), st.text()), data=st.data())
def test_the_order_of_settings_does_not_matter(
    settings: dict[str, str], data: st.DataObject
) -> None:
    shuffled = dict(data.draw(st.permutations(list(settings.items()))))
    one, other = (Recipe("r", "", build, settings=given) for given in (settings, shuffled))
    assert key(one, Path()) == key(other, Path())


def test_a_single_file_is_digested_by_its_content(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("same")
    other.write_text("same")
    assert content_digest(one) == content_digest(other)


def test_an_input_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        content_digest(tmp_path / "gone")


def graph(needs: dict[str, tuple[str, ...]]) -> dict[str, Recipe]:
    return {name: Recipe(name, "", build, needs=needed) for name, needed in needs.items()}


@st.composite
def acyclic(draw: st.DrawFn) -> dict[str, tuple[str, ...]]:
    count = draw(st.integers(1, 8))
    needs = {
        str(n): tuple(draw(st.lists(st.sampled_from(range(n)), unique=True).map(_names)))
        if n
        else ()
        for n in range(count)
    }
    return {name: needs[name] for name in draw(st.permutations(list(needs)))}


def _names(numbers: list[int]) -> list[str]:
    return [str(number) for number in numbers]


@given(needs=acyclic(), data=st.data())
def test_every_recipe_comes_once_and_after_its_needs(
    needs: dict[str, tuple[str, ...]], data: st.DataObject
) -> None:
    wanted = data.draw(st.lists(st.sampled_from(sorted(needs))))
    ordered = [recipe.name for recipe in in_order(graph(needs), wanted)]
    assert len(ordered) == len(set(ordered))
    assert set(wanted) <= set(ordered)
    for position, name in enumerate(ordered):
        assert set(needs[name]) <= set(ordered[:position])


@pytest.mark.parametrize(
    ("needs", "shown"),
    [({"a": ("a",)}, "a → a"), ({"a": ("b",), "b": ("c",), "c": ("b",)}, "a → b → c → b")],
)
def test_recipes_that_need_each_other_are_shown(
    needs: dict[str, tuple[str, ...]], shown: str
) -> None:
    with pytest.raises(ValueError, match=shown):
        in_order(graph(needs), ["a"])


def test_an_unknown_name_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="nonsense"):
        in_order(graph({"a": ("nonsense",)}), ["a"])
