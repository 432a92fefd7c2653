"""What of the code a key holds: all that a build function reaches, and nothing beside it."""

from __future__ import annotations

import importlib.util
import itertools
import os
import pkgutil
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from meshproof import supply
from meshproof.paths import PROJECT
from meshproof.supply.code import BEYOND
from meshproof.supply.go import go_recipe
from meshproof.supply.images import image_recipe
from meshproof.supply.recipe import Recipe, inputs_of, key_of

ANY_GO = "go1.26.8"
_numbers = itertools.count()

Load = Callable[..., Any]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Make a module of this package out of its text, each time another one of the same name."""

    def load(text: str, name: str = "meshproof.supply.made_for_a_test") -> Any:
        file = tmp_path / f"module_{next(_numbers)}.py"
        file.write_text(textwrap.dedent(text))
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return module

    return load


def key(recipe: Recipe) -> str:
    return key_of(recipe.name, inputs_of(recipe, [PROJECT], dict.fromkeys(recipe.needs, "0123")))


def key_of_build(module: Any) -> str:
    return key(Recipe("made", "", module.build))


MODULE = """
    import shutil
    from functools import cache
    from pathlib import Path

    OPTIONS = ("--one",)
    UNUSED = 1

    class Tool:
        command = "cc"

        @property
        def line(self):
            return [self.command, *OPTIONS]

    @cache
    def innermost():
        return "a"

    def helper(path=Path("x")):
        return innermost(), path

    def build(bench):
        names = [helper() for _ in range(3)]
        shutil.copyfile(names, Tool().line)
        return names
"""


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("range(3)", "range(4)"),
        ("return innermost(), path", "return path, innermost()"),
        ('return "a"', 'return "b"'),
        ('("--one",)', '("--two",)'),
        ('command = "cc"', 'command = "gcc"'),
        ("[self.command, *OPTIONS]", "[*OPTIONS, self.command]"),
        ('Path("x")', 'Path("y")'),
        ("@cache", ""),
    ],
)
def test_what_a_build_reaches_changes_its_key(load: Load, was: str, becomes: str) -> None:
    assert was in MODULE
    assert key_of_build(load(MODULE)) != key_of_build(load(MODULE.replace(was, becomes)))


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("UNUSED = 1", "UNUSED = 2"),
        ("def helper(", "# helps\n\n    def helper("),
        ('return "a"', "return (\n            'a'\n        )"),
        ('return "a"', '"""Say a."""\n        return "a"'),
        ("def innermost():", "def innermost() -> str:"),
        ("def build(bench):", "def build(bench: 'Workbench') -> None:"),
        ("def build(bench):", "def another():\n        return UNUSED\n\n    def build(bench):"),
    ],
)
def test_what_a_build_does_not_reach_and_how_it_is_written_do_not(
    load: Load, was: str, becomes: str
) -> None:
    assert was in MODULE
    assert key_of_build(load(MODULE)) == key_of_build(load(MODULE.replace(was, becomes)))


INNER = """
    def recipe_of(given):
        unused = object()

        def build(bench):
            return [part for part in (given, 1)]

        return build
