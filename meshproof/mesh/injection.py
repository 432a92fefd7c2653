"""Whether Istio injects a proxy into pods of a namespace, asked without making one."""

from __future__ import annotations

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.pods import PROXY
from meshproof.documents import read
from meshproof.paths import DATA
from meshproof.waiting import LABEL_IN_FORCE, converge

POD = DATA / "manifests" / "probes" / "probe-pod.yaml"


def injected_containers(cluster: Cluster, namespace: str) -> list[str]:
    """Name the containers that a pod made now would get, by a dry run of the API server."""
    manifest = cluster.applied(read(POD.read_text()))
    manifest["metadata"]["name"] = "dry-run"
    pod = cluster.core.create_namespaced_pod(namespace, manifest, dry_run="All")
    return [c.name for c in [*pod.spec.containers, *(pod.spec.init_containers or [])]]


def await_injection(cluster: Cluster, namespace: str) -> None:
    """Wait until the namespace's label is in force where pods are admitted.

    The API server admits pods by a copy of the namespaces that follows a label a
    moment later: a pod made at once after it may still get no proxy. Raises
    ``NotKept`` where none would get one (D1).
    """
    converge(
        lambda: injected_containers(cluster, namespace),
        until=lambda names: PROXY in names,
        what=f"a pod made in namespace {namespace} would get a proxy",
        timeout=LABEL_IN_FORCE,
        successes=3,
        promised=True,
    )
