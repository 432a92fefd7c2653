"""Hosts as they are typed, the pods that serve them, and who may be asked as their client."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from meshproof.cluster.pods import pod_state
from meshproof.errors import EnvironmentBroken, UsageFailure

Manifest = Mapping[str, Any]
#: The domain of the Services' names; Istio's and Kubernetes's default.
DOMAIN = "cluster.local"
#: Annotations that make a port's inbound traffic go round the sidecar.
ONLY_PORTS = "traffic.sidecar.istio.io/includeInboundPorts"
NOT_PORTS = "traffic.sidecar.istio.io/excludeInboundPorts"


@dataclass(frozen=True)
class Host:
    """What was asked for: a Service, and one of its ports or (None) all."""

    service: str
    namespace: str
    port: int | None = None

    def __str__(self) -> str:
        """Return the host in full, as the mesh names it."""
        return f"{self.service}.{self.namespace}.svc.{DOMAIN}"


@dataclass(frozen=True)
class Pod:
    """A pod: its addresses, its labels, and whether it has a proxy.

    ``replica_set`` is the name of the ReplicaSet that made it, or "".
    """

    name: str
    namespace: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    addresses: frozenset[str]
    proxied: bool
    ready: bool
    replica_set: str = ""

    def __str__(self) -> str:
        """Return the pod as istioctl names it."""
        return f"{self.name}.{self.namespace}"

    def goes_round(self, port: int) -> bool:
        """Whether what comes in at a port does not pass the pod's proxy."""
        only = self.annotations.get(ONLY_PORTS, "*").strip()
        kept = only == "*" or str(port) in _words(only)
        return not kept or str(port) in _words(self.annotations.get(NOT_PORTS, ""))


@dataclass(frozen=True)
class Server:
    """A pod that serves a port of a host, and the port of its own that it serves it at."""

    pod: Pod
    port: int


def parse_host(text: str, namespace: str) -> Host:
    """Read a host as typed: a Service's name, short, or in part or whole the mesh's, and a port.

    ``namespace`` is that of a name without one. Raises ``UsageFailure``.
    """
    name, colon, port = text.partition(":")
    words = name.removesuffix(".").split(".")
    rest = [*words[2:], *["svc", *DOMAIN.split(".")][len(words[2:]) :]]
    if not all(words) or rest != ["svc", *DOMAIN.split(".")]:
        raise UsageFailure(
            f"“{text}” is not the host of a Service: type NAME, NAME.NAMESPACE or "
            f"NAME.NAMESPACE.svc.{DOMAIN}, and :PORT for one port only."
        )
    if colon and not (port.isascii() and port.isdigit()):
        raise UsageFailure(f"“{port}” in “{text}” is not a port number.")
    where = words[1] if len(words) > 1 else namespace
    return Host(words[0], where, int(port) if colon else None)


def read_pod(manifest: Manifest) -> Pod:
    """Read a pod as the API server has it."""
    metadata, state = manifest["metadata"], pod_state(manifest)
    addresses = {entry["ip"] for entry in manifest.get("status", {}).get("podIPs", [])}
    return Pod(
        state.name,
        metadata["namespace"],
        metadata.get("labels", {}),
        metadata.get("annotations", {}),
        frozenset(addresses),
        state.proxied,
        state.settled,
        next(iter(_owners(manifest, "ReplicaSet")), ""),
    )


def _owners(manifest: Manifest, kind: str) -> list[str]:
    """Name the owners of an object that are of this kind."""
    owners = manifest["metadata"].get("ownerReferences", [])
    return [owner["name"] for owner in owners if owner["kind"] == kind]


def find_service(host: Host, services: Iterable[Manifest]) -> Manifest:
    """Return a host's Service. Raises ``UsageFailure``, naming those that there are."""
    by_name = {service["metadata"]["name"]: service for service in services}
    if host.service not in by_name:
        there = ", ".join(sorted(by_name)) or "none"
        raise UsageFailure(
            f"There is no Service “{host.service}” in namespace {host.namespace}; "
            f"there are: {there}."
        )
    return by_name[host.service]


def ports_of(host: Host, service: Manifest) -> list[Manifest]:
    """Return the Service's TCP ports that were asked for. Raises ``UsageFailure`` for none."""
    ports = [p for p in service["spec"].get("ports", []) if p.get("protocol", "TCP") == "TCP"]
    chosen = [port for port in ports if host.port in (None, port["port"])]
    if not chosen:
        there = ", ".join(str(port["port"]) for port in ports) or "none"
        asked = "TCP port" if host.port is None else f"port {host.port}"
        raise UsageFailure(f"Service {host} has no {asked}; it has: {there}.")
    return chosen


