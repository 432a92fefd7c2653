"""What proxies have loaded, asked of the proxies: whether a change is in force."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, TypeAlias

from meshproof.cluster.cluster import Cluster
from meshproof.mesh.admin import ask_proxy

#: Proxies asked at once; each takes some 15 ms.
AT_ONCE = 8
#: What a proxy is asked for. Its whole configuration takes twice as long: clusters and endpoints
#: are in `/clusters`, and no setting of theirs, no certificate and no bootstrap is looked for.
QUERIES = (
    "/config_dump?resource=dynamic_listeners",
    "/config_dump?resource=dynamic_route_configs",
    "/clusters?format=json",
)
#: What a proxy says of a listener or of routes beside what it uses now: what is replaced, what is
#: to come, and what it has refused.
NOT_IN_FORCE = ("draining_state", "warming_state", "error_state")
GATEWAY = "gateway"
SIDECARS = "sidecars"
#: What follows a Service's name in Envoy's names of clusters.
SUFFIX = r"NAMESPACE\.svc\.cluster\.local"

#: An object, with its kind.
Document: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Loaded:
    """What a proxy must have loaded, or must have dropped (``gone``), for a change to be in force.

    ``pattern`` is a regular expression on what Envoy says of its configuration
    and clusters, with ``NAMESPACE`` in it. ``where`` chooses the proxies by
    workload (``app-version``, ``gateway``, ``sidecars``); empty means every one.
    ``without`` takes workloads out of these. ``default`` says that proxies may have it
    without the change, too.
    """

    pattern: str
    where: tuple[str, ...] = ()
    gone: bool = False
    default: bool = False
    without: tuple[str, ...] = ()

    def concerns(self, workload: str) -> bool:
        """Whether the proxies of a workload are asked."""
        if workload in self.without:
            return False
        if not self.where or workload in self.where:
            return True
        return SIDECARS in self.where and workload != GATEWAY

    def shares(self, other: Loaded) -> bool:
        """Whether both ask the same of some proxy."""
        workloads = {GATEWAY, SIDECARS, *self.where, *other.where}
        return (self.pattern, self.gone) == (other.pattern, other.gone) and any(
            self.concerns(workload) and other.concerns(workload) for workload in workloads
        )

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


def in_force(
    listeners: Mapping[str, Any], routes: Mapping[str, Any], clusters: Mapping[str, Any]
) -> str:
    """Put what a proxy uses now into one text: its listeners, routes, warm clusters, endpoints.

    A listener that was replaced is listed as draining for another 45 s, and one that is
    to come as warming; neither takes new connections.
    """
    lines = [
        json.dumps({key: value for key, value in one.items() if key not in NOT_IN_FORCE})
        for dump in (listeners, routes)
        for one in dump.get("configs", ())
    ]
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
        return (workload, name), in_force(*ask_proxy(cluster, namespace, name, QUERIES))

    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        return dict(pool.map(ask, pods))


def change(before: Iterable[Document], after: Iterable[Document]) -> list[Loaded]:
    """Return what proxies must say once a namespace's objects are these instead of those.

    What went must be gone, too: otherwise what is applied next could seem to be in force by
    what was there before.
    """
    had, have = _of_all(before), _of_all(after)
    came = [entry for entry in have if entry not in had]
    went = [entry for entry in had if not entry.default and not any(map(entry.shares, have))]
    return came + [replace(entry, gone=not entry.gone) for entry in went]


def _of_all(documents: Iterable[Document]) -> list[Loaded]:
    kept = list(documents)
    ports = {
        document["metadata"]["name"]: {port["port"] for port in document["spec"].get("ports", [])}
        for document in kept
        if document["kind"] == "Service"
    }
    exempt = _exempted(kept)
    return [entry for document in kept for entry in awaited(document, ports, exempt)]


def _exempted(documents: Sequence[Document]) -> tuple[str, ...]:
    """The workloads that some PeerAuthentication of their own lets plain text in to."""
    labels = [
        document["spec"]["template"]["metadata"]["labels"]
        for document in documents
        if document["kind"] == "Deployment"
    ]
    versions = [one for one in labels if one.keys() >= {"app", "version"}]
    exempt: set[str] = set()
    for document in documents:
        if document["kind"] != "PeerAuthentication" or not _takes_plain_text(document):
            continue
        selected = document["spec"].get("selector", {}).get("matchLabels", {})
        exempt |= {*_selected(document["spec"])} - {SIDECARS}
        if selected:
            # A selector may name several: those whose pods have its labels.
            alike = [one for one in versions if selected.items() <= one.items()]
            exempt |= {f"{one['app']}-{one['version']}" for one in alike}
    return tuple(sorted(exempt))


def awaited(
    document: Document,
    ports: Mapping[str, Collection[int]] = MappingProxyType({}),
    exempt: tuple[str, ...] = (),
) -> list[Loaded]:
    """Return what proxies must say once they have loaded an object; empty for other kinds.

    ``ports`` are those of the Services that are there: a route to another port of them is
    loaded by nobody. ``exempt`` are workloads that some PeerAuthentication of their own lets
    plain text in to.
    """
    read = {
        "Service": _ports,
        "DestinationRule": _subsets,
        "VirtualService": lambda service: _routes(service, ports),
        "PeerAuthentication": lambda policy: _modes(policy, exempt),
        "AuthorizationPolicy": _policy,
    }.get(document["kind"])
    return read(document) if read else []


def without_endpoint(address: str) -> Loaded:
    """Return what proxies must say once none of them sends anything to a pod's address."""
    return Loaded(rf"^outbound\|.*::{re.escape(address)}$", gone=True)


