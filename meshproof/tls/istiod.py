"""What istiod would have proxies load, by its own word, and which of them took it.

Its debug interface is asked, as `istioctl proxy-status` does: `config_dump` for what it would send
to a proxy now, `syncz` for what a proxy refused, `connections` for who is connected.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from meshproof.cluster.cluster import Cluster
from meshproof.errors import EnvironmentBroken
from meshproof.mesh.admin import ask_istiod
from meshproof.tls.envoy import Json, Resources, canonical

#: What is asked of each istiod: who is connected, what they refused, and the mesh's settings.
STATE = ("/debug/connections", "/debug/syncz", "/debug/mesh")
#: Types of resources by the last part of their names, and istiod's short names for them.
LISTENERS, CLUSTERS, ENDPOINTS = "Listener", "Cluster", "ClusterLoadAssignment"
SHORT = {LISTENERS: "lds", CLUSTERS: "cds", ENDPOINTS: "eds"}
#: Istios with more replicas, or more revisions, are rare.
AT_ONCE = 4


@dataclass(frozen=True)
class Mesh:
    """What counts for the whole mesh: whether auto mTLS is on, and where its own objects are."""

    auto_mtls: bool = True
    root: str = "istio-system"


@dataclass(frozen=True)
class Connection:
    """A proxy's connection to istiod.

    ``istiod`` is the pod that it leads to (namespace and name), ``name`` what that calls it,
    ``refused`` why the proxy refused what was sent to it last, by the type of resource.
    """

    istiod: tuple[str, str]
    name: str
    mesh: Mesh = Mesh()
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ControlPlane:
    """All istiods: their proxies' connections by proxy (``pod.namespace``), and the settings.

    ``silent`` is why one of several did not answer: it may have more connections.
    """

    connections: Mapping[str, Connection]
    mesh: Mesh
    silent: EnvironmentBroken | None = None

    def connection(self, proxy: str) -> Connection | None:
        """Return a proxy's connection, None where it has none.

        Raises ``EnvironmentBroken`` where that cannot be said, or istiod would tell of another
        proxy: it looks for the part of a name.
        """
        found = self.connections.get(proxy)
        if found is None and self.silent:
            raise self.silent
        if found and any(
            found.name in other.name and found.istiod == other.istiod
            for name, other in self.connections.items()
            if name != proxy
        ):
            raise EnvironmentBroken(
                f"istiod cannot be asked about the proxy of pod {proxy}: "
                "the name of its connection is a part of another one's. Ask again later."
            )
        return found


@dataclass(frozen=True)
class Intended:
    """What istiod would send to one proxy: resources by their type and name.

    ``rules`` are the DestinationRules in force for the proxy by host, as istiod merged them;
    ``refused`` is as in ``Connection``.
    """

    resources: Mapping[str, Resources]
    rules: Mapping[str, Sequence[Json]]
    refused: Mapping[str, str]


def read_control_plane(cluster: Cluster, pods: Iterable[tuple[str, str]]) -> ControlPlane:
    """Ask the istiods in these pods (namespace, name) who is connected to them.

    Raises ``EnvironmentBroken`` where there is none, or none answers.
    """
    istiods = sorted(pods)
    if not istiods:
        raise EnvironmentBroken("No istiod runs on the cluster: there is no mesh to ask.")

    def ask(pod: tuple[str, str]) -> list[Any] | EnvironmentBroken:
        try:
            return ask_istiod(cluster, *pod, STATE)
        except EnvironmentBroken as error:
            return error

    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        answers = list(pool.map(ask, istiods))
    silent = next((said for said in answers if isinstance(said, EnvironmentBroken)), None)
    connections: dict[str, Connection] = {}
    meshes = []
    for istiod, said in zip(istiods, answers, strict=True):
        if isinstance(said, EnvironmentBroken):
            continue
        connected, synced, settings = said
        meshes.append(_mesh(settings))
        refused = {entry["proxy"]: _refused(entry) for entry in synced}
        for entry in (connected or {}).get("clients") or []:
            name = entry["connectionId"]
            proxy = name.rpartition("-")[0]
            connections[proxy] = Connection(istiod, name, meshes[-1], refused.get(proxy, {}))
    if silent and not meshes:
        raise silent
    return ControlPlane(connections, meshes[0], silent)


def read_intended(cluster: Cluster, connection: Connection, types: Iterable[str]) -> Intended:
    """Ask istiod what it would send to a proxy, of these types. Raises ``EnvironmentBroken``."""
    wanted = sorted(types)
    proxy = f"proxyID={quote(connection.name)}"
    shorts = ",".join(SHORT[name] for name in wanted)
    queries = [f"/debug/config_dump?{proxy}&types={shorts}"]
    if CLUSTERS in wanted:
        queries.append(f"/debug/sidecarz?{proxy}")
    dump, *scope = ask_istiod(cluster, *connection.istiod, queries)
    rules = scope[0].get("destinationRules") if scope else {}
    return Intended(_resources(dump), rules or {}, connection.refused)


def rule_mode(rules: Iterable[Json], name: str, port: int, subset: str = "") -> str | None:
    """Return the TLS mode that a DestinationRule of these, ``name/namespace``, asks for.

    "" where it has no TLS settings for the destination, None where it is not among them. Settings
    for a port replace the others; a subset's replace the host's where it has any.
    """
    for entry in rules:
        rule = entry["rule"]
        if f"{rule['name']}/{rule['namespace']}" == name:
            spec = rule.get("Spec") or {}
            whole, _ = _mode(spec.get("trafficPolicy"), port)
            chosen = {part["name"]: part for part in spec.get("subsets") or []}.get(subset, {})
            own, for_port = _mode(chosen.get("trafficPolicy"), port)
            return own if own or for_port else whole
    return None


def _mode(policy: Json | None, port: int) -> tuple[str, bool]:
    """Return the mode for a port, "" where there is none, and whether just this port has any."""
    for entry in (policy or {}).get("portLevelSettings") or []:
        if (entry.get("port") or {}).get("number") == port:
            return _mode_of(entry), True
    return _mode_of(policy or {}), False


def _mode_of(policy: Json) -> str:
    # Protocol buffers leave out a mode that is the first of its kind.
    return (policy["tls"] or {}).get("mode", "DISABLE") if "tls" in policy else ""


def _resources(dump: Json) -> dict[str, dict[str, Json]]:
    found: dict[str, dict[str, Json]] = defaultdict(dict)
    for resource in dump.get("configs", []):
        name = resource.get("name") or resource.get("clusterName", "")
        found[resource["@type"].rpartition(".")[2]][name] = canonical(resource)
    return found


def _refused(status: Mapping[str, Any]) -> dict[str, str]:
    return {
        name.rpartition(".")[2]: resource["lastError"]
        for name, resource in (status.get("resources") or {}).items()
        if resource.get("lastError")
    }


def _mesh(settings: Mapping[str, Any]) -> Mesh:
    """Read the mesh's settings; what is not set is Istio's default."""
    automatic = settings.get("enableAutoMtls", True) is not False
    return Mesh(automatic, settings.get("rootNamespace") or Mesh.root)
