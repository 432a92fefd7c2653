"""What of the project's own code makes an artefact: all that its build function reaches.

The names in the function's code are followed, to functions, classes and constants of this package,
and on from there; so are the variables that an inner function keeps of the one that made it. Code
counts as what Python makes of it: layout, comments, docstrings and annotations do not. Constants
count by their values, paths below the library's files or the project by where they lie there.
"""

from __future__ import annotations

import ast
import copy
import dataclasses
import functools
import hashlib
import inspect
import re
import symtable
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from meshproof.engine.engine import Engine

PACKAGE = "meshproof"
#: How programs are run and found, and what is logged and told of it: it changes no artefact. Which
#: Go builds is a setting of its recipes, by version.
BEYOND = (
    "meshproof.engine.engine.Engine.docker_shim",
    "meshproof.engine.engine.Engine.kind_environment",
    "meshproof.engine.machine",
    "meshproof.errors",
    "meshproof.paths",
    "meshproof.process",
    "meshproof.progress",
    "meshproof.supply.go.machines_own",
    "meshproof.supply.go.toolchain",
    "meshproof.supply.kept",
    "meshproof.supply.recipe",
    "meshproof.supply.workshop",
)
#: Of an AST: what says the same in other words, or differs from one Python to the next.
UNTOLD = {"ctx", "kind", "type_comment", "type_params"}

_NOTHING = object()
_CODE = (types.FunctionType, type)
#: Written in C: it has a name, and no code of this project.
_BUILT_IN = (types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType)


def name_below(path: Path, roots: Sequence[Path]) -> str:
    """Name a path by where it lies below the first root that it is below; else by itself."""
    for root in roots:
        if path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return path.as_posix()


def reached(build: Callable[..., object], roots: Sequence[Path]) -> dict[str, str]:
    """List the code and the constants that a build function reaches, itself among them.

    Code is labelled ``code:NAME`` and given by its digest, a constant ``value:NAME`` and given as
    text. Raises ``TypeError`` for what has no lasting text: an open file, say, or a lambda.
    """
    walk = _Walk(roots)
    walk.follow(inspect.unwrap(build))
    return {label: " and ".join(sorted(texts)) for label, texts in walk.found.items()}


def shape(node: object) -> str:
    """Write a piece of parsed code as text that no layout changes."""
    if isinstance(node, ast.AST):
        fields = ((name, value) for name, value in ast.iter_fields(node) if name not in UNTOLD)
        parts = [f"{name}={shape(value)}" for name, value in fields if value not in (None, [])]
        # A constant may be None, and that is no missing one.
        constant = [f"={node.value!r}"] if isinstance(node, ast.Constant) else parts
        return f"{type(node).__name__}({','.join(constant)})"
    if isinstance(node, list):
        return f"[{','.join(map(shape, node))}]"
    return repr(node)


@functools.cache  # as `definition` is; both are asked for by each recipe
def _digest(definition: ast.Module) -> str:
    """The digest of a definition's shape."""
    return hashlib.sha256(shape(definition).encode()).hexdigest()


class _Bare(ast.NodeTransformer):
    """Takes docstrings and annotations away; those of a class's fields stay, as they make it."""

    def __init__(self) -> None:
        self._in_class = False

    def _inside(self, node: Any, *, in_class: bool) -> Any:
        before, self._in_class = self._in_class, in_class
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        self.generic_visit(node)
        self._in_class = before
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        return self._inside(node, in_class=True)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        node.returns = None
        return self._inside(node, in_class=False)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> Any:
        node.returns = None
        return self._inside(node, in_class=False)

    def visit_arg(self, node: ast.arg) -> Any:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        self.generic_visit(node)
        if self._in_class:
            return node
        return ast.Assign([node.target], node.value) if node.value else ast.Pass()


@functools.cache
def _parsed(file: Path, changed: int) -> ast.Module:
    return ast.parse(file.read_text())


def definition(code: Any) -> ast.Module:
    """Return the bare parsed code of a function or class.

    Where a name is defined more than once (by ``if``, as property and setter), all of it counts.
    All who ask for it share what is returned, so nobody may change it.
    Raises ``TypeError`` where there is no such definition in its file, as for a lambda.
    """
    if isinstance(code, types.FunctionType):
        file = Path(code.__code__.co_filename)
    else:
        file = Path(sys.modules[code.__module__].__file__ or "")
    return _defined_as(code.__qualname__, file, file.stat().st_mtime_ns)


@functools.cache  # many recipes reach the same code
def _defined_as(qualified: str, file: Path, changed: int) -> ast.Module:
    """What a name is defined as in a file, which is read anew where it was ``changed`` since."""
    scopes: list[ast.AST] = [_parsed(file, changed)]
    for part in qualified.split("."):
        if part != "<locals>":
            scopes = [node for scope in scopes for node in _defined(scope) if node.name == part]
    if not scopes:
        raise TypeError(f"{qualified} in {file.name} cannot be read; define it by a name.")
    found = ast.Module([_Bare().visit(copy.deepcopy(scope)) for scope in scopes], [])
    return ast.fix_missing_locations(found)


