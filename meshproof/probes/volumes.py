"""Volumes: whose they are, and their folders on the nodes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.objects import get, tutorials_of_namespaces
from meshproof.engine.engine import Engine
from meshproof.errors import EnvironmentBroken

#: The ConfigMap by which the local-path provisioner knows where volumes are on the nodes.
PROVISIONER = "/api/v1/namespaces/local-path-storage/configmaps/local-path-config"
#: Prints the names in each folder that is there.
LIST = 'for folder; do test ! -d "$folder" || find "$folder" -mindepth 1 -maxdepth 1; done'
#: Prints those folders that are there.
STAYED = 'for folder; do test ! -d "$folder" || echo "$folder"; done'


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


def path_on_node(spec: Mapping[str, Any]) -> str:
    """Return where a PersistentVolume is on its node, empty where it is elsewhere."""
    return str((spec.get("hostPath") or spec.get("local") or {}).get("path", ""))


def provisioned(config: str) -> list[str]:
    """Return the folders below which the local-path provisioner makes volumes, on any node."""
    entries = json.loads(config)["nodePathMap"]
    return sorted({path for entry in entries for path in entry["paths"]})
