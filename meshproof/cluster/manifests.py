"""A published manifest as it is applied on a cluster: the only place that says what is different.

Whatever the suites apply goes through here: stages of a tutorial, pods of probes, and what is tried
beforehand by a dry run.
"""

from __future__ import annotations

from typing import Any

from meshproof.cluster.images import Images
from meshproof.cluster.observability import with_statistics
from meshproof.cluster.shape import DEFAULT, MeshShape


def as_applied(
    document: dict[str, Any], mesh: MeshShape = DEFAULT, images: Images | None = None
) -> dict[str, Any]:
    """Return a manifest as it is applied; one that nothing is different in is the same object.

    It is adapted to the shape of the mesh, has the names that images have in a registry, where
    there are ``images`` of one, and its pods have their proxies keep the statistics that are read.
    """
    adapted = mesh.adapted(document)
    named: dict[str, Any] = images.exchanged(adapted) if images else adapted
    return with_statistics(named)
