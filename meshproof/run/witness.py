"""The ground that scenarios stand on, watched meanwhile: istiod, the gateway, system pods, nodes.

What strikes it from outside (a pod that is killed or evicted, a node that stops, a machine that
stands still or is crowded) makes promises look broken that are not. Application pods are what is
tested, and no part of the ground.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from kubernetes.client.exceptions import ApiException

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.objects import get

#: Where pods are that scenarios rely on and do not test, beside the mesh's own.
NAMESPACES = ("kube-system", "local-path-storage")
FORBIDDEN = 403
#: Whoever keeps a pod running; one of a Job ends, and one of nobody is made for a moment.
KEEPERS = ("ReplicaSet", "DaemonSet", "StatefulSet", "Node")
#: Seconds between beats, and how late one is where the machine stood still rather than was busy.
BEAT, STILL = 0.5, 10.0
#: Beats over which processes are averaged that run or wait for a processor, and how many of them
#: for each processor are a crowd. Measured on two processors: at most 14.5 in runs that were alone;
#: 25 and more where the app's deadlines (1.5 and 2 s) were missed for want of a processor.
WINDOW, CROWD = 20, 20.0


@dataclass(frozen=True)
class Part:
    """A pod or node: ``ready`` and since when, and how often it was ``restarted``.

    ``uid`` tells it from another one of its name, and ``workload`` says of a pod which others may
    be there in its place.
    """

    uid: str
    ready: bool
    since: str
    restarts: int = 0
    pressure: tuple[str, ...] = ()
    workload: str = ""


#: What there is, by what it is called in a sentence.
Parts = Mapping[str, Part]


def look(cluster: Cluster) -> Parts:
    """See what the ground is made of now: nodes, too, for who may list them.

    Raises ``ApiException``.
    """
    found = {}
    for namespace in (*cluster.mesh.namespaces, *NAMESPACES):
        for pod in get(cluster, f"/api/v1/namespaces/{namespace}/pods")["items"]:
            if _kept(pod):
                found[f"pod {namespace}/{pod['metadata']['name']}"] = _pod(pod)
    try:
        nodes = get(cluster, "/api/v1/nodes")["items"]
    except ApiException as error:
        if error.status != FORBIDDEN:
            raise
        return found  # a run says at its beginning that nodes are not watched
    return {**found, **{f"node {node['metadata']['name']}": _node(node) for node in nodes}}


def strikes(before: Parts, after: Parts) -> list[str]:
    """Say what struck the ground between two looks, a line each; empty where nothing did."""
    found = []
    for name, was in before.items():
        now = after.get(name)
        if now is None:
            found.append(f"{name} is gone")
        elif now.uid != was.uid:
            found.append(f"{name} is another one of that name")
        else:
            found += [f"{name} {what}" for what in _changes(was, now)]
    return found


def still_gone(before: Parts, after: Parts) -> Parts:
    """Return what was there and is gone, with nothing in its place: no pod of its workload."""
    there = {part.workload for part in after.values() if part.workload}
    return {
        name: was for name, was in before.items() if name not in after and was.workload not in there
    }


def _changes(was: Part, now: Part) -> list[str]:
    found = []
    if now.restarts != was.restarts:
        found.append(f"had {was.restarts} restarts before, and has {now.restarts}")
    if not now.ready:
        found.append(f"is not ready since {now.since}")
    elif not was.ready or was.since != now.since:
        found.append(f"was not ready, until {now.since}")
    found += [f"is under {kind}" for kind in now.pressure]
    return found


def _kept(pod: Mapping[str, Any]) -> bool:
    owners = pod["metadata"].get("ownerReferences", ())
    return any(owner["kind"] in KEEPERS for owner in owners)


def _pod(pod: Mapping[str, Any]) -> Part:
    status = pod["status"]
    restarts = sum(each["restartCount"] for each in status.get("containerStatuses", ()))
    ready, since = _condition(status, "Ready")
    return Part(pod["metadata"]["uid"], ready, since, restarts, workload=_workload(pod))


def _workload(pod: Mapping[str, Any]) -> str:
    """Whose pod it is: a Deployment's new pods are another ReplicaSet's, a node's are its own."""
    metadata = pod["metadata"]
    keeper = next(each for each in metadata["ownerReferences"] if each["kind"] in KEEPERS)
    name = metadata["name"] if keeper["kind"] == "Node" else keeper["name"]
    made_by = metadata.get("labels", {}).get("pod-template-hash", "")
    return f"{metadata.get('namespace')}/{name.removesuffix(f'-{made_by}')}"


def _node(node: Mapping[str, Any]) -> Part:
    ready, since = _condition(node["status"], "Ready")
    pressure = tuple(
        each["type"]
        for each in node["status"].get("conditions", ())
        if each["type"].endswith("Pressure") and each["status"] == "True"
    )
    return Part(node["metadata"]["uid"], ready, since, pressure=pressure)


def _condition(status: Mapping[str, Any], kind: str) -> tuple[bool, str]:
    for each in status.get("conditions", ()):
        if each["type"] == kind:
            return each["status"] == "True", each["lastTransitionTime"]
    return False, "its beginning"


def runnable() -> int:
    """How many processes of this machine run or wait for a processor (proc(5), loadavg)."""
    return int(Path("/proc/loadavg").read_text().split()[3].partition("/")[0])


@dataclass
class Heartbeat:
    """Notes when this machine stood still (who sleeps half a second woke late) or was crowded."""

    still: list[float] = field(default_factory=list)
    #: The most processes a processor, on the average of a window that was a crowd.
    crowd: float = 0.0
    _latest: deque[int] = field(default_factory=lambda: deque(maxlen=WINDOW))
    _ended: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Heartbeat:
        """Begin to beat."""
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End it."""
        self._ended.set()
        self._thread.join()

    def take(self) -> list[str]:
        """Say what was noted since the last call, a line each."""
        still, self.still = self.still, []
        crowd, self.crowd = self.crowd, 0.0
        told = [f"this machine stood still for {seconds:.0f} s" for seconds in still]
        if crowd:
            told.append(
                f"this machine was crowded: {crowd:.0f} processes a processor wanted to run, "
                f"over {WINDOW * BEAT:.0f} s"
            )
        return told

    def beat(self, late: float, processes: int) -> None:
        """Note by how many seconds a beat was late, and the processes that wanted to run then."""
        if late > STILL:
            self.still.append(late)
        self._latest.append(processes)
        average = sum(self._latest) / WINDOW / (os.cpu_count() or 1)
        if average > CROWD:
            self.crowd = max(self.crowd, average)

    def _beat(self) -> None:
        before = time.monotonic()
        while not self._ended.wait(BEAT):
            now = time.monotonic()
            self.beat(now - before - BEAT, runnable())
            before = now


class Witness:
    """Watches the ground from one scenario to the next."""

    def __init__(self, cluster: Cluster, heartbeat: Heartbeat) -> None:
        """Begin with what there is now. Raises ``ApiException``."""
        self.cluster = cluster
        self.heartbeat = heartbeat
        self._before = look(cluster)

    def struck(self) -> Sequence[str]:
        """Say what struck the ground since the last call, or the beginning; a line each.

        What is gone is told each time, until something is in its place, and once more then. Where
        the cluster cannot be asked, that is what struck it.
        """
        try:
            now = look(self.cluster)
        except Exception as error:  # whatever keeps the API server from answering
            return [f"the cluster does not answer: {type(error).__name__}: {error}"]
        found = strikes(self._before, now)
        self._before = {**still_gone(self._before, now), **now}
        return [*found, *self.heartbeat.take()]
