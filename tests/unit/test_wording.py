from __future__ import annotations

from typing import Any

import pytest

from meshproof.wording import by_name, listed, number


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
