"""Every object of a cluster, of all kinds that its API server lists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kubernetes.client.exceptions import ApiException

from meshproof.cluster.cluster import MENDING, OWNER, OWNER_LABEL, RUN, TUTORIAL, Cluster
from meshproof.cluster.objects import get

#: What the API server answers to, all kinds at once: kinds of the core, and of every group.
DISCOVERY = ("/api", "/apis")
DISCOVERED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
#: Lists without what is stated in each object; a kind that is served by others may not have it.
METADATA = "application/json;g=meta.k8s.io;v=v1;as=PartialObjectMetadataList,application/json"
#: What is not compared, by group and resource: controllers keep it for themselves, and make
#: it, renew it and take it away whether anybody follows a tutorial or not.
LEFT_OUT = {
    ("", "events"): "what happened, for an hour",
    ("events.k8s.io", "events"): "what happened, for an hour",
    ("coordination.k8s.io", "leases"): "who leads and which node lives, renewed every few seconds",
    ("certificates.k8s.io", "certificatesigningrequests"): "of the nodes' start, for an hour",
    ("", "componentstatuses"): "no objects: made up for each answer",
}
FORBIDDEN = 403


@dataclass(frozen=True, order=True)
class Item:
    """One object: of which kind, where (empty: of the cluster), its name, and which one it is.

    ``path`` is where the API server keeps it; ``owned`` says that it carries the harness's label,
    ``run`` is the run whose id it carries, if any, ``tutorial`` the namespace that this one
    followed the tutorial in, ``mending`` the JSON Patch that puts back what it changed, and
    ``going`` says that it is being deleted, or will be with what owns it. None of these makes it
    another one.
    """

    kind: str
    namespace: str
    name: str
    uid: str
    path: str = field(compare=False)
    owned: bool = field(compare=False)
    run: str = field(compare=False, default="")
    tutorial: str = field(compare=False, default="")
    mending: str = field(compare=False, default="")
    going: bool = field(compare=False, default=False)

    def __str__(self) -> str:
        """Return its kind, name and place."""
        return f"{self.kind} {self.name}" + (f" in {self.namespace}" if self.namespace else "")


@dataclass(frozen=True)
class Resource:
    """A kind that can be listed: its name with its group, where all of it is, and how it is kept.

    ``path`` is that of the version; ``plural`` the kind's name in paths.
    """

    kind: str
    path: str
    plural: str


def resources(groups: Iterable[Mapping[str, Any]]) -> list[Resource]:
    """Return every kind that can be listed, once, by the version that the API server prefers.

    ``groups`` are those of an ``APIGroupDiscoveryList``. What is in `LEFT_OUT` is left out.
    """
    found: dict[tuple[str, str], Resource] = {}
    for group in groups:
        name = group["metadata"].get("name", "")
        for version in group["versions"]:
            path = f"/apis/{name}/{version['version']}" if name else f"/api/{version['version']}"
            for resource in version.get("resources", []):
                key = name, resource["resource"]
                if "list" in resource["verbs"] and key not in LEFT_OUT:
                    kind = ".".join(filter(None, (resource["responseKind"]["kind"], name)))
                    found.setdefault(key, Resource(kind, path, resource["resource"]))
    return list(found.values())


def items(resource: Resource, listed: Mapping[str, Any]) -> list[Item]:
    """Return the objects of a kind from its list, whose items are null where there are none."""
    found = []
    for metadata in (entry["metadata"] for entry in listed["items"] or []):
        namespace = metadata.get("namespace", "")
        where = f"{resource.path}/namespaces/{namespace}" if namespace else resource.path
        annotations = metadata.get("annotations") or {}
        found.append(
            Item(
                kind=resource.kind,
                namespace=namespace,
                name=metadata["name"],
                uid=metadata.get("uid", ""),
                path=f"{where}/{resource.plural}/{metadata['name']}",
                owned=(metadata.get("labels") or {}).get(OWNER_LABEL) == OWNER,
                run=annotations.get(RUN, ""),
                tutorial=annotations.get(TUTORIAL, ""),
                mending=annotations.get(MENDING, ""),
                going="deletionTimestamp" in metadata or bool(metadata.get("ownerReferences")),
            )
        )
    return found


def list_objects(cluster: Cluster, *, allowed: bool = False) -> tuple[int, list[Item]]:
    """List all objects of all kinds, and say how many kinds there are.

    With ``allowed``, of kinds alone that this user may list. Raises ``ApiException``.
    """
    groups = [
        group for path in DISCOVERY for group in get(cluster, path, accept=DISCOVERED)["items"]
    ]
    kinds = resources(groups)
    lists = {kind: _list(cluster, kind, allowed=allowed) for kind in kinds}
    seen = {kind: found for kind, found in lists.items() if found is not None}
    return len(seen), [item for kind, found in seen.items() for item in items(kind, found)]


def _list(cluster: Cluster, kind: Resource, *, allowed: bool) -> Mapping[str, Any] | None:
    """List a kind; None where only what is allowed is asked for, and this is not."""
    try:
        return get(cluster, f"{kind.path}/{kind.plural}", accept=METADATA)
    except ApiException as error:
        if not allowed or error.status != FORBIDDEN:
            raise
        return None
