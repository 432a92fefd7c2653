"""The mark in a cluster that was made here, and what is noted on it."""

from __future__ import annotations

from datetime import UTC, datetime

from kubernetes.client.exceptions import ApiException

from meshproof.cluster.cluster import OWNED, Cluster
from meshproof.cluster.health import TIME

#: The ConfigMap that is the mark, in kube-system.
MARKER = "meshproof"
#: Where the mark says since when the nodes have the images that they have.
IMAGES_SINCE = "images-since"


def mark(cluster: Cluster) -> None:
    """Leave the mark by which the cluster is known as Meshproof's own."""
    body = {"metadata": {"name": MARKER, "labels": OWNED}, "data": {"made-by": "meshproof up"}}
    try:
        cluster.core.create_namespaced_config_map("kube-system", body)
    except ApiException as error:
        if error.status != 409:
            raise


def require_mark(cluster: Cluster) -> None:
    """Look for the mark once, for 5 seconds. Raises ``ApiException`` where it is not there."""
    cluster.core.read_namespaced_config_map(MARKER, "kube-system", _request_timeout=5)


def note_images(cluster: Cluster) -> None:
    """Note on the mark that nodes get other images from now on."""
    mark(cluster)
    now = datetime.now(UTC).strftime(f"{TIME}Z")
    body = {"data": {IMAGES_SINCE: now}}
    cluster.core.patch_namespaced_config_map(MARKER, "kube-system", body)


def images_since(cluster: Cluster) -> str:
    """Since when the nodes have their images, in UTC and ISO 8601; empty where never replaced."""
    mark(cluster)
    found = cluster.core.read_namespaced_config_map(MARKER, "kube-system")
    return str((found.data or {}).get(IMAGES_SINCE, ""))
