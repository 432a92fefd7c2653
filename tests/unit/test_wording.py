from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from meshproof.paths import PROJECT
from meshproof.wording import by_name, in_turn, listed, number, quoted, told


@pytest.mark.parametrize(
    ("things", "text"),
    [([], "none"), (["a"], "a"), (["a", 2], "a and 2"), (["a", "b", "c"], "a, b and c"),
     (range(12), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more")],
)  # fmt: skip
def test_things_are_listed_as_in_a_sentence(things: Any, text: str) -> None:
    assert listed(things) == text


def test_nothing_has_a_word_of_its_own() -> None:
    assert listed([], "nothing") == by_name({}, "nothing") == "nothing"


def test_values_stand_behind_their_names() -> None:
    assert by_name({"redis": 3, "mysql": 0}) == "redis 3 and mysql 0"


@pytest.mark.parametrize(("count", "text"), [(0, "0 pods"), (1, "1 pod"), (2, "2 pods")])
def test_numbers(count: int, text: str) -> None:
    assert number(count, "pod") == text
    assert number(count, "proxy", "proxies").startswith(str(count))


@pytest.mark.parametrize(
    ("lines", "most", "text"),
    [([], None, "none"), (["a, b"], None, "a, b"), (["a, b", "c"], 2, "a, b; c"),
     (["a", "b", "c", "d"], 2, "a; b; 2 more")],
)  # fmt: skip
def test_lines_stand_in_turn(lines: list[str], most: int | None, text: str) -> None:
    assert in_turn(lines, most=most) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [("", "nothing"), ("on", "“on”"), (" 'on' ", "“ 'on' ”"), ("é漢", "“é漢”"),
     ("a\tb", "“a⟨tab⟩b”"), ("a\r\nb\nc\rd", "“a⟨line end⟩b⟨new line⟩c⟨return⟩d”"),
     ("\x16\x7f", "“⟨byte 16⟩⟨byte 7F⟩”"), ("\u200b", "“⟨U+200B⟩”"),
     (b"\xe9!\xff".decode(errors="surrogateescape"), "“⟨byte E9⟩!⟨byte FF⟩”"),
     ("\x80", "“⟨U+0080⟩”")],
)  # fmt: skip
def test_what_cannot_be_seen_in_a_text_is_named(text: str, shown: str) -> None:
    assert quoted(text) == shown


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "nothing"), (True, "yes"), (False, "no"), (4, "4"), ("a b", "a b"), ([], "nothing"),
     ({}, "nothing"), (["a", None], "a; nothing"), (("a", {"b"}), "a; b"),
     ({"a": [1, 2]}, "a: 1; 2")],
)  # fmt: skip
def test_whatever_was_seen_is_told(value: object, text: str) -> None:
    assert told(value) == text


# What a failing step says stands in a sign-off.

#: Calls whose result, shown as it is, is a list's or another notation of Python's.
IN_PYTHON = {"repr", "ascii", "sorted", "list", "dict", "set", "tuple", "frozenset", "Counter"}
#: Errors that say that a promise is broken.
BROKEN_PROMISES = {"PromiseBroken", "StepFailed", "WrongPage"}
#: What a sign-off tells of a scenario, whatever its end.
TOLD = {"result", "baseline", "observe"}
DISPLAYS = (
    ast.List, ast.Dict, ast.Set, ast.Tuple,
    ast.ListComp, ast.DictComp, ast.SetComp, ast.GeneratorExp,
)  # fmt: skip
#: Annotations of what is shown so, too.
CONTAINERS = re.compile(r"(list|dict|set|tuple|frozenset|Sequence|Mapping|Counter|Iterable)\b")


def containers_of(function: ast.AST) -> set[str]:
    """The names that stand for a list or the like in a function, as far as its text tells."""
    found = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and in_python(node.value, set()):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found |= {node.target.id} if CONTAINERS.match(ast.unparse(node.annotation)) else set()
        elif isinstance(node, ast.arg) and node.annotation:
            found |= {node.arg} if CONTAINERS.match(ast.unparse(node.annotation)) else set()
    return found


