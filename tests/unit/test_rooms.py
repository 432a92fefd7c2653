"""The rooms of the library: none uses one that the architecture's table has below it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshproof.paths import PROJECT

PAGE = PROJECT / "docs" / "architecture.md"
LIBRARY = PROJECT / "meshproof"
COMMAND, AS_MODULE = "cli", "__main__.py"
#: What gives the library to pytest.
OF_PYTEST = {"plugin", "steps"}
#: What lies in no folder, but for what starts the command.
COMMON = ""


def rooms() -> list[str]:
    """The rooms in the order of the table: what everything uses first."""
    table = PAGE.read_text().partition("### Rooms of the library")[2].partition("\n## ")[0]
    return re.findall(r"^\| `meshproof/([^`]*?)/?` \|", table, re.MULTILINE)


def room_of(path: str) -> str:
    """The room of a path below the library."""
    if path == AS_MODULE:
        return COMMAND
    return path.partition("/")[0] if "/" in path else COMMON


def imported(file: Path) -> Iterator[str]:
    """The modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of_module(module: str) -> str:
    """The room of a module of the library, by its whole name, or of what is imported from it."""
    parts = module.split(".")[1:]
    return parts[0] if parts and (LIBRARY / parts[0]).is_dir() else COMMON


def files() -> list[Path]:
    return sorted(LIBRARY.rglob("*.py"))


def name_of(file: Path) -> str:
    return file.relative_to(LIBRARY).as_posix()


def test_the_table_names_every_room_once() -> None:
    there = {room_of(name_of(file)) for file in files()}
    assert sorted(rooms()) == sorted(there)


def test_no_room_uses_one_below_it() -> None:
    order = {room: place for place, room in enumerate(rooms())}
    wrong = {
        (name_of(file), used)
        for file in files()
        for module in imported(file)
        if module.split(".")[0] == "meshproof"
        for used in [room_of_module(module)]
        if order[used] > order[room_of(name_of(file))]
    }
    assert wrong == set()


@pytest.mark.parametrize("file", files(), ids=name_of)
def test_no_project_and_no_test_is_known(file: Path) -> None:
    foreign = {"steps", "features", "tests", "benchmarks", "conftest"}
    assert not foreign & {module.split(".")[0] for module in imported(file)}


@pytest.mark.parametrize(
    "file", [file for file in files() if room_of(name_of(file)) not in OF_PYTEST], ids=name_of
)
def test_the_library_knows_nothing_of_pytest(file: Path) -> None:
    foreign = {"pytest", "pytest_bdd", "allure"}
    assert not foreign & {module.split(".")[0] for module in imported(file)}


def test_what_goes_the_wrong_way_is_found(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text(
        "def f():\n    from meshproof.probes import denials\n    import meshproof.cli\n"
    )
    assert [room_of_module(module) for module in imported(file)] == ["probes", COMMAND]
