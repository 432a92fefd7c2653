"""Outlines: what a row fills in, in a step, a table or a text, is what its columns are called."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_bdd.parser import PARAM_RE, FeatureParser, ScenarioTemplate

from meshproof.paths import PROJECT
from meshproof.plugin.suites import places_of

FEATURES = sorted([*PROJECT.glob("features/**/*.feature"), *PROJECT.glob("examples/**/*.feature")])


def wrong(file: Path) -> list[str]:
    """What an outline of a file names and no column gives it, or a column gives and none names."""
    feature = FeatureParser(str(file.parent), file.name).parse()
    return [
        f"{scenario.name}: {sorted(places ^ columns)}"
        for scenario in feature.scenarios.values()
        if scenario.examples
        for places in [named(scenario)]
        for examples in scenario.examples
        if places != (columns := set(examples.example_params))
    ]


def named(scenario: ScenarioTemplate) -> set[str]:
    """The names in angle brackets in a scenario's title and steps, with their tables and texts."""
    texts = (step.docstring or "" for step in scenario.steps)
    in_texts = {name for text in texts for name in PARAM_RE.findall(text)}
    return in_texts | {name for _, name in places_of(scenario)}


@pytest.mark.parametrize("file", FEATURES, ids=lambda file: file.stem)
def test_every_place_of_an_outline_has_a_column_and_every_column_a_place(file: Path) -> None:
    assert wrong(file) == []


def test_a_place_without_a_column_is_found_in_a_table(tmp_path: Path) -> None:
    file = tmp_path / "a.feature"
    file.write_text(
        "Feature: F\n  Scenario Outline: S\n    Given <one>\n      | <other> |\n"
        "    Examples:\n      | one | third |\n      | 1   | 2     |\n"
    )
    assert wrong(file) == ["S: ['other', 'third']"]
