"""What proxies have loaded, asked of the proxies: whether a change is in force."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from meshproof.cluster.cluster import Cluster
from meshproof.mesh.admin import ask_proxy

#: Proxies asked at once; each takes some 60 ms.
AT_ONCE = 8
GATEWAY = "gateway"
SIDECARS = "sidecars"
#: What follows a Service's name in Envoy's names of clusters.
SUFFIX = r"NAMESPACE\.svc\.cluster\.local"


@dataclass(frozen=True)
class Loaded:
    """What a proxy must have loaded, or must have dropped (``gone``), for a change to be in force.

    ``pattern`` is a regular expression on what Envoy says of its configuration
    and clusters, with ``NAMESPACE`` in it. ``where`` chooses the proxies by
    workload (``app-version``, ``gateway``, ``sidecars``); empty means every one.
    ``default`` says that proxies have it without the change, too.
    """

    pattern: str
    where: tuple[str, ...] = ()
    gone: bool = False
    default: bool = False

    def concerns(self, workload: str) -> bool:
        """Whether the proxies of a workload are asked."""
        if not self.where or workload in self.where:
            return True
        return SIDECARS in self.where and workload != GATEWAY

    def holds(self, dump: str, namespace: str) -> bool:
        """Whether it is so in what a proxy says."""
        found = re.search(self.pattern.replace("NAMESPACE", namespace), dump, re.MULTILINE)
        return (found is None) == self.gone


def not_loaded(
    dumps: Mapping[tuple[str, str], str], wanted: Sequence[Loaded], namespace: str
) -> list[str]:
    """Say which proxy lacks what; ``dumps`` are by workload and pod. Empty: all in force."""
    return [
        f"{pod}: {'still has' if entry.gone else 'lacks'} {entry.pattern}"
        for (workload, pod), dump in sorted(dumps.items())
        for entry in wanted
        if entry.concerns(workload) and not entry.holds(dump, namespace)
    ]


def in_force(config: Mapping[str, Any], clusters: Mapping[str, Any]) -> str:
    """Put what a proxy uses now into one text: its configuration, warm clusters, endpoints.

    A listener that was replaced is listed as draining for another 45 s, and one that is
    to come as warming; neither takes new connections.
    """
    lines = []
    for section in config["configs"]:
        active = {k: v for k, v in section.items() if k != "dynamic_warming_clusters"}
        if "dynamic_listeners" in active:
            active["dynamic_listeners"] = [
                {k: v for k, v in listener.items() if k not in ("draining_state", "warming_state")}
                for listener in active["dynamic_listeners"]
            ]
        lines.append(json.dumps(active))
    for status in clusters["cluster_statuses"]:
        lines.append(f"{status['name']}::warm")
        for host in status.get("host_statuses", []):
            address = host["address"].get("socket_address", {}).get("address")
            lines.append(f"{status['name']}::{address}")
    return "\n".join(lines)


def configuration_dumps(
    cluster: Cluster, pods: Iterable[tuple[str, str, str]]
) -> dict[tuple[str, str], str]:
    """Ask proxies, given by workload, namespace and pod, for what they use now.

    Raises ``EnvironmentBroken`` where one does not answer.
    """

    def ask(pod: tuple[str, str, str]) -> tuple[tuple[str, str], str]:
        workload, namespace, name = pod
        config, clusters = ask_proxy(
            cluster, namespace, name, ["/config_dump", "/clusters?format=json"]
        )
        return (workload, name), in_force(config, clusters)

    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        return dict(pool.map(ask, pods))


def awaited(document: Mapping[str, Any]) -> list[Loaded]:
    """Return what proxies must say once they have loaded an object; empty for other kinds."""
    read = {
        "DestinationRule": _subsets,
        "VirtualService": _routes,
        "PeerAuthentication": _modes,
        "AuthorizationPolicy": _policy,
    }.get(document["kind"])
    return read(document) if read else []


def undone(
    documents: Iterable[Mapping[str, Any]], kept: Iterable[Mapping[str, Any]]
) -> list[Loaded]:
    """Return what proxies must say once objects are gone or replaced, and others are kept.

    Otherwise what is applied next could seem to be in force by what was there before.
    """
    still = {entry for document in kept for entry in awaited(document)}
    return [
        replace(entry, gone=not entry.gone)
        for document in documents
        for entry in awaited(document)
        if entry not in still and not entry.default
    ]


def without_endpoint(address: str) -> Loaded:
    """Return what proxies must say once none of them sends anything to a pod's address."""
    return Loaded(rf"^outbound\|.*::{re.escape(address)}$", gone=True)


def _subsets(rule: Mapping[str, Any]) -> list[Loaded]:
    # A cluster is listed once it is warm, which is when its endpoints are known.
    host = re.escape(rule["spec"]["host"])
    return [
        Loaded(rf"outbound\|\d+\|{re.escape(entry['name'])}\|{host}\.{SUFFIX}::warm")
        for entry in rule["spec"].get("subsets", [])
    ]


def _routes(service: Mapping[str, Any]) -> list[Loaded]:
    spec = service["spec"]
    where = (GATEWAY,) if spec.get("gateways", ["mesh"]) != ["mesh"] else (SIDECARS,)
    loaded = []
    for route in [*spec.get("http", []), *spec.get("tcp", [])]:
        for entry in route.get("route", []):
            to = entry["destination"]
            port, subset = to.get("port", {}).get("number", r"\d+"), to.get("subset", "")
            cluster = rf"outbound\|{port}\|{re.escape(subset)}\|{re.escape(to['host'])}\.{SUFFIX}"
            # By itself, or as one of several by weight.
            pattern = rf'"cluster": "{cluster}"|"name": "{cluster}",\s*"weight"'
            # Without a VirtualService, a sidecar sends to the whole Service.
            default = where == (SIDECARS,) and not subset
            loaded.append(Loaded(pattern, where, default=default))
    return loaded


def _modes(policy: Mapping[str, Any]) -> list[Loaded]:
    spec = policy.get("spec", {})
    where = _selected(spec)
    own, ports = spec.get("mtls", {}).get("mode"), spec.get("portLevelMtls", {})
    loaded = [Loaded(_plain(r"\d+"), where, gone=True)] if own == "STRICT" else []
    return loaded + [
        # So it is without any policy, too.
        Loaded(_plain(str(port)), where, default=True)
        for port, entry in ports.items()
        if entry["mode"] == "PERMISSIVE"
    ]


def _plain(port: str) -> str:
    # Only a server that lets plain text in has a filter chain of the port for it.
    return rf'"destination_port": {port},\s*"transport_protocol": "raw_buffer"'


def _selected(spec: Mapping[str, Any]) -> tuple[str, ...]:
    labels = spec.get("selector", {}).get("matchLabels", {})
    chosen = labels.keys() == {"app", "version"}
    return (f"{labels['app']}-{labels['version']}",) if chosen else (SIDECARS,)


def _policy(policy: Mapping[str, Any]) -> list[Loaded]:
    name = re.escape(policy["metadata"]["name"])
    return [Loaded(rf"ns\[NAMESPACE\]-policy\[{name}\]-rule", _selected(policy.get("spec", {})))]
