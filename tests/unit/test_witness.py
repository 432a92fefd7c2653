"""What strikes the ground is seen, and a red of that time says nothing of a promise."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshproof.cluster.cluster import Cluster
from meshproof.errors import BrokenWhateverStruck, PromiseBroken
from meshproof.plugin.outcomes import judged
from meshproof.run import witness
from meshproof.run.witness import Heartbeat, Part, Witness, strikes
from meshproof.signoff.verdict import Outcome

ISTIOD, NODE = "pod istio-system/istiod-1", "node one"
BEFORE = {ISTIOD: Part("u1", True, "10:00"), NODE: Part("n1", True, "09:00")}

parts = st.dictionaries(
    st.sampled_from([ISTIOD, NODE, "pod kube-system/coredns-1"]),
    st.builds(
        Part,
        uid=st.sampled_from(["u1", "u2"]),
        ready=st.booleans(),
        since=st.sampled_from(["10:00", "10:01"]),
        restarts=st.integers(0, 2),
    ),
)


@given(parts)
def test_what_stayed_the_same_and_ready_was_not_struck(before: Mapping[str, Part]) -> None:
    well = {name: replace(part, ready=True) for name, part in before.items()}
    assert strikes(well, well) == []
    more = {**well, "pod kube-system/new": Part("u9", True, "10:05")}
    assert strikes(well, more) == []


@given(parts, parts)
def test_whatever_changed_is_named(before: Mapping[str, Part], after: Mapping[str, Part]) -> None:
    told = strikes(before, after)
    for name, part in before.items():
        changed = after.get(name) != part or not part.ready
        assert any(line.startswith(f"{name} ") for line in told) == changed


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (None, f"{ISTIOD} is gone"),
        (Part("u2", True, "10:00"), f"{ISTIOD} is another one of that name"),
        (Part("u1", True, "10:00", restarts=1), f"{ISTIOD} had 0 restarts before, and has 1"),
        (Part("u1", False, "10:07"), f"{ISTIOD} is not ready since 10:07"),
        (Part("u1", True, "10:07"), f"{ISTIOD} was not ready, until 10:07"),
    ],
)
def test_each_way_of_being_struck_is_told(now: Part | None, told: str) -> None:
    after = {**BEFORE, ISTIOD: now} if now else {NODE: BEFORE[NODE]}
    (line,) = strikes(BEFORE, {name: part for name, part in after.items() if part})
    assert line.startswith(told)


def test_a_node_under_pressure_is_told() -> None:
    after = {**BEFORE, NODE: replace(BEFORE[NODE], pressure=("MemoryPressure",))}
    assert strikes(BEFORE, after) == [f"{NODE} is under MemoryPressure"]


@given(st.sampled_from(list(Outcome)), st.text(), st.lists(st.text(min_size=1), max_size=3))
def test_only_a_red_is_taken_back_and_whatever_went_wrong_is_told_what_struck_the_ground(
    outcome: Outcome, message: str, told: list[str]
) -> None:
    now, said = judged(outcome, message, told)
    if outcome in (Outcome.FAILED, Outcome.ERROR) and told:
        assert now is Outcome.ERROR
        assert said.startswith(message)
        assert all(line in said for line in told)
    else:
        assert (now, said) == (outcome, message)


def test_what_is_broken_whatever_struck_stays_a_red() -> None:
    stays = BrokenWhateverStruck("left behind: PriorityClass first")
    assert judged(Outcome.FAILED, "left behind", ["a crowd"], stays) == (
        Outcome.FAILED,
        "left behind",
    )
    outcome, said = judged(Outcome.FAILED, "left behind", ["a crowd"], PromiseBroken("it is there"))
    assert outcome is Outcome.ERROR
    assert said.endswith("a crowd")


def test_whatever_else_goes_wrong_is_told_what_struck_the_ground() -> None:
    stays = BrokenWhateverStruck("left behind: PriorityClass first")
    _, said = judged(Outcome.ERROR, "the clean-up failed", ["a crowd"], stays)
    assert said.endswith("a crowd")


def pod(name: str, owner: str | None, *, ready: str = "True", of: str = "5") -> dict[str, Any]:
    """A pod; ``of`` is what its owner's name ends in, as a ReplicaSet's does."""
    workload, _, _ = name.rpartition("-")
    return {
        "metadata": {
            "name": name,
            "namespace": "istio-system",
            "uid": f"uid-{name}",
            "labels": {"pod-template-hash": of},
            "ownerReferences": [{"kind": owner, "name": f"{workload}-{of}"}] if owner else [],
        },
        "status": {
            "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": "10:00"}],
            "containerStatuses": [{"restartCount": 2}, {"restartCount": 1}],
        },
    }


class Api:
    """What the API server answers."""

    def __init__(self) -> None:
        self.pods = [pod("istiod-1", "ReplicaSet"), pod("helper", None), pod("once", "Job")]
        self.down = False

    def get(self, cluster: Cluster, path: str) -> Mapping[str, Any]:
        if self.down:
            raise ConnectionRefusedError("nobody there")
        if path == "/api/v1/namespaces/istio-system/pods":
            return {"items": self.pods}
        if path == "/api/v1/nodes":
            ready = {"type": "Ready", "status": "True", "lastTransitionTime": "09:00"}
            full = {"type": "DiskPressure", "status": "False"}
            metadata = {"name": "one", "uid": "n1"}
            return {"items": [{"metadata": metadata, "status": {"conditions": [ready, full]}}]}
        return {"items": []}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    answers = Api()
    monkeypatch.setattr(witness, "get", answers.get)
    return answers


def test_the_ground_is_what_is_kept_running(cluster: Cluster, api: Api) -> None:
    assert witness.look(cluster) == {
        ISTIOD: Part("uid-istiod-1", True, "10:00", restarts=3, workload="istio-system/istiod"),
        NODE: Part("n1", True, "09:00"),
    }


def test_a_witness_tells_what_came_since_it_was_asked_last(cluster: Cluster, api: Api) -> None:
    watching = Witness(cluster, Heartbeat())
    assert watching.struck() == []
    api.pods = [pod("istiod-2", "ReplicaSet")]
    assert watching.struck() == [f"{ISTIOD} is gone"]
    assert watching.struck() == []
    api.pods = [pod("istiod-3", "ReplicaSet", of="6")]  # a newer ReplicaSet's
    assert watching.struck() == ["pod istio-system/istiod-2 is gone"]
    assert watching.struck() == []
    api.down = True
    assert watching.struck() == [
        "the cluster does not answer: ConnectionRefusedError: nobody there"
    ]


def test_what_is_gone_strikes_until_something_is_in_its_place(cluster: Cluster, api: Api) -> None:
    watching = Witness(cluster, Heartbeat())
    api.pods = []
    assert watching.struck() == [f"{ISTIOD} is gone"]
    # Another scenario stands on no better ground, and neither does the one in which it comes back.
    assert watching.struck() == [f"{ISTIOD} is gone"]
    api.pods = [pod("istiod-2", "ReplicaSet")]
    assert watching.struck() == [f"{ISTIOD} is gone"]
    assert watching.struck() == []


def test_a_pod_of_a_node_has_only_itself_in_its_place(cluster: Cluster, api: Api) -> None:
    api.pods = [pod("etcd-one", "Node"), pod("etcd-two", "Node")]
    watching = Witness(cluster, Heartbeat())
    api.pods = [pod("etcd-one", "Node")]
    for _ in range(2):
        assert watching.struck() == ["pod istio-system/etcd-two is gone"]


def test_a_machine_that_stands_still_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witness, "BEAT", 0.01)
    monkeypatch.setattr(witness, "STILL", 0.05)
    clock = iter([0.0, 0.01, 7.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock, 7.0))
    with Heartbeat() as heartbeat:
        deadline = time.perf_counter() + 5
        while not heartbeat.still and time.perf_counter() < deadline:
            pass
    assert heartbeat.take() == ["this machine stood still for 7 s"]
    assert heartbeat.take() == []


def test_a_crowd_for_a_window_is_told_and_a_shorter_one_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    heartbeat = Heartbeat()
    for _ in range(witness.WINDOW // 2):
        heartbeat.beat(0.0, 79)  # on the average of a window at most 19.75 a processor
    for _ in range(witness.WINDOW):
        heartbeat.beat(0.0, 1)
    assert heartbeat.take() == []
    for _ in range(witness.WINDOW):
        heartbeat.beat(0.0, 60)
    crowd = "this machine was crowded: 30 processes a processor wanted to run, over 10 s"
    assert heartbeat.take() == [crowd]
    for _ in range(witness.WINDOW):
        heartbeat.beat(0.0, 6)
    heartbeat.take()  # a part of the crowd was in its window
    assert heartbeat.take() == []


def test_processes_that_want_to_run_are_counted() -> None:
    assert witness.runnable() >= 1  # this one
