"""Whose an object is: this run's, another's, or nobody's that runs the suite."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from kubernetes.client.exceptions import ApiException

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.objects import get, namespaces_of, tutorials_of_namespaces
from meshproof.errors import EnvironmentBroken
from meshproof.probes.api_resources import Item
from meshproof.probes.volumes import volumes

#: What outlives its claim's namespace, until its provisioner takes it away.
VOLUME = "PersistentVolume"
#: What Kubernetes keeps of a Service's address, outside of its namespace.
ADDRESS, ADDRESSES = "IPAddress.networking.k8s.io", "/apis/networking.k8s.io/v1/ipaddresses"
MISSING = 404


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
        if item.kind == VOLUME:
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
        if item.kind == VOLUME:
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
