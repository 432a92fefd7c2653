"""What a proxy has loaded, and what istiod would have it load: the resources of both, read alike.

Envoy shows its own in its `config_dump`, and spells fields with underscores; istiod's debug
interface shows its own as protobuf's JSON has them (`camelCase`), which is used for both
here. The shapes are those that istiod generates (in istio.io/istio:
pilot/pkg/networking/core, filterchain_options.go, cluster_tls.go, cluster_traffic_policy.go).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlencode

from meshproof.tls.modes import ClientMode, ServerMode

Json = Mapping[str, Any]
#: Resources of one type, by their names.
Resources = Mapping[str, Json]
#: The listener that every inbound connection of a pod is redirected to (port 15006).
INBOUND = "virtualInbound"
#: The name of the secret with the mesh's own certificate of a workload.
MESH_CERTIFICATE = "default"
#: Where istiod says which endpoints take mutual TLS, for clients that are not told.
ENDPOINT_MATCH = "envoy.transportSocketMatch"
#: A PROXY protocol's header before all else that is sent.
WITH_HEADER = "upstream_proxy_protocol"


class Destination(NamedTuple):
    """A cluster of a client's proxy: a host's port, and a subset ("" for the whole host)."""

    host: str
    port: int
    subset: str = ""

    def __str__(self) -> str:
        """Return the destination as the first column of the table names it."""
        return f"{self.host}:{self.port}" + (f"|{self.subset}" if self.subset else "")


@dataclass(frozen=True)
class Outbound:
    """How a client's proxy reaches a destination.

    ``mode`` is NONE where each endpoint says what is sent to it (auto mTLS);
    ``rule`` is the DestinationRule that it came from, ``name/namespace`` or `-`;
    ``by_address`` says that the proxy keeps no list of endpoints (headless Services);
    ``header`` is the version of the PROXY protocol's header that is sent first, or "".
    """

    mode: ClientMode
    rule: str
    by_address: bool = False
    header: str = ""


def inbound_query() -> str:
    """Return what to ask a server's proxy for: its inbound listener."""
    return _query("dynamic_listeners", INBOUND)


def outbound_query(hosts: Iterable[str]) -> str:
    """Return what to ask a client's proxy for: its clusters for these hosts."""
    return _query("dynamic_active_clusters", _clusters_of(hosts))


def endpoints_query(hosts: Iterable[str]) -> str:
    """Return what to ask a client's proxy for: the endpoints that it knows of these hosts."""
    return _query("dynamic_endpoint_configs", _clusters_of(hosts)) + "&include_eds"


def _query(resource: str, name: str) -> str:
    return "/config_dump?" + urlencode({"resource": resource, "name_regex": name})


def _clusters_of(hosts: Iterable[str]) -> str:
    alternatives = "|".join(sorted(re.escape(host) for host in hosts))
    return rf"outbound\|\d+\|[^|]*\|({alternatives})"


