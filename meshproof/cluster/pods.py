"""Pods as `kubectl get pods` shows them, and whether they are all there and ready."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from meshproof.errors import EnvironmentBroken

#: The container that Istio injects.
PROXY = "istio-proxy"
#: What the scheduler says where the cluster has no room; a claim, say, is the manifests' affair.
NO_ROOM = re.compile(r"Insufficient |Too many pods|untolerated taint|nodes available\b")


#: What a node says of a container whose image it does not get. It goes on trying, each time later.
NOT_PULLED = {
    "ErrImagePull",
    "ErrImageNeverPull",
    "ImageInspectError",
    "ImagePullBackOff",
    "InvalidImageName",
    "RegistryUnavailable",
}


@dataclass(frozen=True)
class PodState:
    """One pod: ``ready`` of ``containers`` are, native sidecars counted, as in the READY column.

    ``unscheduled`` is what the scheduler says where it finds no node for it, empty otherwise;
    ``not_pulled`` what its node says where it does not get an image.
    """

    name: str
    app: str
    version: str
    phase: str
    ready: int
    containers: int
    restarts: int
    proxied: bool
    stopping: bool
    unscheduled: str = ""
    not_pulled: str = ""

    @property
    def workload(self) -> str:
        """Its workload's name: the app and, where it has one, the version."""
        return f"{self.app} {self.version}".strip()

    @property
    def no_room(self) -> str:
        """What the scheduler says where no node has room for it, empty otherwise."""
        return self.unscheduled if NO_ROOM.search(self.unscheduled) else ""

    @property
    def settled(self) -> bool:
        """Whether it runs, whole, and is not on its way out."""
        return self.phase == "Running" and self.ready == self.containers and not self.stopping

    def __str__(self) -> str:
        """Return one line as in the table of `kubectl get pods`."""
        phase = "Terminating" if self.stopping else self.phase
        return f"{self.name} {self.ready}/{self.containers} {phase} {self.restarts}"


def pod_state(pod: Mapping[str, Any]) -> PodState:
    """Read one pod as the API server has it."""
    spec, status, metadata = pod["spec"], pod.get("status", {}), pod["metadata"]
    sidecars = {
        c["name"] for c in spec.get("initContainers", []) if c.get("restartPolicy") == "Always"
    }
    names = {c["name"] for c in spec["containers"]} | sidecars
    states = [
        s
        for s in [*status.get("containerStatuses", []), *status.get("initContainerStatuses", [])]
        if s["name"] in names
    ]
    labels = metadata.get("labels", {})
    return PodState(
        name=metadata["name"],
        app=labels.get("app", ""),
        version=labels.get("version", ""),
        phase=status.get("phase", "Unknown"),
        ready=sum(1 for s in states if s["ready"]),
        containers=len(names),
        restarts=sum(s["restartCount"] for s in states),
        proxied=PROXY in names,
        stopping="deletionTimestamp" in metadata,
        unscheduled=_unscheduled(status),
        not_pulled=_not_pulled(status),
    )


def _unscheduled(status: Mapping[str, Any]) -> str:
    for condition in status.get("conditions", []):
        if condition.get("reason") == "Unschedulable":
            return " ".join(str(condition.get("message", "")).split())
    return ""


def _not_pulled(status: Mapping[str, Any]) -> str:
    containers = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    for container in containers:
        waiting = container.get("state", {}).get("waiting") or {}
        if waiting.get("reason") in NOT_PULLED:
            message = " ".join(str(waiting.get("message", "")).split())
            image = str(container.get("image", ""))
            which = "" if image in message else f"{image}: "
            return f"{waiting['reason']}: {which}{message}".rstrip(": ")
    return ""


def refuse_hopeless(pods: Sequence[PodState], namespace: str) -> None:
    """Raise ``EnvironmentBroken`` for a pod that does not come as its node gets no image for it.

    It is said at once: the node tries again, but seldom, and says the same.
    """
    for pod in pods:
        if pod.not_pulled and not pod.stopping:
            raise EnvironmentBroken(
                f"The cluster does not get an image for pod {pod.name} in {namespace}: "
                f"{pod.not_pulled.rstrip('.')}. Put the images where it can pull them (`meshproof "
                "images push REGISTRY`, --registry and --pull-secret), or into its nodes."
            )


def no_room(pods: Sequence[PodState], namespace: str) -> EnvironmentBroken | None:
    """Say that no node has room for one of these pods; None where the scheduler does not."""
    for pod in pods:
        if pod.no_room:
            return EnvironmentBroken(
                f"The cluster has no room for pod {pod.name} in {namespace}: "
                f"{pod.no_room} Give it more, or take away what else runs there."
            )
    return None


def unsettled(pods: Sequence[PodState], deployments: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say what is missing until exactly the pods of these Deployments run; empty where they do.

    Their controller counts them too: from then on it writes nothing more about them.
    """
    found = [_missing(pod) for pod in pods if not pod.settled]
    selected = [d["spec"]["selector"]["matchLabels"] for d in deployments]
    known = {(labels["app"], labels["version"]) for labels in selected}
    found += [f"{pod}: of no Deployment" for pod in pods if (pod.app, pod.version) not in known]
    for deployment in deployments:
        wanted = deployment["spec"].get("replicas", 1)
        labels = deployment["spec"]["selector"]["matchLabels"]
        have = [p for p in pods if p.app == labels["app"] and p.version == labels["version"]]
        if len(have) != wanted:
            found.append(f"{deployment['metadata']['name']}: {len(have)} of {wanted} pods")
        status = deployment.get("status", {})
        if status.get("observedGeneration", 0) < deployment["metadata"].get("generation", 1):
            found.append(f"{deployment['metadata']['name']}: not yet seen by its controller")
        counted, leaving = status.get("availableReplicas", 0), status.get("terminatingReplicas", 0)
        if (counted, leaving) != (wanted, 0):
            found.append(
                f"{deployment['metadata']['name']}: its controller counts {counted} of {wanted} "
                f"pods, and {leaving} that stop"
            )
    return found


def _missing(pod: PodState) -> str:
    return f"{pod}, on no node: {pod.unscheduled}" if pod.unscheduled else str(pod)


def older_than(pods: Sequence[Mapping[str, Any]], booted: str) -> list[str]:
    """Name the pods that were made before their node was last started (UTC, ISO 8601).

    What restarted in them then is the engine's doing and not theirs (D3). Times are
    compared to the second, as text.
    """
    second = len("2026-01-01T00:00:00")
    return [
        pod["metadata"]["name"]
        for pod in pods
        if pod["metadata"]["creationTimestamp"][:second] < booted[:second]
    ]


def pods_table(printed: str) -> list[str]:
    """Read the table of `kubectl get pods`: each pod's name, READY, STATUS and restarts."""
    return [" ".join(line.split()[:4]) for line in printed.splitlines()[1:] if line.strip()]


def container_names(description: str) -> list[str]:
    """Read the containers, and init containers, out of `kubectl describe pod`."""
    names, inside = [], False
    for line in description.splitlines():
        if line and not line.startswith(" "):
            inside = line in ("Containers:", "Init Containers:")
        elif inside and line.startswith("  ") and line[2:3] != " " and line.endswith(":"):
            names.append(line.strip().rstrip(":"))
    return names
