"""What runs that were killed left on a cluster."""

from __future__ import annotations

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.lease import ANY_HOST, drop, holder_of, of_namespace
from meshproof.errors import EnvironmentBroken
from meshproof.probes.aside import delete_namespaces
from meshproof.progress import Progress


def clean_up(cluster: Cluster, namespace: str, progress: Progress) -> list[str]:
    """Delete the namespaces of a tutorial, and the Leases of runs that are gone; returns the first.

    Raises ``EnvironmentBroken`` where a run that lives follows it.
    """
    lease = of_namespace(namespace)
    holder = holder_of(cluster, lease)
    if holder and holder.alive:
        raise EnvironmentBroken(
            f"A run follows the tutorial in namespace {namespace} ({holder}): wait until it ends; "
            "one that was killed holds it for a minute."
        )
    names = delete_namespaces(cluster, namespace, progress)
    for name in (lease, ANY_HOST):
        held = holder_of(cluster, name)
        if held and not held.alive:
            drop(cluster, name)
    return names
