"""Where a proxy's configuration is not what istiod would send it, was refused, or cannot come."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from meshproof.tls.envoy import (
    INBOUND,
    Destination,
    Json,
    Outbound,
    Resources,
    cluster_name,
    destinations,
    endpoints,
    outbound,
    server_mode,
)
from meshproof.tls.istiod import CLUSTERS, ENDPOINTS, LISTENERS, Intended
from meshproof.tls.modes import ClientMode
from meshproof.tls.policies import NOBODY, Policy

#: What Envoy shows in place of a secret.
REDACTED = "[redacted]"


def of_server(
    pod: object, port: int, policy: Policy, loaded: Resources, intended: Intended | None
) -> tuple[str, ...]:
    """Say what is not as it should be with what a server's proxy accepts at a port.

    Raises ``ValueError`` where listeners have a shape that istiod does not make.
    """
    if intended is None:
        return (_unconnected("server", pod),)
    found = _refusals("server", pod, intended, [LISTENERS])
    wanted = intended.resources.get(LISTENERS, {})
    there = first_difference(wanted.get(INBOUND), loaded.get(INBOUND))
    if there:
        modes = server_mode(wanted, port), server_mode(loaded, port)
        what = f"{modes[0]}, and {modes[1]} is loaded" if modes[0] is not modes[1] else there
        found.append(f"the proxy of server {pod} has not what istiod would send it: {what}")
    mode = server_mode(wanted, port)
    if mode is not policy.mode:
        found.append(f"{policy}, and istiod would send {mode} to the proxy of server {pod}")
    return tuple(found)


def of_client(
    pod: object,
    destination: Destination,
    loaded: Resources,
    known: Resources,
    intended: Intended | None,
) -> tuple[str, ...]:
    """Say what is not as it should be with what a client's proxy sends to a destination.

    ``loaded`` are its clusters, ``known`` its endpoints. Raises ``ValueError`` where
    clusters have a shape that istiod does not make.
    """
    if intended is None:
        return (_unconnected("client", pod),)
    found = _refusals("client", pod, intended, [CLUSTERS, ENDPOINTS])
    name = cluster_name(destination)
    wanted = intended.resources.get(CLUSTERS, {})
    begin = f"the proxy of client {pod} has not what istiod would send it"
    there = first_difference(wanted.get(name), loaded.get(name))
    if there:
        told = [_told(cluster) for cluster in (wanted.get(name), loaded.get(name))]
        what = f"{told[0]}, and {told[1]} is loaded" if told[0] != told[1] else there
        found.append(f"{begin}: {what}")
    if not destination.subset:
        found += [f"{begin}: {what}" for what in _subsets(destination, wanted, loaded)]
    expected = endpoints(intended.resources.get(ENDPOINTS, {}).get(name, {}))
    there_now = endpoints(known.get(name, {}))
    found += [
        f"the proxy of client {pod} does not know {address}, an endpoint that istiod would send it"
        for address in sorted(expected.keys() - there_now.keys())
    ]
    found += [
        f"the proxy of client {pod} knows {address}, an endpoint that istiod would not send it"
        for address in sorted(there_now.keys() - expected.keys())
    ]
    found += [
        f"the proxy of client {pod} does not know whether endpoint {address} takes mutual TLS"
        for address in sorted(expected.keys() & there_now.keys())
        if expected[address] is not there_now[address]
    ]
    return tuple(found)


def of_istiod(pod: object, loaded: Outbound, mode: str) -> tuple[str, ...]:
    """Say where istiod itself keeps to an older DestinationRule, which its proxies then have too.

    ``mode`` is the TLS mode that the rule asks for now.
    """
    if ClientMode(mode).shown == loaded.mode.shown:
        return ()
    return (
        f"DestinationRule {loaded.rule} asks for {mode}, and istiod would still send {loaded.mode} "
        f"to the proxy of client {pod}: it makes it anew when the rule is changed",
    )


def first_difference(wanted: Any, loaded: Any, path: str = "") -> str:
    """Say where two resources differ, and how; "" where they do not, as far as Envoy shows it."""
    if loaded == REDACTED and wanted is not None:
        return ""
    if isinstance(wanted, dict) and isinstance(loaded, dict):
        keys = sorted(wanted.keys() | loaded.keys())
        parts = [(wanted.get(key), loaded.get(key), f"{path}.{key}".lstrip(".")) for key in keys]
    elif isinstance(wanted, list) and isinstance(loaded, list) and len(wanted) == len(loaded):
        pairs = enumerate(zip(wanted, loaded, strict=True))
        parts = [(one, other, f"{path}[{index}]") for index, (one, other) in pairs]
    elif wanted == loaded:
        return ""
    else:
        return f"{_short(wanted)}, and {_short(loaded)} is loaded" + (f" (at {path})" * bool(path))
    return next(filter(None, (first_difference(*part) for part in parts)), "")


def _short(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return "something else" if isinstance(value, dict) else f"“{value}”"


def _told(cluster: Json | None) -> str:
    """What a cluster comes to, for a reader."""
    if cluster is None:
        return "nothing"
    read = outbound(cluster)
    of = "of no DestinationRule" if read.rule == NOBODY else f"of DestinationRule {read.rule}"
    return f"{'auto mTLS' if read.mode is ClientMode.NONE else read.mode} {of}"


def _subsets(destination: Destination, wanted: Resources, loaded: Resources) -> list[str]:
    """Say which subsets of a host's port are on one side alone."""
    would, has = (
        {d.subset for d in destinations(clusters, destination.host) if d.port == destination.port}
        for clusters in (wanted, loaded)
    )
    return [f"subset {name}, which is not loaded" for name in sorted(would - has)] + [
        f"no subset {name}, which is loaded" for name in sorted(has - would)
    ]


def _refusals(role: str, pod: object, intended: Intended, types: Iterable[str]) -> list[str]:
    return [
        f"the proxy of {role} {pod} refused what istiod sent it last ({intended.refused[name]})"
        for name in types
        if name in intended.refused
    ]


def _unconnected(role: str, pod: object) -> str:
    return f"the proxy of {role} {pod} is not connected to istiod: it gets no changes"
