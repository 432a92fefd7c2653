from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voting.counts import Counts, share_text, simple_text

numbers = st.integers(min_value=0, max_value=10**9)


def test_simple_text() -> None:
    assert simple_text(Counts(2, 4)) == "Cats: 2 | Dogs: 4"


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        (Counts(2, 4), "Cats: 2/6 (33%) | Dogs: 4/6 (67%)"),
        (Counts(0, 0), "Cats: 0/0 (0%) | Dogs: 0/0 (0%)"),
        (Counts(3, 0), "Cats: 3/3 (100%) | Dogs: 0/3 (0%)"),
        (Counts(1, 7), "Cats: 1/8 (13%) | Dogs: 7/8 (88%)"),
        (Counts(1, 199), "Cats: 1/200 (1%) | Dogs: 199/200 (100%)"),
        (Counts(1, 200), "Cats: 1/201 (0%) | Dogs: 200/201 (100%)"),
    ],
)
def test_share_text(counts: Counts, text: str) -> None:
    assert share_text(counts) == text


@given(cats=numbers, dogs=numbers)
def test_percentage_is_nearest_whole_number_and_halves_go_up(cats: int, dogs: int) -> None:
    percentages = Counts(cats, dogs).percentages()
    for count, percentage in zip((cats, dogs), percentages, strict=True):
        exact = Fraction(100 * count, cats + dogs) if cats + dogs else Fraction(0)
        assert -Fraction(1, 2) < exact - percentage < Fraction(1, 2) or (
            percentage - exact == Fraction(1, 2)
        )
