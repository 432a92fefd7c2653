"""All suites of the project, and what they have together: sections, expectations, ids."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from meshproof.errors import UsageFailure
from meshproof.paths import PROJECT, TABLE
from meshproof.suite.model import Expectation, Suite
from meshproof.suite.reading import read_suites

FEATURES = PROJECT / "features"


@cache
def declared() -> dict[str, Any]:
    """Return what pyproject.toml says of this release: which sections, and the default suite.

    Nothing, where there is no project.
    """
    file = PROJECT / "pyproject.toml"
    table: dict[str, Any] = tomllib.loads(file.read_text()) if file.is_file() else {}
    found: dict[str, Any] = table.get("tool", {}).get("meshproof", {})
    return found


def default_name() -> str:
    """Return the name of the suite that is meant where none is named; empty where none is."""
    return str(declared().get("suite", ""))


def no_project() -> UsageFailure:
    """Return what is said where a project is needed and none is there."""
    return UsageFailure(
        f"There is no project here: neither {Path.cwd()} nor a folder above it has a "
        f'pyproject.toml whose table {TABLE} names a suite (suite = "NAME").'
    )


@cache
def suites() -> tuple[Suite, ...]:
    """Return all suites: the default one first, then by name.

    Raises ``SuiteInvalid`` where a suite file cannot be read, or two contradict each other.
    """
    return read_suites(FEATURES, first=default_name())


def suite_named(name: str) -> Suite:
    """Return a suite. Raises ``UsageFailure``, naming the suites, for an unknown one."""
    for suite in suites():
        if suite.name == name:
            return suite
    there = ", ".join(suite.name for suite in suites()) or "none"
    raise UsageFailure(f"There is no suite “{name}”; the suites are: {there}.")


def default_suite() -> Suite:
    """Return the suite that is meant where none is named, as pyproject.toml declares it.

    Only what is not yet handed a suite asks for it: nothing else knows one suite from others.
    """
    return suite_named(default_name())


def sections() -> dict[str, str]:
    """Return the titles of the sections of all suites, by their tags."""
    return {tag: title for suite in suites() for tag, title in suite.sections.items()}


def expectations() -> tuple[Expectation, ...]:
    """Return the expectations of all suites; their order is that of every report."""
    return tuple(expectation for suite in suites() for expectation in suite.expectations)


def expectation_ids() -> tuple[str, ...]:
    """Return the ids of all expectations; each is of one suite, and none ever changes."""
    return tuple(expectation.id for expectation in expectations())
