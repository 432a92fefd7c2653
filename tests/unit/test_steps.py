"""The vocabulary: whole sentences, small named functions, all of them used and documented."""

from __future__ import annotations

from collections import Counter

import pytest

from meshproof.paths import PROJECT
from meshproof.steps.catalogue import (
    Line,
    Sentence,
    Step,
    all_lines,
    all_steps,
    first_sentence,
    page,
    steps_in,
    summary,
    table,
    users_of,
)

STEPS, LINES = all_steps(), all_lines()
SOURCE = '''
@given("the door is open")
@when(parsers.parse('{count:d} guests come'), target_fixture="guests")
def guests_come(count: int) -> None:
    """They come. And go."""
    come(count)
    assert come


@then("a sentence of "
      "two pieces")
def _() -> None:
    pass


def no_step() -> None:
    pass
'''


def named(step: Step) -> str:
    return f"{step.module}::{step.name}"


@pytest.mark.parametrize("step", STEPS, ids=named)
def test_a_step_is_a_small_named_function_of_whole_sentences(step: Step) -> None:
    assert step.name != "_"
    assert step.proves.endswith(".")
    assert all(sentence.text for sentence in step.sentences)
    assert step.statements <= 3
    assert step.asserts <= 1


@pytest.mark.parametrize("step", STEPS, ids=named)
def test_every_step_is_used(step: Step) -> None:
    assert users_of(step, LINES)


def test_no_sentence_and_no_name_is_there_twice() -> None:
    sentences = Counter((one.keyword, one.text) for step in STEPS for one in step.sentences)
    assert [*sentences.values()] == [1] * len(sentences)
    names = Counter(step.name for step in STEPS)
    assert [*names.values()] == [1] * len(names)


@pytest.mark.parametrize("line", sorted({(one.keyword, one.text) for one in LINES}))
def test_a_line_of_a_feature_is_exactly_one_step(line: tuple[str, str]) -> None:
    found = [named(step) for step in STEPS if step.matches(*line)]
    assert len(found) == 1, found


def test_the_page_is_made_from_the_code() -> None:
    document = (PROJECT / "docs" / "steps.md").read_text()
    assert document == page(document), "make it anew: python -m meshproof.steps"


def test_steps_are_read_from_the_code() -> None:
    guests, split = steps_in(SOURCE, "house.py")
    assert guests == Step(
        "house.py",
        "guests_come",
        (
            Sentence("given", "the door is open", placeholders=False),
            Sentence("when", "{count:d} guests come", placeholders=True),
        ),
        "They come.",
        statements=2,
        asserts=1,
    )
    assert split.sentences == (Sentence("then", "", placeholders=False),)


@pytest.mark.parametrize(
    ("keyword", "text", "is_it"),
    [
        ("given", "the door is open", True),
        ("when", "the door is open", False),
        ("when", "12 guests come", True),
        ("when", "some guests come", False),
    ],
)
def test_a_line_is_a_step_by_keyword_and_text(keyword: str, text: str, is_it: bool) -> None:
    guests, _ = steps_in(SOURCE, "house.py")
    assert guests.matches(keyword, text) is is_it


def test_the_table_says_where_a_step_is_used() -> None:
    steps = steps_in(SOURCE, "house.py")[:1]
    lines = [
        Line("inn/yard", "when", "2 guests come", 3),
        Line("inn/yard", "when", "5 guests come", 3),  # another row of an outline
        Line("inn/yard", "given", "the door is open", 9),
        Line("inn/hall", "given", "nothing", 1),
    ]
    assert table(steps, lines).splitlines()[-1] == (
        "| Given the door is open<br>When {count:d} guests come | They come. | 2 | yard |"
    )


def test_it_is_said_how_often_steps_are_used() -> None:
    assert summary([1, 2, 1, 7]) == (
        "4 steps for 11 lines of features: 2 are used in one line, 1 in two, 1 in more."
    )


def test_the_first_sentence_of_a_docstring_is_what_a_step_proves() -> None:
    assert first_sentence("It is\nopen: for all.\n\nMore.") == "It is open: for all."
    assert first_sentence("") == ""
