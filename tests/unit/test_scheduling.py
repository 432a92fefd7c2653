from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any, cast

import pytest
from kubernetes.client.exceptions import ApiException

from meshproof.cluster import scheduling as module
from meshproof.cluster.cluster import Cluster
from meshproof.cluster.pods import PodState
from meshproof.cluster.scheduling import (
    NODE_COMES,
    PATIENCE,
    Scheduling,
    long_without_node,
    node_comes,
    without_node,
)
from meshproof.errors import EnvironmentBroken

FULL = "0/1 nodes are available: 1 Insufficient cpu."
UNBOUND = "pod has unbound immediate PersistentVolumeClaims."
RUNS = PodState(
    "app-1", "voting-app", "1.0", "Running", ready=2, containers=2, restarts=0, proxied=True,
    stopping=False,
)  # fmt: skip
WAITS = replace(RUNS, name="app-2", phase="Pending", ready=0, unscheduled=FULL)


def test_since_when_a_pod_has_no_node() -> None:
    first = without_node({}, [RUNS, WAITS], 10.0)
    assert first == {"app-2": 10.0}
    assert without_node(first, [RUNS, WAITS], 12.0) == {"app-2": 10.0}
    has_one = replace(WAITS, unscheduled="")
    assert without_node(first, [has_one], 12.0) == {}
    assert without_node({}, [replace(WAITS, stopping=True)], 10.0) == {}


def test_it_is_told_within_ten_seconds_and_not_at_once() -> None:
    assert 1 < PATIENCE < 9
    since = {"app-2": 10.0}
    assert long_without_node([RUNS, WAITS], since, 10.0 + PATIENCE - 0.1) == []
    assert long_without_node([RUNS, WAITS], since, 10.0 + PATIENCE) == [WAITS]


def test_a_node_that_is_added_is_read_in_events() -> None:
    assert not node_comes([{"reason": "FailedScheduling"}, {}])
    assert node_comes([{"reason": "FailedScheduling"}, {"reason": NODE_COMES}])


class Watched:
    """A run's two namespaces, what the API server says of their pods and of events, and a clock."""

    def __init__(self) -> None:
        self.time = 0.0
        self.pods: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.refused = False
        self.stopping_in = "voting"
        self.told: list[str] = []
        owner = SimpleNamespace(tutorials=("voting",))
        cluster = cast("Cluster", SimpleNamespace(owner=owner))
        self.scheduling = Scheduling(cluster, "voting", self.told.append, lambda: self.time)

    def get(self, _: object, path: str) -> dict[str, Any]:
        if "/events" in path:
            if self.refused:
                raise ApiException(status=HTTPStatus.FORBIDDEN)
            assert path.endswith("events?fieldSelector=involvedObject.name%3Dapp-2")
            return {"items": self.events}
        assert path in {f"/api/v1/namespaces/{name}/pods" for name in ("voting", "voting-b")}
        return {"items": self.pods if path.split("/")[4] == self.stopping_in else []}

    def namespaces(self, *_: object) -> list[str]:
        if self.refused:
            raise ApiException(status=HTTPStatus.FORBIDDEN)
        return ["voting", "voting-b"]

    def look(self, after: float, *pods: PodState) -> None:
        self.time += after
        self.scheduling.look(pods)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    watched = Watched()
    monkeypatch.setattr(module, "get", watched.get)
    monkeypatch.setattr(module, "namespaces_of", watched.namespaces)
    return watched


@pytest.mark.parametrize("refused", [False, True])
def test_no_room_ends_the_wait_with_what_the_scheduler_says(
    watched: Watched, refused: bool
) -> None:
    watched.refused = refused
    watched.look(0, RUNS, WAITS)
    watched.look(PATIENCE / 2, RUNS, WAITS)
    with pytest.raises(EnvironmentBroken, match="no room for pod app-2 in voting: 0/1 nodes"):
        watched.look(PATIENCE / 2, RUNS, WAITS)


def test_a_pod_that_had_a_node_meanwhile_begins_anew(watched: Watched) -> None:
    watched.look(0, WAITS)
    watched.look(PATIENCE / 2, replace(WAITS, unscheduled=""))
    watched.look(PATIENCE / 2, WAITS)
    assert watched.told == []


@pytest.mark.parametrize("namespace", ["voting", "voting-b"])
def test_room_that_comes_is_waited_for_and_that_is_told_once(
    watched: Watched, namespace: str
) -> None:
    watched.stopping_in = namespace
    leaving = {"name": "old", "deletionTimestamp": "2026-11-25T16:43:09Z"}
    watched.pods = [{"metadata": leaving, "spec": {"containers": []}}]
    for after in (0, PATIENCE, PATIENCE):
        watched.look(after, WAITS)
    assert watched.told == [f"pod app-2 in voting has no node yet: {FULL}"]
    watched.pods = []
    with pytest.raises(EnvironmentBroken):
        watched.look(0, WAITS)


def test_a_node_that_comes_is_waited_for(watched: Watched) -> None:
    watched.events = [{"reason": NODE_COMES}]
    watched.look(0, WAITS)
    watched.look(2 * PATIENCE, WAITS)
    assert watched.told == [f"pod app-2 in voting has no node yet: {FULL}"]


def test_what_is_no_lack_of_room_is_told_and_the_deadline_judges(watched: Watched) -> None:
    unbound = replace(WAITS, unscheduled=UNBOUND)
    watched.look(0, unbound)
    watched.look(PATIENCE, unbound)
    assert watched.told == [f"pod app-2 in voting has no node yet: {UNBOUND}"]
