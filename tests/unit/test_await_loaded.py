"""Waiting for the proxies, some of which may be too busy to answer now and then."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.shape import DEFAULT
from meshproof.errors import EnvironmentBroken
from meshproof.mesh.loaded import Loaded
from meshproof.progress import Progress
from meshproof.suite import tutorial as module
from meshproof.suite.tutorial import Tutorial
from meshproof.waiting import NotConverged
from tests.suites import SUITE

SILENT = EnvironmentBroken("The proxy of pod app does not answer.")
KEY = ("gateway", "pod")


@pytest.fixture
def tutorial(no_time_passes: None) -> Tutorial:
    return Tutorial(
        cast("Cluster", SimpleNamespace(mesh=DEFAULT)),
        "voting",
        SUITE,
        progress=Progress(lambda _: None),
    )


def told(
    tutorial: Tutorial, monkeypatch: pytest.MonkeyPatch, *looks: str | EnvironmentBroken
) -> None:
    """Have the proxies say these, one look after the other, and the last one again and again."""
    left = list(looks)

    def dumps(*_: object) -> dict[tuple[str, str], str]:
        said = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(said, EnvironmentBroken):
            raise said
        return {KEY: said}

    monkeypatch.setattr(tutorial, "dumps", dumps)


def test_a_proxy_that_does_not_answer_is_asked_again(
    tutorial: Tutorial, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(tutorial, monkeypatch, "", SILENT, "route")
    tutorial.await_loaded([Loaded("route")])


def test_of_one_that_never_does_nothing_can_be_said(
    tutorial: Tutorial, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(tutorial, monkeypatch, "", SILENT)
    with pytest.raises(EnvironmentBroken, match="does not answer"):
        tutorial.await_loaded([Loaded("route")])


def test_one_that_answers_and_lacks_it_has_not_loaded_it(
    tutorial: Tutorial, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(tutorial, monkeypatch, SILENT, "")
    # By the deadline that has the first look wait for istiod.
    with pytest.raises(NotConverged, match=r"the proxies have loaded the change.*“change-loaded”"):
        tutorial.await_loaded([Loaded("route")])


def test_who_has_loaded_it_is_asked_no_more(
    tutorial: Tutorial, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the three proxies one is late, and one is new at the second look."""
    there = {"early": ["route"], "late": ["", "", "route"], "new": ["", "route"]}
    asked: list[list[str]] = []

    def answers(_: object, proxies: list[tuple[str, str, str]]) -> dict[tuple[str, str], str]:
        asked.append([name for _, _, name in proxies])
        return {(workload, name): there[name].pop(0) for workload, _, name in proxies}

    def proxies() -> list[tuple[str, str, str]]:
        return [("app", "voting", name) for name in there if asked or name != "new"]

    monkeypatch.setattr(module, "configuration_dumps", answers)
    monkeypatch.setattr(tutorial, "proxies", proxies)
    tutorial.await_loaded([Loaded("route")])
    assert asked == [["early", "late"], ["late", "new"], ["late", "new"]]
