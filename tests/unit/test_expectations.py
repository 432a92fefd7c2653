from __future__ import annotations

import re
from itertools import groupby

import pytest

from meshproof.suite.model import Expectation
from tests.suites import EXPECTATIONS, IDS, SECTIONS


def test_ids_are_unique() -> None:
    assert len(set(IDS)) == len(IDS) == len(EXPECTATIONS)
    assert tuple(expectation.id for expectation in EXPECTATIONS) == IDS


def test_sections_come_in_the_order_of_the_tutorial_each_in_one_piece() -> None:
    assert [section for section, _ in groupby(EXPECTATIONS, lambda row: row.section)] == list(
        SECTIONS
    )


@pytest.mark.parametrize("section", SECTIONS)
def test_ids_of_a_section_are_numbered_from_one_under_a_letter_of_its_own(section: str) -> None:
    ids = [expectation.id for expectation in EXPECTATIONS if expectation.section == section]
    letter = ids[0][0]
    assert ids == [f"{letter}{number}" for number in range(1, len(ids) + 1)]
    assert [identifier for identifier in IDS if identifier[0] == letter] == ids


@pytest.mark.parametrize("expectation", EXPECTATIONS, ids=lambda expectation: expectation.id)
def test_an_expectation_is_a_sentence(expectation: Expectation) -> None:
    assert re.fullmatch(r"\S.*[^\s.]\.", expectation.promise)


def test_no_id_is_the_name_of_a_section() -> None:
    """Both are tags of scenarios."""
    assert not set(IDS) & set(SECTIONS)
