"""Places beside the tutorial: a namespace of a scenario's own, and pods that only exist."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from kubernetes import client

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.namespaces import delete_namespace, give_pull_secret
from meshproof.cluster.objects import get, namespaces_of
from meshproof.cluster.pods import PodState, no_room, pod_state, refuse_hopeless
from meshproof.cluster.scheduling import Scheduling
from meshproof.documents import read
from meshproof.errors import EnvironmentBroken
from meshproof.mesh.starved import StarvedProxies
from meshproof.paths import DATA
from meshproof.progress import Progress
from meshproof.waiting import NAMESPACE_GONE, WORKLOADS_READY, NotConverged, converge

BASELINE = DATA / "manifests" / "probes" / "probe-baseline.yaml"
BASELINE_POD = "probe-baseline"


@contextmanager
def namespace_aside(cluster: Cluster, name: str, progress: Progress) -> Iterator[str]:
    """Make a namespace that asks for no injection, and delete it at the end without waiting.

    One that a killed run left behind is deleted first. Raises ``EnvironmentBroken`` where
    there is one that is not Meshproof's.
    """
    delete_namespace(cluster, name, progress)
    cluster.core.create_namespace({"metadata": {"name": name, **cluster.ownership}})
    try:
        give_pull_secret(cluster, name)
        yield name
    finally:
        delete_namespace(cluster, name, progress, wait=False)


def delete_namespaces(cluster: Cluster, *tutorials: str, progress: Progress) -> list[str]:
    """Delete tutorials' namespaces, those of their lanes and beside them too; returns their names.

    Raises as `delete_namespace` does.
    """
    names = [name for one in tutorials for name in namespaces_of(cluster, one)]
    delete_all(cluster, names, progress)
    return names


def delete_all(cluster: Cluster, names: Sequence[str], progress: Progress) -> None:
    """Delete namespaces at the same time, and wait for them. Raises as `delete_namespace` does."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda one: delete_namespace(cluster, one, progress), names))


def delete_pod(cluster: Cluster, namespace: str, name: str) -> None:
    """Delete a pod at once, and wait until it is gone; nothing happens where there is none."""
    path = f"/api/v1/namespaces/{namespace}/pods?fieldSelector=metadata.name%3D{name}"
    if not get(cluster, path)["items"]:
        return
    now = client.V1DeleteOptions(grace_period_seconds=0)
    cluster.core.delete_namespaced_pod(name, namespace, body=now)
    converge(
        lambda: get(cluster, path)["items"],
        until=lambda pods: not pods,
        what=f"pod {name} is gone",
        timeout=NAMESPACE_GONE,
    )


@contextmanager
def baseline(cluster: Cluster, namespace: str) -> Iterator[str]:
    """Have a pod that answers anyone in each protocol of the tutorial; yields its address.

    Raises ``NotConverged``.
    """
    delete_pod(cluster, namespace, BASELINE_POD)  # one that a killed run left behind
    path = f"/api/v1/namespaces/{namespace}/pods/{BASELINE_POD}"
    try:
        make_pod(cluster, namespace, BASELINE, BASELINE_POD)
        yield str(get(cluster, path)["status"]["podIP"])
    finally:
        # To its end: who lists pods next would find it among the tutorial's.
        delete_pod(cluster, namespace, BASELINE_POD)


def make_pod(
    cluster: Cluster, namespace: str, file: Path, name: str, *, app: str | None = None
) -> PodState:
    """Make a pod of a manifest and return its state once it runs.

    ``app`` is its label of that name, instead of what the manifest says. Raises ``NotConverged``,
    and ``EnvironmentBroken`` where the cluster has no room for it or no image, or its proxy no
    inotify.
    """
    manifest = cluster.applied(read(file.read_text()))
    manifest["metadata"]["name"] = name
    if app:
        manifest["metadata"]["labels"]["app"] = app
    cluster.core.create_namespaced_pod(namespace, manifest)
    path = f"/api/v1/namespaces/{namespace}/pods/{name}"
    seen: list[PodState] = []
    scheduling, proxies = Scheduling(cluster, namespace), StarvedProxies(cluster, namespace)

    def look() -> PodState:
        seen[:] = [pod_state(get(cluster, path))]
        refuse_hopeless(seen, namespace)
        scheduling.look(seen)
        proxies.refuse(seen)
        return seen[0]

    try:
        return converge(
            look,
            until=lambda pod: pod.settled,
            what=f"pod {name} runs",
            timeout=WORKLOADS_READY,
        ).value
    except NotConverged as late:
        if full := no_room(seen, namespace):
            raise EnvironmentBroken(full.sentence, str(late)) from late
        raise
