"""All steps of the vocabulary, read from the code: what each proves, and where it is used."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pytest_bdd import parsers
from pytest_bdd.parser import FeatureParser

from meshproof.paths import PROJECT

FEATURES = PROJECT / "features"
#: Where steps are, and the folder that their modules are named below.
VOCABULARY = Path(__file__).parent
FOLDERS = {VOCABULARY: VOCABULARY.parent.parent, PROJECT / "steps": PROJECT}
KEYWORDS = ("given", "when", "then")
#: Where the table of docs/steps.md is put, by what stands around it.
BEGIN, END = "<!-- made by python -m meshproof.steps -->", "<!-- end -->"


@dataclass(frozen=True)
class Sentence:
    """A sentence of a step: its keyword, and its text with placeholders in braces.

    ``text`` is empty where the decorator does not hold it as one literal string.
    """

    keyword: str
    text: str
    placeholders: bool

    def matches(self, keyword: str, line: str) -> bool:
        """Whether a feature's line is this sentence."""
        if keyword != self.keyword:
            return False
        if not self.placeholders:
            return line == self.text
        return parsers.parse(self.text).is_matching(line)


@dataclass(frozen=True)
class Step:
    """A step function: ``module`` as a path, its sentences, what it proves, and its size.

    ``statements`` are those of its body without the docstring, ``asserts`` those in all of it.
    """

    module: str
    name: str
    sentences: tuple[Sentence, ...]
    proves: str
    statements: int
    asserts: int

    def matches(self, keyword: str, line: str) -> bool:
        """Whether a feature's line is one of its sentences."""
        return any(sentence.matches(keyword, line) for sentence in self.sentences)


@dataclass(frozen=True)
class Line:
    """A line of a feature that is a step: the feature's name, the keyword and the text.

    ``number`` is where it stands: an outline's line has a text for each of its rows.
    """

    feature: str
    keyword: str
    text: str
    number: int = 0


def steps_in(source: str, module: str) -> list[Step]:
    """Return the step functions of a module, by its source."""
    return [
        Step(
            module,
            node.name,
            sentences,
            first_sentence(ast.get_docstring(node) or ""),
            len(node.body) - bool(ast.get_docstring(node)),
            sum(isinstance(inner, ast.Assert) for inner in ast.walk(node)),
        )
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef) and (sentences := tuple(_sentences(node)))
    ]


def _sentences(function: ast.FunctionDef) -> Iterator[Sentence]:
    for call in function.decorator_list:
        if (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Name)
            and call.func.id in KEYWORDS
        ):
            given = call.args[0]
            placeholders = isinstance(given, ast.Call)
            text = given.args[0] if isinstance(given, ast.Call) else given
            literal = isinstance(text, ast.Constant) and text.lineno == text.end_lineno
            value = str(text.value) if isinstance(text, ast.Constant) and literal else ""
            yield Sentence(call.func.id, value, placeholders)


def first_sentence(docstring: str) -> str:
    """Return the first sentence of a docstring, in one line."""
    return re.split(r"(?<=[.])\s", " ".join(docstring.split()), maxsplit=1)[0]


def all_steps(folders: Mapping[Path, Path] = FOLDERS) -> list[Step]:
    """Return all step functions below folders, module by module: the vocabulary and a project's."""
    return [
        step
        for folder, root in folders.items()
        for file in sorted(folder.rglob("*.py"))
        for step in steps_in(file.read_text(), file.relative_to(root).as_posix())
    ]


def all_lines(folder: Path = FEATURES) -> list[Line]:
    """Return all steps of all features, an outline's with the values of each of its rows."""
    return [
        Line(name, step.type, step.name, step.line_number)
        for file in sorted(folder.rglob("*.feature"))
        for name in [file.relative_to(folder).with_suffix("").as_posix()]
        for template in FeatureParser(str(file.parent), file.name).parse().scenarios.values()
        for row in [row for one in template.examples for row in one.as_contexts()] or [{}]
        for step in template.render(row).steps
    ]


def users_of(step: Step, lines: Iterable[Line]) -> list[str]:
    """Name the features that use a step."""
    return sorted({line.feature for line in lines if step.matches(line.keyword, line.text)})


def uses_of(step: Step, lines: Iterable[Line]) -> int:
    """Count the lines of features that a step is used in."""
    return len({(a.feature, a.number) for a in lines if step.matches(a.keyword, a.text)})


def summary(uses: Iterable[int]) -> str:
    """Say how many steps there are, and how often they are used."""
    each = list(uses)
    once, twice = each.count(1), each.count(2)
    return (
        f"{len(each)} steps for {sum(each)} lines of features: {once} are used in one line, "
        f"{twice} in two, {len(each) - once - twice} in more."
    )


def table(steps: Iterable[Step], lines: Iterable[Line]) -> str:
    """Return all steps as Markdown, a table for each module, below how often they are used."""
    steps, lines, module = list(steps), list(lines), ""
    uses = [uses_of(step, lines) for step in steps]
    parts = [f"\n{summary(uses)}"]
    for step, times in zip(steps, uses, strict=True):
        if step.module != module:
            module = step.module
            parts.append(f"\n## `{module}`\n\n| sentence | what it proves | lines | used in |\n"
                         "|---|---|---|---|")  # fmt: skip
        said = "<br>".join(f"{s.keyword.title()} {_cell(s.text)}" for s in step.sentences)
        used = ", ".join(name.rpartition("/")[2] for name in users_of(step, lines))
        parts.append(f"| {said} | {_cell(step.proves)} | {times} | {used} |")
    return "\n".join(parts) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def page(document: str) -> str:
    """Return the page with its tables made anew."""
    head, _, rest = document.partition(BEGIN)
    return f"{head}{BEGIN}\n{table(all_steps(), all_lines())}{END}{rest.partition(END)[2]}"
