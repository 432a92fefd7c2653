from __future__ import annotations

from pathlib import Path

from meshproof.paths import PROJECT
from meshproof.plugin import MODULES
from meshproof.plugin.found import of_suites
from meshproof.steps.catalogue import all_steps

STEP = "from pytest_bdd import given\n"


def test_a_module_with_steps_comes_after_what_it_imports(tmp_path: Path) -> None:
    folder = tmp_path / "steps" / "shop"
    folder.mkdir(parents=True)
    for name, text in {
        "__init__": "",
        "a": f"{STEP}from steps.shop.help import x\n",
        "help": "from steps.shop import z\n",
        "z": f"{STEP}import steps.shop.b\n",
        "b": STEP,
        "other": "from pytest_bdd import parsers\n",
    }.items():
        (folder / f"{name}.py").write_text(text)
    (tmp_path / "steps" / "of_all.py").write_text(STEP)
    assert of_suites(tmp_path / "steps") == ["steps.shop.b", "steps.shop.z", "steps.shop.a"]


def test_two_modules_that_import_each_other_are_both_found(tmp_path: Path) -> None:
    folder = tmp_path / "steps" / "shop"
    folder.mkdir(parents=True)
    (folder / "a.py").write_text(f"{STEP}import steps.shop.b\n")
    (folder / "b.py").write_text(f"{STEP}import steps.shop.a\n")
    assert sorted(of_suites(tmp_path / "steps")) == ["steps.shop.a", "steps.shop.b"]


def test_every_module_of_the_vocabulary_is_a_plugin_once() -> None:
    modules = {step.module.removesuffix(".py").replace("/", ".") for step in all_steps()}
    plugins = [*MODULES, *of_suites(PROJECT / "steps")]
    assert sorted(name for name in plugins if ".steps." in f".{name}") == sorted(modules)


def test_the_plugin_names_no_suite() -> None:
    text = (PROJECT / "meshproof" / "plugin" / "__init__.py").read_text()
    folders = {file.parent.name for file in (PROJECT / "steps").glob("*/*.py")}
    assert folders
    assert not [name for name in folders if f"steps.{name}" in text]
