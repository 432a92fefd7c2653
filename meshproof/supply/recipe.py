"""What a recipe is, and how its key follows from what goes into it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from meshproof.supply.code import name_below, reached

if TYPE_CHECKING:
    from meshproof.supply.workshop import Workbench

#: Part of every key: raise it when the way of building changes for all recipes.
FORMAT = "1"
KEY_LENGTH = 16


@dataclass(frozen=True)
class Recipe:
    """How one artefact is made.

    ``files`` are files or folders whose content goes into the key; ``settings``
    are inputs that the code does not hold (versions); ``needs`` names the recipes whose
    artefacts this one uses. ``image`` says that the artefact is a container
    image in the engine rather than a folder of files. The code that ``build``
    reaches, and the constants in it, count as inputs by themselves.
    """

    name: str
    about: str
    build: Callable[[Workbench], None]
    files: tuple[Path, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    image: bool = False


def content_digest(path: Path) -> str:
    """Digest a file, or a folder by the names, modes and contents of all files below it.

    Python's bytecode caches do not count. Raises ``FileNotFoundError`` where there is nothing.
    """
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    if not path.is_dir():
        raise FileNotFoundError(path)
    digest = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
        executable = "x" if file.stat().st_mode & 0o100 else "-"
        inner = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file.relative_to(path).as_posix()}\0{executable}\0{inner}\n".encode())
    return digest.hexdigest()


def inputs_of(recipe: Recipe, roots: Sequence[Path], keys: Mapping[str, str]) -> dict[str, str]:
    """List every input of a recipe with its digest or value; the key is made of just this.

    ``roots`` are the folders that files are named below: the library's, and the project's.
    """
    inputs = {f"file:{name_below(file, roots)}": content_digest(file) for file in recipe.files}
    inputs |= reached(recipe.build, roots)
    inputs |= {f"setting:{name}": value for name, value in recipe.settings.items()}
    inputs |= {f"recipe:{name}": keys[name] for name in recipe.needs}
    return inputs


def key_of(name: str, inputs: Mapping[str, str]) -> str:
    """Return the key of a recipe: the same inputs give the same key, on any machine."""
    text = "\n".join([FORMAT, name, *(f"{label}={inputs[label]}" for label in sorted(inputs))])
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]


def in_order(recipes: Mapping[str, Recipe], wanted: Iterable[str]) -> list[Recipe]:
    """Return the wanted recipes and all that they need, each after its needs.

    Raises ``KeyError`` for a name that no recipe has, ``ValueError`` where recipes need each other.
    """
    ordered: dict[str, Recipe] = {}

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            raise ValueError(" → ".join((*above, name)))
        if name in ordered:
            return
        for need in recipes[name].needs:
            visit(need, (*above, name))
        ordered[name] = recipes[name]

    for name in wanted:
        visit(name, ())
    return list(ordered.values())