def in_python(shown: ast.expr, containers: set[str]) -> bool:
    """Whether an expression that is shown as it is reads as Python, as far as its text tells."""
    found = isinstance(shown, DISPLAYS)
    match shown:
        case ast.Constant(value=value):
            found = value is None or isinstance(value, (bool, bytes))
        case ast.Name(id=name):
            found = name in containers
        case ast.Call(func=ast.Name(id=name)):
            found = name in IN_PYTHON
        case ast.Subscript(slice=ast.Slice()):
            found = True
        case (
            ast.IfExp(body=one, orelse=other)
            | ast.BinOp(left=one, right=other)
            | ast.BoolOp(values=[one, other])
        ):
            found = in_python(one, containers) or in_python(other, containers)
    return found


def messages_in(function: ast.AST) -> Iterator[tuple[int, ast.expr | None]]:
    """What a function's assertions say, its errors that say that a promise is broken, and what
    it tells of what it saw.
    """
    for node in ast.walk(function):
        match node:
            case ast.Assert(lineno=line, msg=message):
                yield line, message
            case ast.Raise(lineno=line, exc=ast.Call(func=ast.Name(id=name), args=[message, *_])):
                if name in BROKEN_PROMISES:
                    yield line, message
            case ast.Call(
                lineno=line,
                func=ast.Attribute(value=ast.Name(id="evidence"), attr=how),
                args=[message, *_],
            ):
                if how in TOLD:
                    yield line, message


def python_in(source: str) -> list[str]:
    """The messages of failures that are missing, or read as Python: their lines, and why."""
    found = []
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    for function in functions:
        containers = containers_of(function)
        for line, message in messages_in(function):
            if message is None:
                found.append(f"{line}: no message")
                continue
            values = [each for each in ast.walk(message) if isinstance(each, ast.FormattedValue)]
            shown = [message, *(value.value for value in values)]
            wrong = [each for each in shown if in_python(each, containers)]
            wrong += [each.value for each in values if each.conversion in (ord("r"), ord("a"))]
            found += [f"{line}: {ast.unparse(each)}" for each in wrong]
    return found


@pytest.mark.parametrize(
    "file",
    [*sorted((PROJECT / "steps").rglob("*.py")), *sorted((PROJECT / "meshproof").rglob("*.py"))],
    ids=lambda file: str(file.relative_to(PROJECT)),
)
def test_what_a_failing_step_says_is_no_python(file: Path) -> None:
    assert python_in(file.read_text()) == []


@pytest.mark.parametrize(
    "line",
    ["assert a == b", "assert a, wrong", "assert a, f'{wrong}'", "assert a, f'{seen}'",
     "assert a, f'{given}'", "assert a, f'{b!r}'", "assert a, repr(b)", "assert a, f'{b[:10]}'",
     "assert a, f'{[b]}'", "assert a, f'{(a, b)}'", "assert a, [str(b) for b in a]",
     "assert a, f'{b if b else None}'", "assert a, f'{sorted(b)}'", "assert a, f'{b or wrong}'",
     "evidence.result(f'{wrong}')", "evidence.observe(f'seen: {seen}')", "evidence.baseline(seen)",
     "raise PromiseBroken(f'{wrong}')", "raise WrongPage(f'{b!r}') from None"],
)  # fmt: skip
def test_python_in_a_message_is_found(line: str) -> None:
    body = ("wrong = [x for x in b]", "seen: list[str] = b", line)
    lines = [f"    {each}" for each in body]
    assert len(python_in("\n".join(["def f(a, b, given: dict[str, int]):", *lines]))) == 1


@pytest.mark.parametrize(
    "line",
    ["assert a, f'{listed(wrong)}'", "assert a, '; '.join(wrong)", "assert a, f'{len(wrong)}'",
     "assert a, f'{wrong[0]}'", "assert a, str(b)", "assert a, 'none'", "assert a, f'{a.b}: {b}'"],
)  # fmt: skip
def test_words_in_a_message_are_none(line: str) -> None:
    body = ("wrong = [x for x in b]", line)
    assert python_in("\n".join(["def f(a, b):", *(f"    {each}" for each in body)])) == []
