"""The ways to a Service's subsets, in the routes that proxies have loaded.

Samples cannot try every path, host, method and header; the routes tell all ways there are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from meshproof.cluster.cluster import Cluster
from meshproof.mesh.admin import ask_proxy

#: What a proxy is asked for: HTTP routes, as istiod has sent them.
ROUTES = "/config_dump?resource=dynamic_route_configs"
#: Fields of a match that say how it asks, not for what; and the one that any path begins with.
HOW, ANY_PATH = {"case_sensitive"}, ("prefix", "/")


@dataclass(frozen=True)
class Way:
    """A route to a Service: by which proxy and for which hosts, what it asks for, and the subset.

    ``asks`` names each thing that a request must have beside the host; empty takes every request.
    ``subset`` is empty where the route leads to the whole Service. ``mirrored`` says that only a
    copy of the request goes there.
    """

    proxy: str
    hosts: tuple[str, ...]
    asks: tuple[str, ...]
    subset: str
    mirrored: bool = False

    def __str__(self) -> str:
        """Return it in a line."""
        asked = " and ".join(self.asks) or "anything"
        copies = "a copy of " if self.mirrored else ""
        to = f"subset {self.subset}" if self.subset else "the whole Service"
        return f"{self.proxy}, host {', '.join(self.hosts)}: {copies}what has {asked} goes to {to}"


def routes_loaded(
    cluster: Cluster, pods: Iterable[tuple[str, str, str]]
) -> dict[str, Mapping[str, Any]]:
    """Ask proxies, given by workload, namespace and pod, for their HTTP routes; by pod.

    Raises ``EnvironmentBroken`` where one does not answer.
    """
    return {pod: ask_proxy(cluster, namespace, pod, [ROUTES])[0] for _, namespace, pod in pods}


def ways_to(host: str, loaded: Mapping[str, Mapping[str, Any]]) -> list[Way]:
    """Return every way to a Service, by its whole name, in the routes of proxies."""
    return [way for proxy, dump in loaded.items() for way in _ways_of(proxy, dump, host)]


def subsets_of(rules: Iterable[Mapping[str, Any]], service: str, version: str) -> set[str]:
    """Return the subsets of a Service that hold one version alone, by DestinationRules' specs."""
    return {
        subset["name"]
        for rule in rules
        if rule["spec"]["host"] == service
        for subset in rule["spec"].get("subsets", ())
        if subset.get("labels", {}).get("version") == version
    }


def asked_for(match: Mapping[str, Any]) -> tuple[str, ...]:
    """Name what a match of Envoy's asks a request for, but for its host."""
    asks: list[str] = []
    for field, value in match.items():
        if field in HOW or (field, value) == ANY_PATH:
            continue
        if field == "headers":
            asks += [f"header {header['name']}" for header in value]
        elif field == "query_parameters":
            asks += [f"query parameter {parameter['name']}" for parameter in value]
        else:
            asks.append(f"{field} {value if isinstance(value, str) else json.dumps(value)}")
    return tuple(asks)


def _ways_of(proxy: str, dump: Mapping[str, Any], host: str) -> Iterator[Way]:
    cluster = re.compile(rf"outbound\|\d+\|([^|]*)\|{re.escape(host)}")
    for section in dump.get("configs", ()):
        for virtual in section.get("route_config", {}).get("virtual_hosts", ()):
            for route in virtual.get("routes", ()):
                for name, mirrored in _clusters(route.get("route", {})):
                    if match := cluster.fullmatch(name):
                        asks = asked_for(route.get("match", {}))
                        yield Way(proxy, tuple(virtual["domains"]), asks, match[1], mirrored)


def _clusters(action: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """The clusters that a route's requests go to, and those that get a copy of them."""
    if "cluster" in action:
        yield action["cluster"], False
    weighted: Sequence[Mapping[str, Any]] = action.get("weighted_clusters", {}).get("clusters", ())
    for entry in weighted:
        if entry.get("weight", 0):
            yield entry["name"], False
    for policy in action.get("request_mirror_policies", ()):
        yield policy["cluster"], True
