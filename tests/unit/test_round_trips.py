from __future__ import annotations

import shlex
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from meshproof.cluster.objects import Objects
from meshproof.process import Completed
from meshproof.suite.round_trips import (
    Transition,
    changes_seen,
    changes_told,
    draw_pair,
    pairs,
    walk,
)
from tests.suites import NAMES

PAIRS = pairs(NAMES)
APPLY = "kubectl apply -f kubernetes/step-1.yaml --namespace voting"
CREATE = "kubectl create namespace voting"
LABEL = "kubectl label namespace voting istio-injection=enabled"
DELETE = "kubectl delete deployment voting-app-1-0 --ignore-not-found --namespace voting"
EXISTS = 'Error from server (AlreadyExists): namespaces "voting" already exists\n'


@pytest.mark.parametrize(("low", "high"), PAIRS)
def test_a_walk_goes_every_way_back_and_both_ways_between_two_stages(low: str, high: str) -> None:
    stages = walk(NAMES, low, high)
    ways = Counter(pairwise(stages))
    back = {(after, before) for before, after in pairwise(NAMES)}
    assert (stages[0], stages[-1]) == (NAMES[-1], NAMES[0])
    assert ways == Counter([*back, (low, high), (high, low)])


def test_a_pair_is_of_two_stages_that_are_no_neighbours() -> None:
    assert {NAMES.index(high) - NAMES.index(low) for low, high in PAIRS} == {*range(2, len(NAMES))}
    assert len(set(PAIRS)) == len(PAIRS) == (len(NAMES) - 1) * (len(NAMES) - 2) / 2
    drawn = [draw_pair(NAMES, seed) for seed in range(500)]
    assert set(drawn) == set(PAIRS)
    assert [draw_pair(NAMES, seed) for seed in range(500)] == drawn


def way(origin: str, target: str, **more: Any) -> Transition:
    facts: dict[str, Any] = {"reached": target, "namespaces": ("7", "7"), "commands": 0}
    facts["forward"] = NAMES.index(target) > NAMES.index(origin)
    return Transition(origin, target, **{**facts, **more}, seconds=2.04)


def test_a_way_back_that_led_there_by_itself_is_right() -> None:
    back = way("updated", "exposed")
    assert not back.forward
    assert back.problems == []
    assert str(back) == "updated → exposed in 2.0 s"


def test_a_way_forward_takes_commands() -> None:
    forward = way("namespace", "updated", commands=4)
    assert forward.forward
    assert forward.problems == []


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"reached": None}, "it led to no stage"),
        ({"reached": "deployed"}, "it led to deployed"),
        ({"namespaces": ("7", "8")}, "the namespace was started over"),
        ({"commands": 3}, "it took 3 commands forward again"),
    ],
)
def test_what_is_wrong_with_a_way(wrong: dict[str, Any], problem: str) -> None:
    assert way("updated", "exposed", **wrong).problems == [f"updated → exposed in 2.0 s: {problem}"]


@pytest.mark.parametrize(
    ("command", "code", "printed", "error", "told"),
    [
        (APPLY, 0, "service/a unchanged\ndeployment.apps/b unchanged\n", "", []),
        (APPLY, 0, "secret/a configured\nservice/b unchanged\n", "", ["secret/a configured"]),
        (APPLY, 0, "secret/a created\n", "", ["secret/a created"]),
        (APPLY, 1, "secret/a unchanged\n", "no such kind\n", ["exit code 1: no such kind"]),
        (LABEL, 0, "namespace/voting not labeled\n", "", []),
        (LABEL, 0, "namespace/voting labeled\n", "", ["namespace/voting labeled"]),
        (CREATE, 1, "", EXISTS, []),
        (CREATE, 1, "", "Error: refused\n", ["exit code 1"]),
        (
            CREATE, 0, "namespace/voting created\n", "",
            ["namespace/voting created", "exit code 0"],
        ),
        (DELETE, 0, "", "", []),
        (
            DELETE, 0, "deployment.apps/voting-app-1-0 deleted\n", "",
            ["deployment.apps/voting-app-1-0 deleted"],
        ),
    ],
)  # fmt: skip
def test_what_a_command_says_it_changed(
    command: str, code: int, printed: str, error: str, told: list[str]
) -> None:
    done = Completed(tuple(shlex.split(command)), code, printed, error, 0, 0)
    assert changes_told(done) == told


def live(uid: str, version: str) -> dict[str, Any]:
    return {"metadata": {"uid": uid, "resourceVersion": version}}


def test_what_changed_between_two_looks() -> None:
    before: Objects = {
        ("Service", "same"): live("1", "1"),
        ("Service", "written"): live("2", "1"),
        ("Service", "anew"): live("3", "1"),
        ("Service", "gone"): live("4", "1"),
    }
    after: Objects = {
        ("Service", "same"): live("1", "1"),
        ("Service", "written"): live("2", "5"),
        ("Service", "anew"): live("9", "6"),
        ("Service", "new"): live("8", "7"),
    }
    assert changes_seen(before, before) == []
    assert changes_seen(before, after) == [
        "Service anew: uid 3 at version 1 before, uid 9 at version 6 after",
        "Service gone: gone",
        "Service new: new",
        "Service written: uid 2 at version 1 before, uid 2 at version 5 after",
    ]