def with_endpoints(service: str, port: int, addresses: Iterable[str]) -> list[Loaded]:
    """Return what proxies must say once they send what is for a Service to pods' addresses."""
    cluster = rf"outbound\|{port}\|\|{re.escape(service)}\.{SUFFIX}"
    known = [rf"^{cluster}::{re.escape(address)}$" for address in addresses]
    return [Loaded(pattern, (SIDECARS,)) for pattern in (rf'"cluster": "{cluster}"', *known)]


def _ports(service: Document) -> list[Loaded]:
    name = re.escape(service["metadata"]["name"])
    return [
        # Some sidecars keep the cluster of a port that went: istiod does not tell them so.
        Loaded(rf"outbound\|{port['port']}\|\|{name}\.{SUFFIX}::warm", (SIDECARS,), default=True)
        for port in service["spec"].get("ports", [])
    ]


def _subsets(rule: Mapping[str, Any]) -> list[Loaded]:
    # A cluster is listed once it is warm, which is when its endpoints are known.
    host = re.escape(rule["spec"]["host"])
    return [
        Loaded(rf"outbound\|\d+\|{re.escape(entry['name'])}\|{host}\.{SUFFIX}::warm")
        for entry in rule["spec"].get("subsets", [])
    ]


def _routes(service: Document, ports: Mapping[str, Collection[int]]) -> list[Loaded]:
    spec = service["spec"]
    everyone = (GATEWAY,) if spec.get("gateways", ["mesh"]) != ["mesh"] else (SIDECARS,)
    loaded: list[Loaded] = []
    served: set[tuple[str, object]] = set()
    for route in [*spec.get("http", []), *spec.get("tcp", [])]:
        where = _sources(route)
        ways = [(entry["destination"], False) for entry in route.get("route", [])]
        copies = [(to, True) for to in _mirrors(route)]
        for to, mirrored in ways + copies:
            port, subset = to.get("port", {}).get("number", r"\d+"), to.get("subset", "")
            if port not in ports.get(to["host"], [port]):
                continue
            cluster = rf"outbound\|{port}\|{re.escape(subset)}\|{re.escape(to['host'])}\.{SUFFIX}"
            # By itself, or as one of several by weight; istiod gives each copy its share.
            alone, copy = rf'"cluster": "{cluster}"', r',\s*"runtime_fraction"'
            pattern = rf'{alone}(?!{copy})|"name": "{cluster}",\s*"weight"'
            if mirrored:
                pattern = alone + copy
            # Without a VirtualService, a sidecar sends to the whole Service, and no copies.
            default = everyone == (SIDECARS,) and not subset and not mirrored
            # Who has a route of its own to the port gets no further.
            without = () if where else tuple(sorted(name for name, p in served if p == port))
            loaded.append(Loaded(pattern, where or everyone, default=default, without=without))
            if not mirrored:
                faults = [rf"(?:{pattern}){told}" for told in _faults(route)]
                loaded += [Loaded(fault, where or everyone, without=without) for fault in faults]
            served |= {(name, port) for name in where}
    return loaded