"""


def test_what_an_inner_function_keeps_changes_its_key(load: Load) -> None:
    module = load(INNER)
    values: list[Any] = ["a", "b", None, ("a",), {"a": "b"}, {"a": ["b", "c"]}, Path("a"), b"a", 1]
    keys = {key(Recipe("made", "", module.recipe_of(value))) for value in values}
    assert len(keys) == len(values)


def test_what_a_kept_function_reaches_changes_the_key(load: Load) -> None:
    staged = """
        WORD = "one"

        def stage():
            return WORD
        """
    build = load(INNER).recipe_of
    stages = [
        load(text, "meshproof.supply.staged") for text in (staged, staged.replace("one", "two"))
    ]
    one, other = (key(Recipe("made", "", build({"in": [stage.stage]}))) for stage in stages)
    assert one != other


def test_the_order_of_a_mapping_or_a_set_does_not_change_the_key(load: Load) -> None:
    made = load(INNER).recipe_of
    keys = {
        key(Recipe("made", "", made(value)))
        for value in ({"a": {"x", "y"}, "b": 2}, {"b": 2, "a": {"y", "x"}})
    }
    assert len(keys) == 1


def test_what_has_no_lasting_text_is_refused_by_its_name(load: Load) -> None:
    with pytest.raises(TypeError, match=r"build uses given: a key cannot hold a object"):
        key(Recipe("made", "", load(INNER).recipe_of(object())))
    with pytest.raises(TypeError, match=r"<lambda> .* define it by a name"):
        key(Recipe("made", "", load("build = lambda bench: None").build))


def test_something_of_another_module_of_the_package_counts(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = "def helper():\n    return {}\n\ndef beside():\n    return {}\n"
    text = """
        from meshproof.supply import other

        def build(bench):
            return other.helper()
        """
    keys = []
    for helper, beside in ((1, 1), (1, 2), (2, 2)):
        made = load(other.format(helper, beside), "meshproof.supply.other")
        monkeypatch.setattr(supply, "other", made, raising=False)
        keys.append(key_of_build(load(text)))
    assert keys[0] == keys[1] != keys[2]


def test_how_commands_are_run_and_told_of_does_not_count(load: Load) -> None:
    module = load("""
        from meshproof.process import run
        from meshproof.supply.go import toolchain

        def build(bench):
            bench.run(toolchain().command)
            run(["true"])
        """)
    found = inputs_of(Recipe("made", "", module.build), [PROJECT], {})
    assert list(found) == ["code:build"]


def test_what_a_build_asks_of_the_engine_counts(load: Load) -> None:
    module = load("""
        def build(bench):
            bench.workshop.engine.import_root(bench.run, bench.out, bench.image)
        """)
    found = inputs_of(Recipe("made", "", module.build), [PROJECT], {})
    assert set(found) == {"code:build", "code:Engine.import_root"}


@pytest.fixture
def some_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meshproof.supply.go.version_to_build_with", lambda: ANY_GO)


@pytest.mark.usefixtures("some_go")
@pytest.mark.parametrize(
    "change",
    [
        {"renamed": {"server": "etcd"}},
        {"tags": "small"},
        {"packages": ["."]},
        {"stamps": {"main.version": "1"}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_a_go_recipe_is_given_changes_its_key(change: dict[str, Any]) -> None:
    assert key(go_recipe("etcd", "etcd")) != key(go_recipe("etcd", "etcd", **change))


def _stage(bench: object, context: Path) -> None:
    """Put nothing into the context."""


@pytest.mark.parametrize(
    "change",
    [
        {"binaries": {"etcd": ["bin/etcdctl"]}},
        {"base": "other"},
        {"arguments": {"NAME": "value"}},
        {"arguments": {"OTHER": "etcd"}},
        {"stage": _stage},
    ],
    ids=["binaries", "base", "an argument's name", "an argument's value", "stage"],
)
def test_whatever_an_image_recipe_is_given_changes_its_key(change: dict[str, Any]) -> None:
    given: dict[str, Any] = {
        "folder": "control-plane",
        "binaries": {"etcd": ["bin/etcd"]},
        "base": "debian",
        "arguments": {"NAME": "etcd"},
    }
    assert key(image_recipe("image", "", **given)) != key(
        image_recipe("image", "", **given | change)
    )


def test_where_following_ends_is_named_as_it_is() -> None:
    for name in BEYOND:
        assert pkgutil.resolve_name(name) is not None


SHOW_KEYS = """
from pathlib import Path
from meshproof import supply
from meshproof.paths import PROJECT
from meshproof.supply.catalogue import recipes
from meshproof.supply.workshop import Workshop
assert Path.cwd() == PROJECT
shop = Workshop(recipes(), root=PROJECT, cache=Path("cache"))
print(*(f"{name} {shop.key(name)}" for name in shop.recipes), sep="\\n")
"""


def test_keys_are_the_same_in_each_process_and_in_each_checkout(tmp_path: Path) -> None:
    elsewhere = tmp_path / "checkout"
    for folder in ("features", "meshproof", "supply", "images"):
        shutil.copytree(PROJECT / folder, elsewhere / folder)
    shutil.copy2(PROJECT / "pyproject.toml", elsewhere)
    printed = []
    for number, checkout in enumerate((PROJECT, elsewhere, elsewhere)):
        home = str(tmp_path / f"home-{number}")
        env = {**os.environ, "PYTHONPATH": str(checkout), "PYTHONHASHSEED": str(number)}
        done = subprocess.run(
            [sys.executable, "-c", SHOW_KEYS],
            env={**env, "MESHPROOF_CACHE": home, "MESHPROOF_STATE": home},
            cwd=checkout,
            check=True,
            capture_output=True,
            text=True,
        )
        printed.append(done.stdout)
    assert "\nnode " in printed[0]
    assert printed[0] == printed[1] == printed[2]