def _defined(scope: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """What is defined in a scope itself, also below an ``if`` or ``with``, in no scope inside."""
    for node in ast.iter_child_nodes(scope):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node
        else:
            yield from _defined(node)


@functools.cache  # unparsing takes longest of all
def free_names(code: ast.Module) -> frozenset[str]:
    """Return the names in a definition that are of the module, or of a function around it."""

    def names(table: symtable.SymbolTable) -> Iterator[str]:
        outermost = table.get_type() == "module"
        for symbol in table.get_symbols():
            if symbol.is_referenced() and (outermost or symbol.is_global()):
                yield symbol.get_name()
        for child in table.get_children():
            yield from names(child)

    return frozenset(names(symtable.symtable(ast.unparse(code), "", "exec")))


def _in_package(module: str | None) -> bool:
    return module is not None and f"{module}.".startswith(f"{PACKAGE}.")


def is_beyond(code: Any) -> bool:
    """Whether following ends here: it is not of this package, or it changes no artefact."""
    name = f"{code.__module__}.{code.__qualname__}."
    return not _in_package(code.__module__) or any(name.startswith(f"{end}.") for end in BEYOND)


class _Walk:
    """Follows code and values, and keeps what it found."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self.roots = roots
        self.found: dict[str, set[str]] = {}
        self._followed: set[int] = set()

    def follow(self, code: Any) -> None:
        """Note a function or class and all that it names."""
        self._followed.add(id(code))
        parsed = definition(code)
        name = code.__qualname__
        self._note(f"code:{name}", _digest(parsed))
        if not _in_package(code.__module__):
            return
        for label, value in named(code, parsed).items():
            try:
                text = self.text(value)
            except TypeError as error:
                raise TypeError(f"{name} uses {label}: {error}") from error
            if not isinstance(_plain(value), (*_CODE, *_BUILT_IN)):
                self._note(f"value:{label}", text)

    def text(self, value: Any) -> str:
        """Return a value as text, and follow the code in it. Raises ``TypeError`` for others."""
        value = _plain(value)
        if isinstance(value, _CODE):
            if id(value) not in self._followed and not is_beyond(value):
                self.follow(value)
            return value.__qualname__
        if isinstance(value, _BUILT_IN):
            return value.__name__
        if isinstance(value, Mapping | set | frozenset | list | tuple):
            return self._all_in(value)
        if dataclasses.is_dataclass(value):
            fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
            return f"{self.text(type(value))} {self.text(fields)}"
        return self._simple(value)

    def _all_in(self, value: Any) -> str:
        if isinstance(value, Mapping):
            pairs = sorted(f"{self.text(key)}: {self.text(value[key])}" for key in value)
            return f"{{{', '.join(pairs)}}}"
        if isinstance(value, set | frozenset):
            return f"{{{', '.join(sorted(map(self.text, value)))}}}"
        return f"[{', '.join(map(self.text, value))}]"

    def _simple(self, value: object) -> str:
        if value is None or isinstance(value, str | bytes | int | float):
            return repr(value)
        if isinstance(value, Path):
            return f"path {name_below(value, self.roots)!r}"
        if isinstance(value, re.Pattern):
            return f"{value.pattern!r}, flags {value.flags}"
        raise TypeError(
            f"a key cannot hold a {type(value).__qualname__}, which has no lasting text"
        )

    def _note(self, label: str, text: str) -> None:
        self.found.setdefault(label, set()).add(text)


def _plain(value: Any) -> Any:
    """The function behind a property, a method of a class, or a decorator such as ``cache``."""
    if isinstance(value, property):
        return value.fget
    if isinstance(value, functools.cached_property):
        return value.func
    if isinstance(value, staticmethod | classmethod):
        return value.__func__
    return inspect.unwrap(value) if callable(value) else value


def named(code: Any, parsed: ast.Module) -> dict[str, Any]:
    """Return what a definition names that lies outside it, by label: functions, classes, values.

    Of a module of this package it is what is named of it that counts, of what is called an
    ``engine`` what ``Engine`` has by that name, and of ``self`` what its class has.
    """
    module = vars(sys.modules[code.__module__])
    if isinstance(code, types.FunctionType):
        module = code.__globals__
    around = {**module, **_kept(code)}
    scope = {name: around[name] for name in free_names(parsed) if name in around}
    found = {
        name: value for name, value in scope.items() if not isinstance(value, types.ModuleType)
    }
    classes = {"engine": Engine, "self": module.get(code.__qualname__.partition(".")[0])}
    for node in ast.walk(parsed):
        if isinstance(node, ast.Attribute):
            value = _member(node, scope, classes)
            if value is not _NOTHING and not isinstance(value, types.ModuleType):
                found[ast.unparse(node)] = value
    return found | _defaults(code)


def _member(node: ast.Attribute, scope: Mapping[str, Any], classes: Mapping[str, Any]) -> Any:
    """What an attribute is, where that can be told from its name alone."""
    base = node.value
    last = base.id if isinstance(base, ast.Name) else getattr(base, "attr", "")
    if isinstance(classes.get(last), type):
        return inspect.getattr_static(classes[last], node.attr, _NOTHING)
    owner = _NOTHING
    if isinstance(base, ast.Name):
        owner = scope.get(base.id, _NOTHING)
    elif isinstance(base, ast.Attribute):
        owner = _member(base, scope, classes)
    if isinstance(owner, types.ModuleType) and _in_package(owner.__name__):
        return getattr(owner, node.attr, _NOTHING)
    return _NOTHING


def _functions(code: Any) -> list[types.FunctionType]:
    members = vars(code).values() if isinstance(code, type) else [code]
    return [plain for plain in map(_plain, members) if isinstance(plain, types.FunctionType)]


def _kept(code: Any) -> dict[str, Any]:
    """What a function, or a class's methods, keep of the function that they were made in."""
    kept = {}
    for function in _functions(code):
        for name, cell in zip(
            function.__code__.co_freevars, function.__closure__ or (), strict=True
        ):
            with suppress(ValueError):  # not set yet
                kept[name] = cell.cell_contents
    return kept


def _defaults(code: Any) -> dict[str, Any]:
    """The defaults of a function's arguments: what an expression was when it was defined."""
    if isinstance(code, type):
        return {}
    given = {"by default": code.__defaults__, "by name": code.__kwdefaults__}
    return {f"{code.__qualname__} {how}": values for how, values in given.items() if values}