def _faults(route: Mapping[str, Any]) -> list[str]:
    """What proxies say of the faults of a route, behind where it leads and before the next one."""
    same = r'(?:(?!"match": \{).)*?'
    fault = route.get("fault", {})
    delay = fault.get("delay", {}).get("fixedDelay")
    status = fault.get("abort", {}).get("httpStatus")
    told = []
    if delay:
        # Envoy tells seconds, with as many digits as it takes.
        seconds = re.escape(delay) if re.fullmatch(r"\d+s", delay) else r"[\d.]+s"
        told.append(rf'{same}"fixed_delay": "{seconds}"')
    if status:
        told.append(rf'{same}"http_status": {status}\b')
    return told


def _mirrors(route: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Where a route sends copies of what it routes."""
    one = [route["mirror"]] if "mirror" in route else []
    return one + [entry["destination"] for entry in route.get("mirrors", [])]


def _sources(route: Mapping[str, Any]) -> tuple[str, ...]:
    """The workloads that a route is for, where each of its matches names one."""
    chosen = [_workload(match.get("sourceLabels", {})) for match in route.get("match", [])]
    return tuple(name for name in chosen if name) if all(chosen) else ()


def _modes(policy: Mapping[str, Any], exempt: tuple[str, ...]) -> list[Loaded]:
    spec = policy.get("spec") or {}
    where = _selected(spec)
    strict = Loaded(_plain(r"\d+"), where, gone=True, without=exempt)
    loaded = [strict] if _mode(spec) == "STRICT" else []
    # So it is without any policy, too.
    return loaded + [Loaded(_plain(port), where, default=True) for port in _exempt(policy)]


def _mode(spec: Mapping[str, Any]) -> str | None:
    return (spec.get("mtls") or {}).get("mode")


def _takes_plain_text(policy: Mapping[str, Any]) -> bool:
    """Whether a PeerAuthentication lets plain text in, at a port or at all it has none for."""
    mode = _mode(policy.get("spec") or {})
    return bool(_exempt(policy)) or mode in ("PERMISSIVE", "DISABLE")


def _exempt(policy: Mapping[str, Any]) -> list[str]:
    """The ports that a PeerAuthentication lets plain text in at."""
    ports = (policy.get("spec") or {}).get("portLevelMtls") or {}
    return [str(port) for port, entry in ports.items() if entry.get("mode") == "PERMISSIVE"]


def _plain(port: str) -> str:
    # Only a server that lets plain text in has a filter chain of the port for it.
    return rf'"destination_port": {port},\s*"transport_protocol": "raw_buffer"'


def _selected(spec: Mapping[str, Any]) -> tuple[str, ...]:
    return (_workload(spec.get("selector", {}).get("matchLabels", {})) or SIDECARS,)


def _workload(labels: Mapping[str, str]) -> str | None:
    """The one workload that these labels name, or None where it may be several."""
    named = labels.keys() == {"app", "version"}
    return f"{labels['app']}-{labels['version']}" if named else None


def _policy(policy: Mapping[str, Any]) -> list[Loaded]:
    name = re.escape(policy["metadata"]["name"])
    return [Loaded(rf"ns\[NAMESPACE\]-policy\[{name}\]-rule", _selected(policy.get("spec", {})))]
