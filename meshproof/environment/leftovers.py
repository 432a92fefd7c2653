"""What runs that were killed left on a cluster."""

from __future__ import annotations

import json

from meshproof.cluster.cluster import MENDING, RUN, TUTORIAL, Cluster
from meshproof.cluster.lease import ANY_HOST, drop, holder_of, of_namespace
from meshproof.cluster.objects import delete, patch
from meshproof.errors import EnvironmentBroken
from meshproof.probes.api_resources import Item, list_objects
from meshproof.probes.scratch_namespace import delete_namespaces
from meshproof.progress import Progress
from meshproof.suite.breakages import unmarking


def clean_up(cluster: Cluster, namespace: str, progress: Progress) -> list[str]:
    """Take away what runs in a namespace left, and say what that was.

    That are the namespaces of a tutorial, what carries its runs' ids elsewhere, changes to what was
    there, and the Leases of runs that are gone. Raises ``EnvironmentBroken`` where a run that lives
    follows it.
    """
    lease = of_namespace(namespace)
    holder = holder_of(cluster, lease)
    if holder and holder.alive:
        raise EnvironmentBroken(
            f"A run follows the tutorial in namespace {namespace} ({holder}): wait until it ends; "
            "one that was killed holds it for a minute."
        )
    names = delete_namespaces(cluster, namespace, progress=progress)
    # Whoever may not list a kind has made nothing of it.
    _, listed = list_objects(cluster, allowed=True)
    found = sorted(outside(listed, namespace))
    for item in found:
        if item.mending:
            mend(cluster, item)
        else:
            delete(cluster, item.path)
    for name in (lease, ANY_HOST):
        held = holder_of(cluster, name)
        if held and not held.alive:
            drop(cluster, name)
    return [*names, *(f"changes to {item}" if item.mending else str(item) for item in found)]


def outside(listed: list[Item], namespace: str) -> list[Item]:
    """Return what runs in a namespace made, or changed, elsewhere than in their namespaces."""
    return [
        item
        for item in listed
        if item.tutorial == namespace and item.kind != "Namespace" and (item.owned or item.mending)
    ]


def mend(cluster: Cluster, item: Item) -> None:
    """Put back what a breakage changed in an object. Raises ``ApiException``."""
    patch(cluster, item.path, [*json.loads(item.mending), *unmarking((MENDING, RUN, TUTORIAL))])
