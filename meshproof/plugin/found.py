"""Which modules of a project define steps, in the order in which pytest may import them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

#: What a module that defines steps has from pytest-bdd.
DECORATORS = {"given", "when", "then"}


def of_suites(folder: Path) -> list[str]:
    """Return the modules of `steps/<suite>/` that define steps, each after what it imports.

    pytest rewrites the assertions of a module as it imports it, and one that another has
    imported before is left as it is.
    """
    trees = {
        f"{folder.name}.{file.parent.name}.{file.stem}": ast.parse(file.read_text())
        for file in sorted(folder.glob("*/*.py"))
        if file.stem != "__init__"
    }
    order: dict[str, None] = {}
    for name in trees:
        _visit(name, trees, order, set())
    return [name for name in order if _defines_steps(trees[name])]


def _visit(
    name: str, trees: dict[str, ast.Module], order: dict[str, None], above: set[str]
) -> None:
    """Put a module behind all that it imports."""
    if name in order or name in above:
        return
    for imported in _imported(trees[name]):
        if imported in trees:
            _visit(imported, trees, order, above | {name})
    order[name] = None


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def _defines_steps(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.ImportFrom)
        and node.module == "pytest_bdd"
        and bool(DECORATORS & {alias.name for alias in node.names})
        for node in tree.body
    )
