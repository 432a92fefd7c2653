"""Where users reach an ingress gateway from this machine, by what its Service and the nodes say."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from meshproof.mesh.discovery import HTTP_PORT

Item = Mapping[str, Any]
#: Addresses of nodes by their types, the most public first.
NODE_ADDRESSES = ("ExternalIP", "InternalIP")
#: Seconds in which a machine that is there lets connect, or refuses.
CONNECTS = 3.0


def stated_address(service: Item) -> str | None:
    """Return the address or host name that a Service states for its load balancer."""
    stated = (service.get("status") or {}).get("loadBalancer") or {}
    for found in stated.get("ingress") or ():
        if found.get("ip") or found.get("hostname"):
            return str(found.get("ip") or found["hostname"])
    return None


def node_ports(service: Item, nodes: Iterable[Item]) -> list[tuple[str, int]]:
    """Return the nodes' addresses, with the port on which each leads to a Service's port 80."""
    ports = [
        port["nodePort"]
        for port in service["spec"].get("ports") or ()
        if port["port"] == HTTP_PORT and port.get("nodePort")
    ]
    if not ports:
        return []
    stated = [
        (NODE_ADDRESSES.index(one["type"]), one["address"])
        for node in nodes
        for one in node["status"].get("addresses") or ()
        if one["type"] in NODE_ADDRESSES
    ]
    return [(address, ports[0]) for _, address in sorted(stated)]


def page_at(host: str, port: int = HTTP_PORT) -> str:
    """Return the URL of a host and port, without the port where it is HTTP's own."""
    named = f"[{host}]" if ":" in host else host
    return f"http://{named}" if port == HTTP_PORT else f"http://{named}:{port}"


def first_there(places: Sequence[tuple[str, int]]) -> tuple[str, int] | None:
    """Return the first of these places that this machine gets an answer from.

    Who refuses is there: a gateway listens only once a Gateway says so.
    """
    for place in places:
        try:
            with socket.create_connection(place, CONNECTS):
                return place
        except ConnectionRefusedError:
            return place
        except OSError:
            continue
    return None
