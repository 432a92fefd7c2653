"""What proxies have loaded, asked of the proxies: whether a change is in force."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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
    """

    pattern: str
    where: tuple[str, ...] = ()
    gone: bool = False

    def concerns(self, workload: str) -> bool:
        """Whether the proxies of a workload are asked."""
        if not self.where or workload in self.where:
            return True
        return SIDECARS in self.where and workload != GATEWAY

    def holds(self, dump: str, namespace: str) -> bool:
        """Whether it is so in what a proxy says."""
        return (re.search(self.pattern.replace("NAMESPACE", namespace), dump) is None) == self.gone


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
    """Put what a proxy uses now into one text: its configuration, and its warm clusters.

    A listener that was replaced is listed as draining for another 45 s, and one that is
    to come as warming; neither takes new connections.
    """
    active = json.loads(json.dumps(config))
    for section in active["configs"]:
        section.pop("dynamic_warming_clusters", None)
        for listener in section.get("dynamic_listeners", []):
            listener.pop("draining_state", None)
            listener.pop("warming_state", None)
    warm = [f"{status['name']}::warm" for status in clusters["cluster_statuses"]]
    return "\n".join([json.dumps(active, indent=1), *warm])


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
        for entry in route["route"]:
            to = entry["destination"]
            cluster = rf"outbound\|{to['port']['number']}\|{re.escape(to.get('subset', ''))}\|"
            cluster += rf"{re.escape(to['host'])}\.{SUFFIX}"
            # By itself, or as one of several by weight.
            loaded.append(Loaded(rf'"cluster": "{cluster}"|"name": "{cluster}",\s*"weight"', where))
    return loaded


def _modes(policy: Mapping[str, Any]) -> list[Loaded]:
    spec = policy["spec"]
    where = _selected(spec) if "selector" in spec else (SIDECARS,)
    # Only a server that lets plain text in has a filter chain of the port for it.
    own, ports = spec.get("mtls", {}).get("mode"), spec.get("portLevelMtls", {})
    loaded = [_plain(r"\d+", where, gone=True)] if own == "STRICT" else []
    return loaded + [
        _plain(str(port), where, gone=False)
        for port, entry in ports.items()
        if entry["mode"] == "PERMISSIVE"
    ]


def _plain(port: str, where: tuple[str, ...], *, gone: bool) -> Loaded:
    pattern = rf'"destination_port": {port},\s*"transport_protocol": "raw_buffer"'
    return Loaded(pattern, where, gone=gone)


def _selected(spec: Mapping[str, Any]) -> tuple[str, ...]:
    labels = spec["selector"]["matchLabels"]
    return (f"{labels['app']}-{labels['version']}",)


def _policy(policy: Mapping[str, Any]) -> list[Loaded]:
    name = re.escape(policy["metadata"]["name"])
    return [Loaded(rf"ns\[NAMESPACE\]-policy\[{name}\]-rule", _selected(policy["spec"]))]
