"""The documents say what is there: what they list is held against the code that it is of."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from pytest_bdd.parser import FeatureParser

from meshproof.environment.options import Options, option_flags
from meshproof.errors import ExitCode
from meshproof.paths import PROJECT
from meshproof.suite.made import DOCUMENTS as MADE_DOCUMENTS
from meshproof.suite.made import FILE, made, tables
from meshproof.suite.model import Expectation
from meshproof.supply.recipe import Recipe
from meshproof.waiting import TIMEOUTS, Timeout
from tests.suites import EXPECTATIONS, IDS

DOCS = PROJECT / "docs"
DOCUMENTS = sorted([*PROJECT.glob("*.md"), *DOCS.rglob("*.md")])
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
#: Where a cell ends: at a bar, unless it is escaped.
CELL_END = re.compile(r"(?<!\\)\|")
LINK = re.compile(r"\[[^\]\n]+\]\(([^)\s]+)\)")
SECTION = re.compile(r"^## .*\(`(\w+)`\)$")
BUILD_COMMAND = re.compile(r"\bmeshproof build((?: [a-z][\w.-]*)+)")
MADE_NAME = re.compile(r"^<!-- made: (.+) -->$", re.MULTILINE)
NOT_COVERED = "not yet covered by a scenario"

#: Cells of a row.
Row = Sequence[str]


def relative(path: Path) -> str:
    return path.relative_to(PROJECT).as_posix()


@cache
def text_of(document: Path) -> str:
    return document.read_text()


def cells(line: str) -> list[str]:
    return [cell.strip().replace(r"\|", "|") for cell in CELL_END.split(line)[1:-1]]


def rows(document: Path) -> list[list[str]]:
    return [cells(line) for line in text_of(document).splitlines() if line.startswith("|")]


def rows_of(document: Path, first: str) -> list[list[str]]:
    """The rows of a document's tables whose first cell is this."""
    return [row for row in rows(document) if row[0] == first]


def prose(document: Path) -> str:
    """A document without its fenced blocks."""
    return FENCED.sub("", text_of(document))