def canonical(value: Any) -> Any:
    """Spell the names of all fields in `camelCase`, as protobuf's JSON does."""
    if isinstance(value, Mapping):
        return {_camel(key): canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [canonical(item) for item in value]
    return value


def _camel(name: str) -> str:
    if "_" not in name or name.startswith("@"):
        return name
    return re.sub("_(.)", lambda found: found[1].upper(), name)


def loaded_listeners(dump: Json) -> Resources:
    """Return the listeners that a proxy has active, of its own dump."""
    # What was refused whole stands there as its refusal alone, without a name.
    found = {
        entry.get("name", ""): entry.get("active_state", {}) for entry in dump.get("configs", [])
    }
    return {
        name: canonical(state["listener"]) for name, state in found.items() if "listener" in state
    }


def loaded_clusters(dump: Json) -> Resources:
    """Return the clusters that a proxy has active, of its own dump."""
    clusters = (entry["cluster"] for entry in dump.get("configs", []))
    return {cluster["name"]: canonical(cluster) for cluster in clusters}


def loaded_assignments(dump: Json) -> Resources:
    """Return the endpoints that a proxy knows, by the cluster's name, of its own dump."""
    found = (entry["endpoint_config"] for entry in dump.get("configs", []))
    return {assigned["cluster_name"]: canonical(assigned) for assigned in found}


def server_mode(listeners: Resources, port: int) -> ServerMode:
    """Read from a server's inbound listener what it accepts at one of the pod's ports.

    A port without filter chains of its own is served by those without a port.
    Raises ``ValueError`` where there is no such listener, or one of another shape.
    """
    if INBOUND not in listeners:
        raise ValueError(f"it has no listener {INBOUND}, as every sidecar has")
    chains = listeners[INBOUND].get("filterChains", [])
    own = [chain for chain in chains if _port(chain) == port]
    matching = own or [chain for chain in chains if _port(chain) is None]
    if not matching:
        raise ValueError(f"its inbound listener has no filter chain for port {port}")
    secured = [_asks_for_certificate(chain) for chain in matching if "transportSocket" in chain]
    if not all(secured):
        raise ValueError(f"its port {port} has TLS of its own, not the mesh's")
    if not secured:
        return ServerMode.DISABLE
    return ServerMode.PERMISSIVE if len(secured) < len(matching) else ServerMode.STRICT


def _port(chain: Json) -> int | None:
    port = chain.get("filterChainMatch", {}).get("destinationPort")
    return None if port is None else int(port)


def _asks_for_certificate(chain: Json) -> bool:
    context = chain["transportSocket"].get("typedConfig", {})
    return context.get("requireClientCertificate") is True and MESH_CERTIFICATE in (
        _certificates(context)
    )


def _certificates(context: Json) -> list[str]:
    """Name the certificates that one side of a connection shows."""
    common = context.get("commonTlsContext", {})
    secrets = [secret["name"] for secret in common.get("tlsCertificateSdsSecretConfigs", [])]
    return secrets + ["in line" for _ in common.get("tlsCertificates", [])]


def destinations(clusters: Iterable[str], host: str) -> list[Destination]:
    """Return those of a proxy's clusters, by their names, that lead to a host; in order."""
    named = (name.split("|") for name in clusters if name.startswith("outbound|"))
    found = ((port, subset) for _, port, subset, of in named if of == host)
    return sorted(Destination(host, int(port), subset) for port, subset in found)


def cluster_name(destination: Destination) -> str:
    """Return the name of the cluster that leads to a destination."""
    return f"outbound|{destination.port}|{destination.subset}|{destination.host}"


def outbound(cluster: Json) -> Outbound:
    """Read a client's cluster. Raises ``ValueError`` where it has another shape than istiod's."""
    matches = cluster.get("transportSocketMatches", [])
    sockets = [match.get("transportSocket") for match in matches]
    read = [_socket(socket) for socket in sockets or [cluster.get("transportSocket")]]
    modes = [mode for mode, _ in read]
    if matches and modes != [ClientMode.ISTIO_MUTUAL, ClientMode.DISABLE]:
        names = ", ".join(str(match.get("name")) for match in matches)
        raise ValueError(f"its cluster {cluster['name']} chooses among unknown sockets: {names}")
    return Outbound(
        ClientMode.NONE if matches else modes[0],
        _rule(cluster),
        cluster.get("type") == "ORIGINAL_DST",
        read[0][1],
    )


def _socket(socket: Json | None) -> tuple[ClientMode, str]:
    """Read a mode, and the version of the header that goes before it."""
    if socket is None or socket["name"].endswith("raw_buffer"):
        return ClientMode.DISABLE, ""
    context = socket.get("typedConfig", {})
    if socket["name"].endswith(WITH_HEADER):
        mode, _ = _socket(context.get("transportSocket"))
        return mode, context.get("config", {}).get("version", "V1")
    if not str(context.get("@type")).endswith("UpstreamTlsContext"):
        raise ValueError(f"an unknown transport socket: {socket['name']}")
    certificates = _certificates(context)
    if MESH_CERTIFICATE in certificates:
        return ClientMode.ISTIO_MUTUAL, ""
    return (ClientMode.MUTUAL if certificates else ClientMode.SIMPLE), ""


def _rule(cluster: Json) -> str:
    """Name the DestinationRule: the path of the object stands in the cluster's metadata."""
    istio = cluster.get("metadata", {}).get("filterMetadata", {}).get("istio", {})
    path = str(istio.get("config", "")).split("/")
    if len(path) < 4 or path[-2] != "destination-rule":
        return "-"
    return f"{path[-1]}/{path[-3]}"


def endpoints(assigned: Json) -> dict[str, bool]:
    """Read the addresses of a cluster, and whether each is said to take mutual TLS."""
    found: dict[str, bool] = {}
    for locality in assigned.get("endpoints", []):
        for item in locality.get("lbEndpoints", []):
            address = item["endpoint"]["address"].get("socketAddress", {}).get("address")
            match = item.get("metadata", {}).get("filterMetadata", {}).get(ENDPOINT_MATCH, {})
            if address:
                found[address] = match.get("tlsMode") == "istio"
    return found
