"""Every object of a cluster, as its API server lists them, and the folders of its volumes (A3).

Of a cluster that is not the suite's own only what can be attributed to the run is counted: others
come and go there.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kubernetes.client.exceptions import ApiException

from meshproof.cluster.cluster import MENDING, OWNER, OWNER_LABEL, RUN, TUTORIAL, Cluster
from meshproof.cluster.objects import get, namespaces_of, owned, tutorial_of
from meshproof.engine.engine import Engine
from meshproof.errors import EnvironmentBroken
from meshproof.waiting import VOLUMES_GONE, converge

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
#: What Kubernetes keeps of a Service's address, outside of its namespace.
ADDRESS, ADDRESSES = "IPAddress.networking.k8s.io", "/apis/networking.k8s.io/v1/ipaddresses"
FORBIDDEN, MISSING = 403, 404
#: The ConfigMap by which the local-path provisioner knows where volumes are on the nodes.
PROVISIONER = "/api/v1/namespaces/local-path-storage/configmaps/local-path-config"
#: Prints the names in each folder that is there.
LIST = 'for folder; do test ! -d "$folder" || find "$folder" -mindepth 1 -maxdepth 1; done'
#: Prints those folders that are there.
STAYED = 'for folder; do test ! -d "$folder" || echo "$folder"; done'

#: What an inventory counts, as the beginning of a sentence.
WHOLE = "The whole cluster"
ATTRIBUTABLE = (
    "What is attributable to this run (its namespaces with all in them, objects anywhere with its "
    "id, and the volumes of its claims, {folders} their folders)"
)
WITHOUT = "but, as no engine here holds the nodes, not"


@dataclass(frozen=True, order=True)
class Item:
    """One object: of which kind, where (empty: of the cluster), its name, and which one it is.

    ``path`` is where the API server keeps it; ``owned`` says that it carries the harness's label,
    ``run`` is the run whose id it carries, if any, ``tutorial`` the namespace that this one
    followed the tutorial in, and ``mending`` the JSON Patch that puts back what it changed. None
    of these makes it another one.
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


@dataclass(frozen=True)
class Inventory:
    """What a cluster holds: its objects, of how many kinds, and its volumes' folders.

    A folder is given as its node and its path. ``scope`` says what is counted, as the beginning of
    a sentence.
    """

    items: frozenset[Item]
    kinds: int
    folders: frozenset[tuple[str, str]]
    scope: str = WHOLE

    def __str__(self) -> str:
        """Return the numbers."""
        objects = f"{len(self.items)} objects of {self.kinds} kinds"
        return f"{objects}, {len(self.folders)} folders of volumes"

    def table(self) -> str:
        """Return everything, one in a line."""
        lines = [f"{item}, {item.uid}" for item in sorted(self.items)]
        lines += [f"folder {path} on {node}" for node, path in sorted(self.folders)]
        return "\n".join(lines) + "\n"


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
            )
        )
    return found


def take(
    cluster: Cluster,
    engine: Engine | None,
    *,
    whole: bool = True,
    seen: Mapping[str, str] | None = None,
) -> Inventory:
    """Look at everything that a cluster holds, but for what other runs made.

    Unless ``whole``, at what is attributable to this run alone; ``seen`` are volumes that its
    claims had, by name, with their paths. Raises ``EnvironmentBroken`` where the whole is looked
    at and the nodes are no containers of an engine: their folders cannot be looked at then. Raises
    ``ApiException``.
    """
    kinds, listed = list_objects(cluster)
    if whole:
        others = of_others(cluster)
        return Inventory(
            frozenset(item for item in listed if not others.made(item)),
            kinds,
            frozenset(one for one in folders(cluster, engine) if one[1] not in others.folders),
        )
    own = of_this_run(cluster, seen or {})
    nodes = nodes_of(cluster)
    holder = engine if engine and engine.has_containers(nodes) else None
    return Inventory(
        frozenset(item for item in listed if own.made(item)),
        kinds,
        in_nodes(holder, nodes, STAYED, sorted(own.folders)) if holder else frozenset(),
        ATTRIBUTABLE.format(folders="with" if holder else WITHOUT),
    )


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


@dataclass(frozen=True)
class Own:
    """What this ``run`` made: its ``namespaces``, and their ``volumes`` with their folders."""

    run: str
    namespaces: frozenset[str]
    volumes: frozenset[str]
    folders: frozenset[str]

    def made(self, item: Item) -> bool:
        """Whether an object can be attributed to the run."""
        if item.kind == "Namespace":
            return item.name in self.namespaces
        if item.kind == "PersistentVolume":
            return item.name in self.volumes
        return item.namespace in self.namespaces or (item.owned and item.run == self.run)


def of_this_run(cluster: Cluster, seen: Mapping[str, str]) -> Own:
    """Look at what this run made; ``seen`` are volumes that its claims had, with their paths.

    Raises ``EnvironmentBroken`` where the cluster is used by no run.
    """
    if cluster.owner is None:
        raise EnvironmentBroken("Nothing can be attributed to a run where there is none.")
    mine = cluster.owner.tutorials
    places = volumes(cluster, *mine) | dict(seen)
    return Own(
        cluster.owner.run,
        frozenset(name for one in mine for name in namespaces_of(cluster, one)),
        frozenset(places),
        frozenset(filter(None, places.values())),
    )