def servers_of(
    host: Host, port: Manifest, slices: Iterable[Manifest], pods: Sequence[Pod]
) -> list[Server]:
    """Return the pods that serve a port of a host, by name.

    These are the ready endpoints of the Service's EndpointSlices. Raises
    ``EnvironmentBroken`` where there is none, or one that is no pod.
    """
    by_name = {pod.name: pod for pod in pods}
    found: dict[str, Server] = {}
    for part in slices:
        if part["metadata"].get("labels", {}).get("kubernetes.io/service-name") != host.service:
            continue
        numbers = {p.get("name") or "": p["port"] for p in part.get("ports") or []}
        number = numbers.get(port.get("name", ""))
        for endpoint in part.get("endpoints") or []:
            if number is None or not endpoint.get("conditions", {}).get("ready", True):
                continue
            target = endpoint.get("targetRef", {})
            if target.get("kind") != "Pod" or target["name"] not in by_name:
                raise EnvironmentBroken(
                    f"An endpoint of {host}:{port['port']} is no pod of namespace "
                    f"{host.namespace}: {', '.join(endpoint['addresses'])}."
                )
            found[target["name"]] = Server(by_name[target["name"]], number)
    if not found:
        raise EnvironmentBroken(
            f"{host}:{port['port']} has no ready pod behind it: there is no server to ask."
        )
    return [found[name] for name in sorted(found)]


def gateways_to(
    host: Host, virtual_services: Iterable[Manifest], gateways: Sequence[Manifest]
) -> list[Mapping[str, str]]:
    """Return the selectors of the gateways that a VirtualService routes a host through."""
    selectors = {
        (gateway["metadata"]["namespace"], gateway["metadata"]["name"]): selector
        for gateway in gateways
        if (selector := _spec(gateway).get("selector"))
    }
    found = []
    for virtual_service in virtual_services:
        namespace = virtual_service["metadata"]["namespace"]
        if str(host) not in _destinations(virtual_service, namespace):
            continue
        for name in _spec(virtual_service).get("gateways", []):
            where, slash, gateway = name.rpartition("/")
            key = (where if slash else namespace, gateway)
            if key in selectors:
                found.append(selectors[key])
    return found


def _destinations(virtual_service: Manifest, namespace: str) -> set[str]:
    spec = _spec(virtual_service)
    routes = [rule for kind in ("http", "tls", "tcp") for rule in spec.get(kind, [])]
    hosts = [route["destination"]["host"] for rule in routes for route in rule.get("route", [])]
    return {host if "." in host else f"{host}.{namespace}.svc.{DOMAIN}" for host in hosts}


def _spec(manifest: Manifest) -> Manifest:
    """What is in an object: nothing need be."""
    return manifest.get("spec") or {}


def front_pods(
    namespace: str,
    services: Iterable[Manifest],
    pods: Sequence[Pod],
    virtual_services: Sequence[Manifest],
    gateways: Sequence[Manifest],
) -> list[Pod]:
    """Return the pods of a namespace that users reach through a gateway: its likely callers."""
    found = []
    for service in services:
        selector = service["spec"].get("selector")
        host = Host(service["metadata"]["name"], namespace)
        if selector and gateways_to(host, virtual_services, gateways):
            found += [pod for pod in pods if selector.items() <= pod.labels.items()]
    return found


def choose_client(
    host: Host,
    servers: Sequence[Server],
    *,
    gateway_pods: Iterable[Pod],
    fronts: Iterable[Pod],
    pods: Iterable[Pod],
) -> Pod:
    """Choose whose proxy is asked as the client where none was named; the first by name of several.

    A gateway that the host is routed through; else a pod of the host's namespace
    that users reach through one; else any other pod of the namespace; else a
    server, which can call itself. Raises ``UsageFailure`` where none of them has a proxy.
    """
    serving = {server.pod.name for server in servers}
    groups = (
        gateway_pods,
        [pod for pod in fronts if pod.name not in serving],
        [pod for pod in pods if pod.name not in serving],
        [server.pod for server in servers],
    )
    for group in groups:
        able = [pod for pod in group if pod.proxied and pod.ready]
        if able:
            return min(able, key=str)
    raise UsageFailure(
        f"No pod of namespace {host.namespace} has a proxy that could be asked as the client "
        f"of {host}: name one with --client NAME.NAMESPACE."
    )


def named_client(
    client: str,
    namespace: str,
    pods: Sequence[Pod],
    deployments: Iterable[Manifest],
    replica_sets: Iterable[Manifest],
) -> Pod:
    """Return the pod of this name, or the first ready one of the Deployment of this name.

    A Deployment's pods are those that its ReplicaSets made: what its selector matches
    may be another's as well. Raises ``UsageFailure`` where there is neither, or no proxy
    in it, ``EnvironmentBroken`` where no pod of it is ready.
    """
    owned = [item for item in replica_sets if client in _owners(item, "Deployment")]
    made = {item["metadata"]["name"] for item in owned}
    chosen = [pod for pod in pods if pod.name == client or pod.replica_set in made]
    if not chosen and client not in {item["metadata"]["name"] for item in deployments}:
        raise UsageFailure(
            f"There is neither a Deployment nor a pod “{client}” in namespace {namespace}."
        )
    ready = [pod for pod in chosen if pod.ready]
    if not ready:
        raise EnvironmentBroken(f"No pod of “{client}” in namespace {namespace} is ready.")
    pod = min(ready, key=str)
    if not pod.proxied:
        raise UsageFailure(
            f"Pod {pod} has no proxy: what it sends is its own affair, and nothing can be asked."
        )
    return pod


def parse_client(text: str, namespace: str) -> tuple[str, str]:
    """Read a client as typed, NAME or NAME.NAMESPACE; returns both. Raises ``UsageFailure``."""
    name, dot, where = text.partition(".")
    if not name or "." in where or (dot and not where):
        raise UsageFailure(f"“{text}” is not a workload: type NAME or NAME.NAMESPACE.")
    return name, where or namespace


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]
