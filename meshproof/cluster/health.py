"""Whether what runs on a cluster is well: pods that are ready, and workloads that are not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from meshproof.cluster.cluster import Cluster

#: How times are compared and written, to the second.
TIME = "%Y-%m-%dT%H:%M:%S"


def started_before(pods: Sequence[Any], booted: str) -> list[str]:
    """Name the containers that are said to run since before their node was started.

    After a node's restart the API server goes on saying of every pod what was so
    before it, ready ones among them, until the kubelet has looked at each. Times are
    compared to the second, as text.
    """
    second = booted[: len("2026-01-01T00:00:00")]
    return [
        f"{pod.metadata.namespace}/{pod.metadata.name}/{status.name}"
        for pod in pods
        for status in [
            *(pod.status.container_statuses or []),
            *(pod.status.init_container_statuses or []),
        ]
        if status.state.running and status.state.running.started_at.strftime(TIME) < second
    ]


def pod_ready(pod: Any) -> bool:
    """Whether a pod is ready, or has nothing left to do."""
    status = pod.status
    if status.phase == "Succeeded" or pod.metadata.deletion_timestamp:
        return True
    told = any(c.type == "Ready" and c.status == "True" for c in status.conditions or [])
    return told and all(container.ready for container in status.container_statuses or [])


def unready_workloads(cluster: Cluster, namespaces: Sequence[str]) -> list[str]:
    """Name the Deployments of some namespaces that lack pods, and the pods that are not ready."""
    unready = []
    for namespace in namespaces:
        for item in cluster.apps.list_namespaced_deployment(namespace).items:
            status, wanted = item.status, item.spec.replicas
            current = (status.observed_generation or 0) >= item.metadata.generation
            if (
                not current
                or (status.updated_replicas or 0) < wanted
                or (status.available_replicas or 0) < wanted
            ):
                unready.append(f"{namespace}/{item.metadata.name}")
        # A Deployment's own count lags behind its pods after a node's restart.
        pods = cluster.core.list_namespaced_pod(namespace).items
        unready += [f"{namespace}/{pod.metadata.name}" for pod in pods if not pod_ready(pod)]
    return unready