@dataclass(frozen=True)
class Others:
    """What other runs made: their ``namespaces``, the volumes of these with their folders.

    ``addresses`` are those of their Services, which Kubernetes keeps as objects of no namespace.
    ``run`` is this run's id, empty where there is none.
    """

    run: str = ""
    namespaces: frozenset[str] = frozenset()
    volumes: frozenset[str] = frozenset()
    folders: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()

    def made(self, item: Item) -> bool:
        """Whether an object is another run's."""
        if item.kind == "Namespace":
            return item.name in self.namespaces
        if item.kind == "PersistentVolume":
            return item.name in self.volumes
        if item.kind == ADDRESS:
            return item.name in self.addresses
        theirs = bool(self.run and item.run and item.run != self.run)
        return theirs or item.namespace in self.namespaces


def of_others(cluster: Cluster) -> Others:
    """Look at what other runs made; nothing is where the cluster is nobody's in particular."""
    if cluster.owner is None:
        return Others()
    mine = cluster.owner.tutorials
    whose = tutorials_of_namespaces(cluster)
    foreign = {name: of for name, of in whose.items() if of not in mine}
    places: dict[str, str] = {}
    for tutorial in sorted({*foreign.values()}):
        places |= volumes(cluster, tutorial)
    for name in volumes(cluster, *mine):
        places.pop(name, None)
    return Others(
        cluster.owner.run,
        frozenset(foreign),
        frozenset(places),
        frozenset(places.values()),
        frozenset(addresses(cluster, foreign)) if foreign else frozenset(),
    )


def addresses(cluster: Cluster, namespaces: Collection[str]) -> list[str]:
    """Name the IPAddresses of the Services in namespaces; none where Kubernetes has no such kind.

    It has since 1.33.
    """
    try:
        listed = get(cluster, ADDRESSES)["items"]
    except ApiException as error:
        if error.status != MISSING:
            raise
        return []
    return [
        item["metadata"]["name"]
        for item in listed
        if item["spec"].get("parentRef", {}).get("namespace") in namespaces
    ]


def folders(cluster: Cluster, engine: Engine | None) -> frozenset[tuple[str, str]]:
    """Return the folders that the local-path provisioner keeps for volumes, by node and path.

    Raises ``EnvironmentBroken`` where the nodes are no containers of an engine.
    """
    if engine is None:
        raise EnvironmentBroken(
            "Volumes' folders are looked at in the nodes' containers, and no container engine "
            "answers here."
        )
    places = provisioned(get(cluster, PROVISIONER)["data"]["config.json"])
    return in_nodes(engine, nodes_of(cluster), LIST, places)


def nodes_of(cluster: Cluster) -> list[str]:
    """Name the nodes."""
    return [item["metadata"]["name"] for item in get(cluster, "/api/v1/nodes")["items"]]


def in_nodes(
    engine: Engine, nodes: Iterable[str], script: str, places: Iterable[str]
) -> frozenset[tuple[str, str]]:
    """Have a script print paths in each node, told of these places; by node and path."""
    return frozenset(
        (node, path)
        for node in nodes
        for path in engine.run("exec", node, "sh", "-c", script, "sh", *places).stdout.splitlines()
    )


def volumes(cluster: Cluster, *names: str, going: bool = False) -> dict[str, str]:
    """Return where the PersistentVolumes of tutorials' claims are on their nodes, by name.

    A volume outlives its claim's namespace, which says whose it was: without it, its name does.
    ``going`` leaves out those that are kept without their claims.
    """
    tutorials = tutorials_of_namespaces(cluster)

    def belongs(namespace: str) -> bool:
        whose = tutorials.get(namespace)
        begins = any(f"{namespace}-".startswith(f"{name}-") for name in names)
        return whose in names or (whose is None and begins)

    return {
        volume["metadata"]["name"]: path_on_node(volume["spec"])
        for volume in get(cluster, "/api/v1/persistentvolumes")["items"]
        if belongs(volume["spec"].get("claimRef", {}).get("namespace", ""))
        and not (going and volume["spec"].get("persistentVolumeReclaimPolicy") == "Retain")
    }


def tutorials_of_namespaces(cluster: Cluster) -> dict[str, str]:
    """Return for each of the harness's namespaces the tutorial that it was made for."""
    listed = get(cluster, "/api/v1/namespaces")["items"]
    return {item["metadata"]["name"]: tutorial_of(item) for item in listed if owned(item)}


def path_on_node(spec: Mapping[str, Any]) -> str:
    """Return where a PersistentVolume is on its node, empty where it is elsewhere."""
    return str((spec.get("hostPath") or spec.get("local") or {}).get("path", ""))


def take_at_rest(
    cluster: Cluster, engine: Engine | None, *names: str, whole: bool = True
) -> Inventory:
    """Look as `take` does once no volume of these tutorials goes, and nothing comes or goes.

    Raises as `take` does, and ``NotConverged``.
    """
    looks: list[Inventory] = []

    def look() -> bool:
        looks.append(take(cluster, engine, whole=whole))
        return not volumes(cluster, *names, going=True) and looks[-2:] == [looks[-1]] * 2

    converge(look, until=bool, what="the cluster is at rest", timeout=VOLUMES_GONE)
    return looks[-1]


def provisioned(config: str) -> list[str]:
    """Return the folders below which the local-path provisioner makes volumes, on any node."""
    entries = json.loads(config)["nodePathMap"]
    return sorted({path for entry in entries for path in entry["paths"]})


def left_behind(before: Inventory, after: Inventory) -> list[str]:
    """Say how a cluster differs from what it was; empty where it is the same.

    An object with another uid is another one: the first is gone, and a second was left behind.
    """
    new = sorted(after.items - before.items)
    gone = sorted(before.items - after.items)
    lines = [f"left behind: {item}" for item in new] + [f"gone: {item}" for item in gone]
    lines += [f"left behind: {p} on {n}" for n, p in sorted(after.folders - before.folders)]
    return lines + [f"gone: {p} on {n}" for n, p in sorted(before.folders - after.folders)]
