"""Reading suite files: what is wrong with one is told with its file and line, in a sentence."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from meshproof.errors import UsageFailure
from meshproof.paths import PROJECT
from meshproof.suite.model import Suite
from meshproof.wording import listed

#: The file in the folder of a suite's features.
SUITE_FILE = "suite.yaml"
#: Given to the model by who reads, and no field of the file.
GIVEN = "file"

#: A suite's name is that of the namespace that it is followed in; lanes put something behind it.
LABEL = re.compile(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?")

#: What pydantic calls a field that the model does not have.
UNEXPECTED = ("unexpected_keyword_argument", "extra_forbidden")
#: What should stand in the file, by what pydantic calls that it does not.
WANTED = {
    "string_type": "text, in quotes where it looks like something else",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "tuple_type": "a list",
    "mapping_type": "a table of fields",
    "dict_type": "a table of fields",
    "dataclass_type": "a table of fields",
}

#: Where something stands in the file: names of fields, and places in lists.
Location = Sequence[str | int]


class SuiteInvalid(UsageFailure):
    """A suite file says what cannot be."""


@dataclass(frozen=True)
class Problem:
    """What is wrong with a suite: where it stands, and what, as the end of a sentence."""

    location: Location
    what: str


def read_suite(file: Path) -> Suite:
    """Read a suite file. Raises ``SuiteInvalid`` where it cannot be one."""
    try:
        text = file.read_text()
        tree = yaml.compose(text, Loader=yaml.CSafeLoader)
        content = yaml.load(text, Loader=yaml.CSafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise SuiteInvalid(f"{_shown(file)} cannot be read: {error}.") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f", line {mark.line + 1}" if mark else ""
        raise SuiteInvalid(f"{_shown(file)}{where}: this is no YAML: {error.problem}.") from error
    if not isinstance(content, dict) or tree is None:
        raise SuiteInvalid(f"{_shown(file)}: this is no table of fields; docs/suites.md has them.")
    twice = next(_repeated(tree), None)
    if twice:
        raise SuiteInvalid(f"{_shown(file)}, line {twice[1]}: “{twice[0]}” stands twice.")
    if GIVEN in content:
        raise _invalid(file, tree, Problem((GIVEN,), _no_field(GIVEN, Suite)))
    try:
        # As JSON, in which a list of the file may become a tuple, and nothing else is converted.
        suite = TypeAdapter(Suite).validate_json(
            json.dumps({**content, GIVEN: str(file)}, default=str)
        )
    except ValidationError as error:
        # A misspelt field is missing, too; its own name says more.
        first = min(error.errors(), key=lambda one: one["type"] not in UNEXPECTED)
        raise _invalid(file, tree, _told(first)) from error
    problem = next(problems(suite), None)
    if problem:
        raise _invalid(file, tree, problem)
    return suite


def read_suites(folder: Path, first: str = "") -> tuple[Suite, ...]:
    """Read all suites below a folder of features: the one that is named ``first``, then by name.

    Raises ``SuiteInvalid`` where one cannot be read, or two have a name or an id in common.
    """
    found = [read_suite(file) for file in sorted(folder.glob(f"*/{SUITE_FILE}"))]
    names: dict[str, Suite] = {}
    owners: dict[str, Suite] = {}
    says: dict[str, Suite] = {}
    for suite in found:
        other = names.setdefault(suite.name, suite)
        if other is not suite:
            raise SuiteInvalid(
                f"{_shown(suite.file)}: the suite of {_shown(other.file)} is called "
                f"“{suite.name}”, too; give one of them another name."
            )
        tags = [expectation.id for expectation in suite.expectations]
        for tag in (*suite.sections, *tags):
            other = owners.setdefault(tag, suite)
            if other is not suite:
                raise SuiteInvalid(
                    f"{_shown(suite.file)}: the suite of {_shown(other.file)} has “{tag}”, too; "
                    "sections and ids of expectations are tags, and each is of one suite."
                )
        for deviation in suite.deviations:
            other = says.setdefault(deviation.name, suite)
            if other is not suite:
                raise SuiteInvalid(
                    f"{_shown(suite.file)}: the suite of {_shown(other.file)} has a deviation "
                    f"“{deviation.name}”, too; a sign-off names both, so give one another name."
                )
    return tuple(sorted(found, key=lambda suite: (suite.name != first, suite.name)))


def problems(suite: Suite) -> Iterator[Problem]:
    """Say what is wrong with a suite whose fields are all as they should be."""
    if not LABEL.fullmatch(suite.name):
        what = f"“{suite.name}” cannot be a namespace; lower-case letters, digits and hyphens can"
        yield Problem(("name",), what)
    ids = [expectation.id for expectation in suite.expectations]
    yield from _twice("expectations", ids, "id")
    yield from _twice("stages", suite.stage_names, "name")
    yield from _twice("workloads", [workload.name for workload in suite.workloads], "version")
    yield from _twice("images", [image.name for image in suite.images], "name")
    yield from _twice("deviations", [one.name for one in suite.deviations], "name")
    for index, expectation in enumerate(suite.expectations):
        if expectation.section not in suite.sections:
            what = _unknown("section", expectation.section, suite.sections)
            yield Problem(("expectations", index, "section"), what)
    for index, stage in enumerate(suite.stages):
        if not stage.commands:
            what = f"no command leads to stage “{stage.name}”; give it `commands`, or leave it out"
            yield Problem(("stages", index), what)
    yield from _calls(suite)
    for index, image in enumerate(suite.images):
        folder = PROJECT / "images" / image.folder
        if image.folder and not (folder / "Dockerfile").is_file():
            what = f"there is no images/{image.folder}/Dockerfile to build {image.name} by"
            yield Problem(("images", index, "folder"), what)
    for index, deviation in enumerate(suite.deviations):
        for place, identifier in enumerate(deviation.expectations):
            if identifier not in ids:
                what = _unknown("expectation", identifier, ids)
                yield Problem(("deviations", index, "expectations", place), what)


def _calls(suite: Suite) -> Iterator[Problem]:
    workloads = [workload.name for workload in suite.workloads]
    for stage, calls in suite.calls.items():
        if stage not in suite.stage_names:
            yield Problem(("calls", stage), _unknown("stage", stage, suite.stage_names))
        for source, targets in calls.items():
            for name in (source, *targets):
                if name not in workloads:
                    what = _unknown("workload", name, workloads)
                    yield Problem(("calls", stage, source), what)


def _twice(field: str, values: Sequence[str], key: str) -> Iterator[Problem]:
    for index, value in enumerate(values):
        if value in values[:index]:
            what = f"“{value}” is the {key} of an earlier one of the {field}, too"
            yield Problem((field, index, key), what)


def _unknown(kind: str, name: str, known: Iterable[str]) -> str:
    return f"there is no {kind} “{name}”{_instead(name, list(known))}"


def _instead(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name, known, 1)
    if close:
        return f"; “{close[0]}” is close"
    return f"; there are: {listed(known, most=len(known))}" if known else ""


def _told(error: ErrorDetails) -> Problem:
    """Say what pydantic found, in the words of who wrote the file."""
    location, kind = error["loc"], error["type"]
    name = str(location[-1]) if location else ""
    if kind in UNEXPECTED:
        return Problem(location, _no_field(name, _model_at(location[:-1])))
    if kind in ("missing", "missing_argument"):
        return Problem(location[:-1], f"the field “{name}” is missing")
    given = error["input"]
    shown = json.dumps(given, ensure_ascii=False) if not isinstance(given, dict | list) else "other"
    wanted = WANTED.get(kind, error["msg"].removeprefix("Input should be "))
    return Problem(location, f"“{name}” is {shown}, and should be {wanted}")


def _no_field(name: str, model: Any) -> str:
    known = [field for field in getattr(model, "__dataclass_fields__", {}) if field != GIVEN]
    return f"there is no field “{name}”{_instead(name, known)}"


def _model_at(location: Location) -> Any:
    """The model of what stands at a place: of the suite, or of what a list of it holds."""
    model: Any = Suite
    for part in location:
        if isinstance(part, int):
            continue
        schema = getattr(model, "__pydantic_fields__", {}).get(part)
        arguments = getattr(schema.annotation, "__args__", ()) if schema else ()
        inner = [one for one in arguments if hasattr(one, "__dataclass_fields__")]
        model = inner[0] if inner else getattr(schema, "annotation", None)
    return model


def _invalid(file: Path, tree: yaml.Node, problem: Problem) -> SuiteInvalid:
    line = _line(tree, problem.location)
    return SuiteInvalid(f"{_shown(file)}, line {line}: {problem.what}.")


def _line(node: yaml.Node, location: Location) -> int:
    """The line, counted from 1, on which something stands, or what it is missing in."""
    line = node.start_mark.line
    for part in location:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == str(part)]
            if not found:
                break
            line, node = found[0][0].start_mark.line, found[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            if part >= len(node.value):
                break
            node = node.value[part]
            line = node.start_mark.line
        else:
            break
    return int(line) + 1


def _repeated(node: yaml.Node) -> Iterator[tuple[str, int]]:
    """Find names that stand twice in one table, of which YAML would take the last."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                yield key.value, key.start_mark.line + 1
            seen.add(key.value)
            yield from _repeated(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _repeated(value)


def _shown(file: Path) -> str:
    return file.relative_to(PROJECT).as_posix() if file.is_relative_to(PROJECT) else str(file)
