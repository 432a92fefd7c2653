from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshproof.documents import read_all
from meshproof.paths import PROJECT
from meshproof.suite.deviations import described, deviations_of
from meshproof.suite.model import Deviation
from meshproof.suite.stages import applied_files
from tests.suites import DEVIATIONS, IDS, STAGES

BY_NAME = {one.name: one for one in DEVIATIONS}


@pytest.mark.parametrize("one", DEVIATIONS, ids=lambda one: one.name)
def test_each_says_what_is_other_why_and_what_rests_on_it(one: Deviation) -> None:
    for sentence in (one.text, one.why):
        assert re.fullmatch(r"[^\s|].*[^\s.|]\.", sentence), sentence
    assert set(one.expectations) <= set(IDS)
    order = [IDS.index(identifier) for identifier in one.expectations]
    assert order == sorted(set(order)), "in the order of the specification, each once"


def test_no_two_have_a_name_or_a_text_in_common() -> None:
    assert len(BY_NAME) == len({one.text for one in DEVIATIONS}) == len(DEVIATIONS)


def test_what_the_installation_has_of_its_own_is_none_of_a_cluster_that_was_there() -> None:
    assert deviations_of(built=True) == list(DEVIATIONS)
    there = deviations_of(built=False)
    assert {one.name for one in there} >= {"own application", "policies", "MariaDB"}
    assert not {one.name for one in there} & {"upstream Envoy", "gateway's address"}


@given(st.lists(st.sampled_from([*(one.text for one in DEVIATIONS), "something else"])))
def test_they_are_found_again_by_their_texts(texts: list[str]) -> None:
    found = described(texts)
    assert [one.text for one in found] == texts
    for one in found:
        assert one in DEVIATIONS or one == Deviation("something else", "something else", "")


# The tutorial lists the files that it applies; whatever else the stages apply is in the list.

#: What the tutorial's commands apply; its last steps are left to the reader.
PUBLISHED = {
    "kubernetes/step-1-create-voting-app.yaml",
    "istio/step-1-create-voting-app-gateway.yaml",
    "kubernetes/step-2-update-voting-analytics-to-1.1.yaml",
    "istio/step-2a-update-voting-app-virtualservice.yaml",
    "istio/step-2b-add-routing-for-all-components.yaml",
    "istio/step-3-add-routing-for-2.0-components.yaml",
    "kubernetes/step-3-update-voting-app-with-new-storage.yaml",
}
#: What each file beside these is a deviation by.
BESIDE = {
    "kubernetes/step-0-identities.yaml": "service accounts",
    "istio/step-2c-authorize-components.yaml": "policies",
    "istio/step-3b-authorize-2.0-components.yaml": "policies",
    "istio/step-4a-route-all-to-2.0.yaml": "own finalizing",
    "istio/step-4b-remove-old-versions.yaml": "own finalizing",
}


def test_every_file_that_is_applied_is_the_tutorials_or_in_the_list() -> None:
    applied = {file for stage in STAGES for command in stage.commands
               for file in applied_files(command)}  # fmt: skip
    assert applied == PUBLISHED | BESIDE.keys()
    assert set(BESIDE.values()) <= BY_NAME.keys()


def test_kinds_that_the_tutorial_does_not_have_are_in_files_of_their_own() -> None:
    for file in PUBLISHED:
        kinds = {
            one["kind"] for one in read_all((PROJECT / "manifests" / "voting" / file).read_text())
        }
        assert not kinds & {"AuthorizationPolicy", "ServiceAccount"}, file


def test_files_that_are_applied_in_parts_are_in_the_list() -> None:
    parts = {file for stage in STAGES for command in stage.commands if " -l " in command
             for file in applied_files(command)}  # fmt: skip
    assert parts == {
        "istio/step-2b-add-routing-for-all-components.yaml",
        "istio/step-3-add-routing-for-2.0-components.yaml",
        "istio/step-4b-remove-old-versions.yaml",
    }
    assert {"order of lock-down", "order of routing for 2.0", "own finalizing"} <= BY_NAME.keys()
