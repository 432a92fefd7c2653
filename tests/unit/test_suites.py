from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from meshproof.errors import UsageFailure
from meshproof.paths import PROJECT
from meshproof.plugin.suites import unproved
from meshproof.suite.coverage import declared_expectations, declared_sections
from meshproof.suite.features import proving, scenarios_in
from meshproof.suite.listing import listing
from meshproof.suite.registry import default_suite, suite_named, suites
from tests.forked import ran
from tests.suites import IDS, SUITE

CONFTEST = """\
from pytest_bdd import given

pytest_plugins = [
    "meshproof.plugin.options", "meshproof.plugin.scenarios", "meshproof.plugin.suites",
]


@given("the shop is open")
def _():
    open("ran", "w")
"""
FEATURE = """\
@deploy
Feature: A shop
  @S1
  Scenario: It is open
    Given the shop is open

  @S2 @finding
  Scenario Outline: It has things
    Given the shop is <state>

    @S3
    Examples:
      | state |
      | {state} |
"""


def run(folder: Path, feature: str) -> str:
    """Run a feature, and return what was printed."""
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "shop.feature").write_text(feature)
    scenarios = "from pytest_bdd import scenarios\nscenarios('.')\n"
    (folder / "test_shop.py").write_text(scenarios)
    return ran(
        ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "."],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    ).stdout


def test_a_step_that_nobody_wrote_is_told_before_anything_runs(tmp_path: Path) -> None:
    printed = run(tmp_path, FEATURE.format(state="opened"))
    assert (
        f"{tmp_path / 'shop.feature'}, line 9: there is no step “the shop is opened” (given); "
        "“the shop is open” is close." in printed
    )
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("Outline: It has things", "Outline: It has <things>", 8),
        ("<state>", "<things>", 9),
        ("<state>", "<state>\n      | <things> |", 10),
    ],
    ids=["a title", "a step", "a table"],
)
def test_a_place_of_an_outline_without_a_column_is_told_before_anything_runs(
    tmp_path: Path, old: str, new: str, line: int
) -> None:
    printed = run(tmp_path, FEATURE.format(state="open").replace(old, new, 1))
    assert (
        f"{tmp_path / 'shop.feature'}, line {line}: no column of the outline's examples is called "
        "“things”; there is state." in printed
    )
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "new",
    [
        "  Scenario: It is <open>",
        '  Scenario: It is open\n    Given the shop is open\n      """\n      <b>\n      """',
    ],
    ids=["no outline", "a text of several lines"],
)
def test_angle_brackets_that_no_outline_fills_in_are_text(tmp_path: Path, new: str) -> None:
    feature = FEATURE.format(state="open").replace("  Scenario: It is open", new)
    assert "2 passed" in run(tmp_path, feature)


def test_a_sign_that_swallows_a_place_is_told(tmp_path: Path) -> None:
    """pytest-bdd takes all from the first sign on for the name, and fills nothing in."""
    title = "Outline: It has < 5 things, all of them <state>"
    printed = run(tmp_path, FEATURE.format(state="open").replace("Outline: It has things", title))
    assert "is called “ 5 things, all of them <state”; there is state." in printed
    assert not (tmp_path / "ran").exists()


def test_where_every_step_is_written_it_runs(tmp_path: Path) -> None:
    printed = run(tmp_path, FEATURE.format(state="open"))
    assert "2 passed" in printed
    assert (tmp_path / "ran").exists()


def test_scenarios_are_read_with_all_their_tags(tmp_path: Path) -> None:
    (tmp_path / "shop.feature").write_text(FEATURE)
    found = scenarios_in(tmp_path)
    assert [(one.name, set(one.tags)) for one in found] == [
        ("It is open", {"deploy", "S1"}),
        ("It has things", {"deploy", "S2", "S3", "finding"}),
    ]
    assert proving(found, ["S1", "S2"]) == {"S1": ("It is open",), "S2": ()}
    assert proving(found, ["S2"], findings=True) == {"S2": ("It has things",)}


def test_a_feature_that_is_no_gherkin_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shop.feature").write_text("Feature: A\n  Scenario: b\n    Given c\n    nonsense\n")
    with pytest.raises(UsageFailure, match=r"shop\.feature: this is no Gherkin: "):
        scenarios_in(tmp_path)


def test_what_is_covered_and_has_no_scenario_is_told(tmp_path: Path) -> None:
    (tmp_path / "shop.feature").write_text("Feature: x\n  @D1 @D2\n  Scenario: y\n  @D3 @finding\n"
                                           "  Scenario: z\n")  # fmt: skip
    shop = replace(SUITE, file=tmp_path / "suite.yaml")
    assert list(unproved(shop, (), ("D1", "D2"))) == []
    assert list(unproved(shop, (), ("D1", "D3"))) == [
        "No scenario of the suite “voting” proves D3: write one with the id as its tag, or declare "
        "less as covered in pyproject.toml."
    ]
    (told,) = unproved(shop, ("update",), ())
    assert "proves U1, U2, U3, U4, U5 and U6: " in told


def test_every_covered_expectation_has_a_scenario() -> None:
    covered, single = declared_sections(), declared_expectations()
    assert [line for suite in suites() for line in unproved(suite, covered, single)] == []


def test_suites_are_found_by_their_names() -> None:
    assert suites()[0] is default_suite() is suite_named(SUITE.name)
    with pytest.raises(UsageFailure, match=r"There is no suite “shop”; the suites are: .*voting"):
        suite_named("shop")


def test_a_suite_is_listed_with_its_stages_and_expectations() -> None:
    lines = listing(SUITE).splitlines()
    assert lines[0] == f"{SUITE.name}: {SUITE.title} ({SUITE.source})"
    first = [line.split()[0] for line in lines[1:] if line and not line.startswith(" ")]
    ids = [identifier for identifier in IDS if identifier in {one.id for one in SUITE.expectations}]
    assert first == ["stage", *SUITE.stage_names, "id", *ids]
    for stage in SUITE.stages:
        for command in stage.commands:
            assert any(line.endswith(f"   {command}") for line in lines)
