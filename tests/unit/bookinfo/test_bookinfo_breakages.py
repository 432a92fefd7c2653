"""Bookinfo's deliberate breakages: each changes what is there, for a scenario that there is."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from meshproof.cluster.cluster import OWNED
from meshproof.documents import manifests_in
from meshproof.suite.breakages import Breakage, altered_manifests, chosen, read_breakage
from meshproof.suite.features import scenarios_in
from meshproof.suite.registry import suite_named

SUITE = suite_named("bookinfo")
FILES = sorted((SUITE.manifests / "breakages").glob("*.yaml"))
BREAKAGES = [read_breakage(file) for file in FILES]


def test_each_promise_is_broken_in_three_ways_at_least() -> None:
    broken = Counter(one.expectation for one in BREAKAGES)
    assert broken.keys() == {one.id for one in SUITE.expectations}
    assert min(broken.values()) >= 3


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda one: one.name)
def test_a_breakage_changes_manifests_and_keeps_their_owner(
    breakage: Breakage, tmp_path: Path
) -> None:
    made = altered_manifests(breakage, SUITE.manifests, tmp_path / "made")
    for name in breakage.files:
        before, after = manifests_in(SUITE.manifests / name), manifests_in(made / name)
        assert before != after
        assert all(one["metadata"]["labels"].items() >= OWNED.items() for one in after)


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda one: one.name)
def test_a_breakage_is_for_just_one_scenario(breakage: Breakage) -> None:
    proving = {
        "test_" + re.sub(r"\W", "", one.name.replace(" ", "_")).lower()
        for one in scenarios_in(SUITE.features)
        if breakage.expectation in one.tags and "finding" not in one.tags
    }
    assert len([name for name in proving if chosen(name, breakage.scenario)]) == 1
    assert breakage.name.startswith(breakage.expectation.lower())
