"""What a proxy has loaded, read from its own configuration (Envoy's `config_dump`).

The shapes are those that istiod generates (in istio.io/istio:
pilot/pkg/networking/core, filterchain_options.go and cluster_tls.go).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlencode

from meshproof.tls.modes import ClientMode, ServerMode

Json = Mapping[str, Any]
#: The listener that every inbound connection of a pod is redirected to (port 15006).
INBOUND = "virtualInbound"
#: The name of the secret with the mesh's own certificate of a workload.
MESH_CERTIFICATE = "default"
#: Where istiod says which endpoints take mutual TLS, for clients that are not told.
ENDPOINT_MATCH = "envoy.transport_socket_match"


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
    ``by_address`` says that the proxy keeps no list of endpoints (headless Services).
    """

    mode: ClientMode
    rule: str
    by_address: bool = False


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


def server_mode(dump: Json, port: int) -> ServerMode:
    """Read from a server's inbound listener what it accepts at one of the pod's ports.

    A port without filter chains of its own is served by those without a port.
    Raises ``ValueError`` where there is no such listener, or one of another shape.
    """
    chains = _inbound(dump).get("active_state", {}).get("listener", {}).get("filter_chains", [])
    own = [chain for chain in chains if _port(chain) == port]
    matching = own or [chain for chain in chains if _port(chain) is None]
    if not matching:
        raise ValueError(f"its inbound listener has no filter chain for port {port}")
    secured = [_asks_for_certificate(chain) for chain in matching if "transport_socket" in chain]
    if not all(secured):
        raise ValueError(f"its port {port} has TLS of its own, not the mesh's")
    if not secured:
        return ServerMode.DISABLE
    return ServerMode.PERMISSIVE if len(secured) < len(matching) else ServerMode.STRICT


def refused_update(dump: Json) -> str:
    """Return why a server's proxy refused the last change of its inbound listener, or ""."""
    return str(_inbound(dump).get("error_state", {}).get("details", ""))


def _inbound(dump: Json) -> Json:
    for entry in dump.get("configs", []):
        if entry.get("name") == INBOUND:
            found: Json = entry
            return found
    raise ValueError(f"it has no listener {INBOUND}, as every sidecar has")


def _port(chain: Json) -> int | None:
    port = chain.get("filter_chain_match", {}).get("destination_port")
    return None if port is None else int(port)


def _asks_for_certificate(chain: Json) -> bool:
    context = chain["transport_socket"].get("typed_config", {})
    return context.get("require_client_certificate") is True and MESH_CERTIFICATE in (
        _certificates(context)
    )


def _certificates(context: Json) -> list[str]:
    """Name the certificates that one side of a connection shows."""
    common = context.get("common_tls_context", {})
    secrets = [secret["name"] for secret in common.get("tls_certificate_sds_secret_configs", [])]
    return secrets + ["in line" for _ in common.get("tls_certificates", [])]


def outbound(dump: Json) -> dict[Destination, Outbound]:
    """Read a client's clusters. Raises ``ValueError`` where one has another shape than istiod's."""
    found = {}
    for entry in dump.get("configs", []):
        cluster = entry["cluster"]
        found[_destination(cluster["name"])] = Outbound(
            _client_mode(cluster), _rule(cluster), cluster.get("type") == "ORIGINAL_DST"
        )
    return found


def _destination(name: str) -> Destination:
    _, port, subset, host = name.split("|")
    return Destination(host, int(port), subset)


def _client_mode(cluster: Json) -> ClientMode:
    matches = cluster.get("transport_socket_matches", [])
    if not matches:
        return _socket_mode(cluster.get("transport_socket"))
    modes = [_socket_mode(match.get("transport_socket")) for match in matches]
    if modes != [ClientMode.ISTIO_MUTUAL, ClientMode.DISABLE]:
        names = ", ".join(str(match.get("name")) for match in matches)
        raise ValueError(f"its cluster {cluster['name']} chooses among unknown sockets: {names}")
    return ClientMode.NONE


def _socket_mode(socket: Json | None) -> ClientMode:
    if socket is None or socket["name"].endswith("raw_buffer"):
        return ClientMode.DISABLE
    context = socket.get("typed_config", {})
    if not str(context.get("@type")).endswith("UpstreamTlsContext"):
        raise ValueError(f"an unknown transport socket: {socket['name']}")
    certificates = _certificates(context)
    if MESH_CERTIFICATE in certificates:
        return ClientMode.ISTIO_MUTUAL
    return ClientMode.MUTUAL if certificates else ClientMode.SIMPLE


def _rule(cluster: Json) -> str:
    """Name the DestinationRule: the path of the object stands in the cluster's metadata."""
    istio = cluster.get("metadata", {}).get("filter_metadata", {}).get("istio", {})
    path = str(istio.get("config", "")).split("/")
    if len(path) < 4 or path[-2] != "destination-rule":
        return "-"
    return f"{path[-1]}/{path[-3]}"


def endpoints(dump: Json) -> dict[Destination, dict[str, bool]]:
    """Read the addresses that a client knows, and whether each is said to take mutual TLS."""
    found: dict[Destination, dict[str, bool]] = {}
    for entry in dump.get("configs", []):
        config = entry["endpoint_config"]
        addresses = found.setdefault(_destination(config["cluster_name"]), {})
        for locality in config.get("endpoints", []):
            for item in locality.get("lb_endpoints", []):
                address = item["endpoint"]["address"].get("socket_address", {}).get("address")
                match = item.get("metadata", {}).get("filter_metadata", {}).get(ENDPOINT_MATCH, {})
                if address:
                    addresses[address] = match.get("tlsMode") == "istio"
    return found
