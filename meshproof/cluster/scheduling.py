"""Pods that the scheduler finds no node for: said while they are waited for, and when to give up.

The scheduler tries again for as long as a pod is there, so that nothing of it ever ends in an
error. Where no node has room, and nothing is on its way that would change that, waiting on is of
no use, and who waits is told why at once and not after the deadline.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from kubernetes.client.exceptions import ApiException

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.objects import get, namespaces_of
from meshproof.cluster.pods import PodState, no_room, pod_state

#: Seconds for which a pod may have no node before that is told: it is to be known within ten, and
#: a pod is often without one for the second in which another ends. Not longer on slower ground.
PATIENCE = 6.0
#: What the cluster's autoscaler says of a pod that it adds a node for.
NODE_COMES = "TriggeredScaleUp"


def without_node(
    since: Mapping[str, float], pods: Iterable[PodState], now: float
) -> dict[str, float]:
    """Return since when each pod is known to have no node, by name; ``since`` is of before."""
    return {
        pod.name: since.get(pod.name, now) for pod in pods if pod.unscheduled and not pod.stopping
    }


def long_without_node(
    pods: Iterable[PodState], since: Mapping[str, float], now: float
) -> list[PodState]:
    """Return the pods that have had no node for so long that it is told."""
    return [pod for pod in pods if now - since.get(pod.name, now) >= PATIENCE]


def node_comes(events: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a pod's events say that a node is added for it."""
    return any(event.get("reason") == NODE_COMES for event in events)


class Scheduling:
    """Watches the pods of a namespace that are waited for, look by look."""

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        tell: Callable[[str], None] = lambda _: None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """``tell`` gets a sentence for each pod that is waited for though it has no node."""
        self.cluster, self.namespace = cluster, namespace
        self._tell, self._now = tell, now
        self._since: dict[str, float] = {}
        self._told: set[str] = set()

    def look(self, pods: Sequence[PodState]) -> None:
        """Take note of the pods as they are now.

        Raises ``EnvironmentBroken`` for one that no node has room for, unless that may change: a
        node is being added, or pods that stop will leave room.
        """
        now = self._now()
        self._since = without_node(self._since, pods, now)
        for pod in long_without_node(pods, self._since, now):
            full = no_room([pod], self.namespace)
            if full and not self._node_comes(pod) and not self._room_comes():
                raise full
            if pod.name not in self._told:
                self._told.add(pod.name)
                self._tell(f"pod {pod.name} in {self.namespace} has no node yet: {pod.unscheduled}")

    def _node_comes(self, pod: PodState) -> bool:
        path = f"/api/v1/namespaces/{self.namespace}/events"
        with suppress(ApiException):  # who may not see events is not told of a node that comes
            of_pod = f"{path}?fieldSelector=involvedObject.name%3D{pod.name}"
            return node_comes(get(self.cluster, of_pod)["items"])
        return False

    def _room_comes(self) -> bool:
        """Whether pods stop in the namespaces of the same run, which others of it made room of."""
        owner, own = self.cluster.owner, {self.namespace}
        with suppress(ApiException):  # who may not see all namespaces has this one
            for tutorial in owner.tutorials if owner else ():
                own.update(namespaces_of(self.cluster, tutorial))
        return any(
            pod_state(item).stopping
            for namespace in sorted(own)
            for item in get(self.cluster, f"/api/v1/namespaces/{namespace}/pods")["items"]
        )
