from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steps.voting.ballots import (
    Ballot,
    Counted,
    Counts,
    Vote,
    miscounted,
    tally,
    unexpected_counts,
)


@pytest.mark.parametrize(
    ("choice", "before", "after", "counted"),
    [
        ("Cats", (3, 5), (4, 5), True),
        ("Dogs", (3, 5), (3, 6), True),
        ("Cats", (0, 0), (1, 0), True),
        ("Cats", (3, 5), (3, 5), False),  # lost
        ("Cats", (3, 5), (5, 5), False),  # counted twice
        ("Cats", (3, 5), (3, 6), False),  # in the other category
        ("Dogs", (3, 5), (4, 5), False),
        ("Cats", (3, 5), (4, 6), False),  # in both
        ("Dogs", (3, 5), (2, 6), False),  # taken from the other
        ("Dogs", (3, 5), (0, 1), False),  # reset on the way
        ("Cats", (3, 5), None, False),
        ("Cats", None, (4, 5), False),
        ("Cats", None, None, False),
        ("cats", (3, 5), (4, 5), False),  # no such choice
        ("reset", (3, 5), (0, 0), False),
    ],
)
def test_counted(choice: str, before: Counts | None, after: Counts | None, counted: bool) -> None:
    assert Ballot(choice, before, after).counted is counted


@given(
    st.sampled_from(["Cats", "Dogs"]),
    st.tuples(st.integers(0, 9), st.integers(0, 9)),
    st.tuples(st.integers(0, 9), st.integers(0, 9)),
)
def test_a_counted_vote_is_exactly_one_more_and_in_its_own_category(
    choice: str, before: Counts, after: Counts
) -> None:
    grown = (after[0] - before[0], after[1] - before[1])
    assert Ballot(choice, before, after).counted is (
        grown == {"Cats": (1, 0), "Dogs": (0, 1)}[choice]
    )


def test_a_ballot_in_a_line() -> None:
    assert str(Ballot("Cats", (3, 5), None)) == "Cats: 3 cats and 5 dogs → no counts"


def test_places_that_count_otherwise() -> None:
    counted = {"pod-1": (3, 2), "pod-2": (2, 3), "pod-3": None, "redis-cli": (3, 2)}
    assert unexpected_counts(counted, (3, 2)) == {"pod-2": (2, 3), "pod-3": None}
    assert unexpected_counts({}, (3, 2)) == {}


CAT = Vote("1.0", "Cats", "a")
DOG = Vote("2.0", "Dogs", "b")


def test_votes_are_tallied_by_their_version() -> None:
    votes = [CAT, DOG, Vote("2.0", "Cats", "c"), Vote("2.0", "Dogs", "d")]
    assert tally(votes, "1.0") == (1, 0)
    assert tally(votes, "2.0") == (1, 2)
    assert tally([], "1.0") == (0, 0)


def test_versions_that_count_their_own_votes_alone_are_right() -> None:
    counted = [
        Counted(CAT, {"1.0": (1, 0), "2.0": (0, 0)}),
        Counted(DOG, {"1.0": (1, 0), "2.0": (0, 1)}),
    ]
    assert miscounted(counted) == []
    assert str(counted[1]) == (
        "Dogs in 2.0, id b: 1.0 shows 1 cats and 0 dogs, 2.0 shows 0 cats and 1 dogs"
    )


@pytest.mark.parametrize(
    ("shown", "line"),
    [
        (
            {"1.0": (1, 1), "2.0": (0, 1)},
            "1.0 shows 1 cats and 1 dogs, cast were 1 cats and 0 dogs",
        ),
        (
            {"1.0": (1, 0), "2.0": (1, 1)},
            "2.0 shows 1 cats and 1 dogs, cast were 0 cats and 1 dogs",
        ),
        (
            {"1.0": (1, 0), "2.0": (0, 0)},
            "2.0 shows 0 cats and 0 dogs, cast were 0 cats and 1 dogs",
        ),
        ({"1.0": (1, 0), "2.0": None}, "2.0 shows no counts, cast were 0 cats and 1 dogs"),
        ({"1.0": (1, 0), "1.1": (0, 1)}, "2.0 shows no counts, cast were 0 cats and 1 dogs"),
    ],
)
def test_a_version_that_counts_otherwise(shown: dict[str, Counts | None], line: str) -> None:
    counted = [Counted(CAT, {"1.0": (1, 0), "2.0": (0, 0)}), Counted(DOG, shown)]
    assert miscounted(counted) == [f"after Dogs in 2.0, id b: {line}"]