def anchors(document: Path) -> set[str]:
    """The anchors that a reader of the document's headings can link to."""
    headings = re.findall(r"^#+ (.*)$", prose(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def shown(default: Any) -> str:
    """A default as the documents write it."""
    if default is None:
        return "none"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, Path):
        return f"`{relative(PROJECT / default)}`"
    return f"`{default}`"


@cache
def scenarios(*, findings: bool = False) -> Mapping[str, tuple[str, ...]]:
    """The names of the scenarios that prove each expectation, or of the findings about it."""
    names: dict[str, tuple[str, ...]] = dict.fromkeys(IDS, ())
    for file in sorted((PROJECT / "features").rglob("*.feature")):
        feature = FeatureParser(str(file.parent), file.name).parse()
        for scenario in feature.scenarios.values():
            examples = {tag for examples in scenario.examples for tag in examples.tags}
            tags = feature.tags | scenario.tags | examples
            if ("finding" in tags) is findings:
                for tag in tags & names.keys():
                    names[tag] += (scenario.name,)
    return names


@cache
def specified() -> Mapping[str, tuple[str, Row]]:
    """The section and the row of each id in docs/expectations.md, each id once."""
    found: dict[str, tuple[str, Row]] = {}
    section = ""
    for line in text_of(DOCS / "expectations.md").splitlines():
        heading = SECTION.match(line)
        section = heading[1] if heading else "" if line.startswith("## ") else section
        if section and line.startswith("|") and re.fullmatch(r"[A-Z]\d+", cells(line)[0]):
            row = cells(line)
            assert row[0] not in found, f"{row[0]} stands twice"
            found[row[0]] = section, row
    return found


@pytest.mark.parametrize("name", Options.model_fields)
def test_every_option_is_documented(name: str) -> None:
    default = Options.model_fields[name].default
    spellings = [f"`{option_flags(name)}`", f"`MESHPROOF_{name.upper()}`", f"`{name}`"]
    documented = [row[:4] for row in rows_of(DOCS / "options.md", spellings[0]) if len(row) == 5]
    assert documented == [[*spellings, shown(default)]]


@pytest.mark.parametrize("name", Options.model_fields)
def test_every_option_is_in_the_readme(name: str) -> None:
    default = Options.model_fields[name].default
    switch = {True: "on", False: "off"}
    wanted = switch[default] if isinstance(default, bool) else shown(default)
    assert [row[1] for row in rows_of(PROJECT / "README.md", f"`{option_flags(name)}`")] == [wanted]


def test_no_option_is_documented_that_is_not_there() -> None:
    known = {f"`{option_flags(name)}`" for name in Options.model_fields}
    for document in (PROJECT / "README.md", DOCS / "options.md"):
        # A row of two cells is of a table of something else.
        listed = {row[0] for row in rows(document) if row[0].startswith("`--") and len(row) > 2}
        assert listed - known == set()


@pytest.mark.parametrize("code", ExitCode)
def test_every_exit_code_is_documented(code: ExitCode) -> None:
    assert [row[1] for row in rows_of(DOCS / "exit-codes.md", str(code.value))] == [
        f"`{code.name}`"
    ]
    assert len(rows_of(PROJECT / "README.md", str(code.value))) == 1


def test_the_documents_hold_exactly_the_specified_ids() -> None:
    assert tuple(specified()) == IDS


@pytest.mark.parametrize("expectation", EXPECTATIONS, ids=lambda expectation: expectation.id)
def test_every_expectation_is_documented_with_its_section_and_scenarios(
    expectation: Expectation,
) -> None:
    section, (_, text, proof, proving) = specified()[expectation.id]
    assert section == expectation.section
    assert text == expectation.promise
    assert proof
    named = tuple(re.findall("“([^”]+)”", proving))
    assert named == scenarios()[expectation.id]
    assert named or proving == NOT_COVERED


def test_every_finding_is_documented_and_none_is_called_a_proof() -> None:
    text = text_of(DOCS / "expectations.md").partition("\n## Findings\n")[2].partition("\n## ")[0]
    listed = [cells(line) for line in text.splitlines() if line.startswith("| ")][1:]
    named: dict[str, tuple[str, ...]] = dict.fromkeys(IDS, ())
    for about, found, looking in listed:
        assert found
        for identifier in about.split(", "):
            named[identifier] += tuple(re.findall("“([^”]+)”", looking))
    assert named == scenarios(findings=True)


@pytest.mark.parametrize("document", MADE_DOCUMENTS, ids=relative)
def test_tables_are_as_they_are_made(document: Path) -> None:
    told = "`python -m meshproof.suite.made` makes it anew"
    assert made(text_of(document), tables()) == text_of(document), told


def test_every_table_that_is_made_stands_in_a_document_once() -> None:
    named = [name for document in DOCUMENTS for name in MADE_NAME.findall(text_of(document))]
    assert sorted(name for name in named if not name.startswith(FILE)) == sorted(tables())


@pytest.mark.parametrize("timeout", TIMEOUTS, ids=lambda timeout: timeout.name)
def test_every_timeout_is_documented(timeout: Timeout) -> None:
    found = rows_of(DOCS / "architecture.md", f"`{timeout.name}`")
    looks = f"{timeout.interval:g}" + (f", first after {timeout.first:g}" if timeout.first else "")
    assert [row[1:3] for row in found] == [[f"{timeout.seconds:g}", looks]]
    assert found[0][3]


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_links_lead_somewhere(document: Path) -> None:
    for link in LINK.findall(prose(document)):
        if re.match(r"[a-z]+:", link):
            continue  # not of this repository
        name, _, anchor = unquote(link).partition("#")
        target = document.parent / name if name else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_files_that_are_named_are_there(document: Path) -> None:
    below = ("docs/", "features/", "images/", "manifests/", "meshproof/", "steps/",
             "supply/", "tests/")  # fmt: skip
    for name in CODE.findall(prose(document)):
        if name.startswith(below) and " " not in name:
            assert (PROJECT / name.partition("::")[0]).exists(), name


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_tests_that_are_named_are_there(document: Path) -> None:
    for file, test in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", prose(document)):
        assert re.search(rf"^def {test}\(", (PROJECT / file).read_text(), re.MULTILINE), test


@pytest.mark.parametrize("heading", ["A verdict that would be wrong", "Harm to another run"])
def test_each_misjudgement_is_held_off_by_a_test_or_a_breakage(heading: str) -> None:
    _, found, part = text_of(DOCS / "misjudgements.md").partition(f"\n## {heading}")
    listed = [cells(line) for line in part.partition("\n## ")[0].splitlines()
              if line.startswith("| ")][1:]  # fmt: skip
    assert found
    assert listed
    for fault, happens, held in listed:
        assert happens
        assert re.fullmatch(r"(`(tests/\S+\.py::\w+|manifests/\S+\.yaml)`(, |$))+", held), fault


def test_recipes_that_are_named_are_there(recipes: Mapping[str, Recipe]) -> None:
    table = text_of(DOCS / "supply.md").partition("\n## Recipes\n")[2].partition("\n### ")[0]
    lines = [line for line in table.splitlines() if line.startswith("| `")]
    listed = {name for line in lines for name in CODE.findall(cells(line)[0])}
    built = {
        name
        for document in DOCUMENTS
        for arguments in BUILD_COMMAND.findall(text_of(document))
        for name in arguments.split()
    }
    images = {
        name
        for document in DOCUMENTS
        for name in CODE.findall(prose(document))
        if re.fullmatch(r"image-[\w.-]+", name)
    }
    assert {"istio", "node"} <= listed
    assert {"istio", "node"} <= built
    assert (listed | built | images) - recipes.keys() == set()
