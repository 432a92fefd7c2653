"""What is made, not written: tables in documents, and roles: `python -m meshproof.suite.made`.

What is made stands in a document between `<!-- made: NAME -->` and `<!-- end of NAME -->`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from meshproof.paths import PROJECT
from meshproof.suite.breakages import Breakage, all_breakages
from meshproof.suite.coverage import declared_expectations, declared_sections
from meshproof.suite.deviations import deviations
from meshproof.suite.features import proving, scenarios_in
from meshproof.suite.model import Deviation, Expectation, Suite
from meshproof.suite.registry import suites
from meshproof.suite.rights import GRANTED, manifest, rows

#: The documents that hold made tables.
DOCUMENTS = tuple(
    PROJECT / name
    for name in (
        "README.md",
        "docs/expectations.md",
        "docs/deviations.md",
        "docs/breakages.md",
        "docs/own-tutorial.md",
        "docs/rights.md",
    )
)
MADE = re.compile(r"(<!-- made: (.+?) -->\n).*?(<!-- end of \2 -->)", re.DOTALL)
#: What begins the name of a file that is shown as it is.
FILE = "file "
NOT_COVERED = "not yet covered by a scenario"


def tables() -> dict[str, Callable[[], str]]:
    """Return what makes each table, by its name."""
    found: dict[str, Callable[[], str]] = {
        "breakages": lambda: breakages_table(all_breakages()),
        "deviations": lambda: deviations_table(deviations()),
        "rights": lambda: rights_table(suites()),
    }
    covered, single = declared_sections(), declared_expectations()
    for suite in suites():
        found[f"sections of {suite.name}"] = partial(sections_table, suite, covered, single)
        ids = [expectation.id for expectation in suite.expectations]
        names = proving(scenarios_in(suite.features), ids)
        for section in suite.sections:
            listed = [one for one in suite.expectations if one.section == section]
            found[f"expectations of {section}"] = partial(
                expectations_table, listed, names, covered=section in covered
            )
    return found


def file_shown(name: str) -> str:
    """Return a file of the project as a block of code; ``name`` is its path from the root."""
    kind = Path(name).suffix.removeprefix(".").replace("feature", "gherkin").replace("py", "python")
    return f"```{kind}\n{(PROJECT / name).read_text().rstrip()}\n```\n"


def made(text: str, known: Mapping[str, Callable[[], str]]) -> str:
    """Return a document with its made tables as they should be.

    A name ``file PATH`` is that of a file of the project. Raises ``KeyError`` for a table that
    nothing makes, and ``FileNotFoundError``.
    """

    def anew(found: re.Match[str]) -> str:
        name = found[2]
        shown = file_shown(name.removeprefix(FILE)) if name.startswith(FILE) else known[name]()
        return f"{found[1]}{shown}{found[3]}"

    return MADE.sub(anew, text)


def expectations_table(
    expectations: Sequence[Expectation], names: Mapping[str, Sequence[str]], *, covered: bool
) -> str:
    """Return expectations, how each is proved, and the ``names`` of the scenarios that do."""
    heading = ("id", "expectation", f"how it is {'' if covered else 'to be '}proved", "scenario")
    rows = [
        (
            one.id,
            one.promise,
            one.proof,
            ", ".join(f"“{name}”" for name in names[one.id]) or NOT_COVERED,
        )
        for one in expectations
    ]
    return _table(heading, rows)


def sections_table(suite: Suite, covered: Sequence[str], single: Sequence[str]) -> str:
    """Return a suite's sections with their expectations, and whether this release covers them."""
    rows = []
    for section, title in suite.sections.items():
        ids = [one.id for one in suite.expectations if one.section == section]
        partly = [one for one in single if one in ids]
        told = f"{', '.join(partly)} only" if partly else "not yet"
        state = "yes" if section in covered else told
        rows.append((title, f"{ids[0]}–{ids[-1]}", state))  # noqa: RUF001 - a range
    return _table(("section of the tutorial", "expectations", "covered"), rows)


def deviations_table(listed: Iterable[Deviation]) -> str:
    """Return what was tested that is not the tutorial's own or not the default."""
    heading = ("name", "what is other", "why", "expectations that rest on it", "where")
    rows = [
        (
            one.name,
            one.text,
            one.why,
            ", ".join(one.expectations) or "none",
            "a cluster that Meshproof made" if one.built else "everywhere",
        )
        for one in listed
    ]
    return _table(heading, rows)


def breakages_table(breakages: Sequence[Breakage]) -> str:
    """Return the deliberate breakages."""
    heading = ("expectation", "breakage", "what is broken", "what the failure must say")
    rows = []
    for breakage in breakages:
        quote = "`` " if "`" in breakage.because else "`"
        because = f"{quote}{breakage.because}{quote[::-1]}"
        rows.append((breakage.expectation, f"`{breakage.name}`", breakage.breaks, because))
    return _table(heading, rows)


def rights_table(listed: Iterable[Suite]) -> str:
    """Return what whoever runs the suites must be allowed, and what falls without it."""
    return _table(("right", "in", "what it is for", "without it"), rows(listed))


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown; a bar within a cell is escaped."""
    lines = [f"| {' | '.join(heading)} |", f"|{'---|' * len(heading)}"]
    for row in rows:
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |")
    return "\n".join(lines) + "\n"


def main(documents: Iterable[Path] = DOCUMENTS) -> None:
    """Write the tables into the documents anew, and the manifest of the rights."""
    known = tables()
    for document in documents:
        document.write_text(made(document.read_text(), known))
    GRANTED.parent.mkdir(exist_ok=True)
    GRANTED.write_text(manifest(suites()))


if __name__ == "__main__":
    main()
