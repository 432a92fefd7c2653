from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from meshproof import suite
from meshproof.expectations import EXPECTATIONS, IDS, SECTIONS
from meshproof.suite import declared_expectations, declared_sections


@pytest.fixture
def declare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Writes the table of the pyproject.toml that is read."""
    monkeypatch.setattr(suite, "ROOT", tmp_path)

    def write(lines: str) -> None:
        (tmp_path / "pyproject.toml").write_text(f"[tool.meshproof]\n{lines}\n")

    return write


def test_this_release_covers_something_and_nothing_twice() -> None:
    assert declared_sections()
    assert set(declared_sections()) <= set(SECTIONS)
    covered = {row.id for row in EXPECTATIONS if row.section in declared_sections()}
    assert not covered & set(declared_expectations())


def test_sections_come_in_the_order_of_the_specification(declare: Callable[[str], None]) -> None:
    declare('sections = ["mtls", "deploy", "update"]')
    assert declared_sections() == ("deploy", "update", "mtls")


def test_expectations_come_in_the_order_of_the_specification(
    declare: Callable[[str], None],
) -> None:
    declare('expectations = ["A2", "D1"]')
    assert declared_expectations() == ("D1", "A2")
    assert IDS.index("D1") < IDS.index("A2")


def test_an_unknown_section_or_expectation_is_named(declare: Callable[[str], None]) -> None:
    declare('sections = ["deploy", "undeploy"]\nexpectations = ["A2", "A99"]')
    with pytest.raises(ValueError, match="unknown sections: undeploy"):
        declared_sections()
    with pytest.raises(ValueError, match="unknown expectations: A99"):
        declared_expectations()
