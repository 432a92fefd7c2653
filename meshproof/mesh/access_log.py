"""Calls as proxies logged them: who connected and as whom (T3), and where a call went (C6).

The sidecars log JSON, with the URI in the certificate that the peer showed, as the suites' own
EnvoyFilter has them do (``meshproof/cluster/observability.py``), or a mesh's settings that are told
to. Istio's own format has no identity in it.
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from meshproof.cluster.cluster import OWNER, Cluster
from meshproof.cluster.pods import PROXY

#: What is read of a call that came in, and of one that went out.
FIELDS = frozenset({
    "start", "protocol", "path", "response_flags", "downstream_direct_remote_address",
    "downstream_peer_uri_san", "upstream_cluster", "upstream_host",
})  # fmt: skip
#: The field of the lines that are logged for the suites.
MARKER = "logged_for"
#: How Envoy names the cluster of calls that come in.
INBOUND = "inbound|"
#: Logs read at once.
AT_ONCE = 8
#: Seconds by which what is read of a log reaches further back than what is looked for.
MARGIN = 5


@dataclass(frozen=True)
class Call:
    """One call that a server's proxy let in.

    ``server`` is the pod, ``address`` that of the peer, ``identity`` the peer's SPIFFE id
    or "" where it showed none. ``protocol`` is HTTP or TCP; a TCP call is logged when its
    connection ends. ``start`` is when it began, UTC in ISO 8601 (it sorts as text).
    """

    server: str
    address: str
    identity: str
    protocol: str
    path: str
    start: str


def inbound_calls(server: str, log: str) -> list[Call]:
    """Read the calls that came in out of a proxy's log; other lines are left out."""
    return [
        Call(
            server,
            entry["downstream_direct_remote_address"].rpartition(":")[0],
            entry["downstream_peer_uri_san"] or "",
            "HTTP" if entry["protocol"] else "TCP",
            entry["path"] or "",
            entry["start"],
        )
        for entry in _entries(log)
        if _came_in(entry)
    ]


@dataclass(frozen=True)
class Sent:
    """Where a client's proxy sent a call: an address, or "" where it had nowhere to send it to.

    ``flags`` are Envoy's own: `NR` no route, `UH` no endpoint.
    """

    to: str
    flags: str


def outbound_calls(log: str) -> dict[str, Sent]:
    """Read where calls went out of their proxy's log, by the caller's address and port."""
    return {
        entry["downstream_direct_remote_address"]: Sent(
            (entry["upstream_host"] or "").rpartition(":")[0], entry["response_flags"] or ""
        )
        for entry in _entries(log)
        if not _came_in(entry)
    }


def missing_fields(log: str) -> list[str]:
    """Name the fields that calls in a log lack, of those that are read; other lines count not."""
    return sorted({field for entry in _entries(log) for field in FIELDS - entry.keys()})


def _entries(log: str) -> list[Mapping[str, Any]]:
    # The agent beside the proxy writes there too, and what the mesh's own settings log; where these
    # are told to log the same, a call has the same line twice.
    lines = dict.fromkeys(log.splitlines())
    found = [json.loads(line) for line in lines if line.startswith("{") and MARKER in line]
    return [line for line in found if line.get(MARKER) == OWNER]


def _came_in(entry: Mapping[str, Any]) -> bool:
    return (entry.get("upstream_cluster") or "").startswith(INBOUND)


#: Caller, server, protocol and identity.
Acquaintance = tuple[str, str, str, str]


def acquaintances(
    calls: Iterable[Call], by_address: Mapping[str, str], by_pod: Mapping[str, str]
) -> Counter[Acquaintance]:
    """Count calls by who called whom, how and as whom.

    Workloads are named by the callers' addresses and the servers' pods; an address that
    is nobody's stands for itself.
    """
    return Counter(
        (by_address.get(c.address, c.address), by_pod[c.server], c.protocol, c.identity)
        for c in calls
    )


def seconds_since(begun: float) -> int:
    """How far back a log is to be read for calls made since a moment of `time.monotonic`."""
    return math.ceil(time.monotonic() - begun) + MARGIN


@dataclass(frozen=True)
class AccessLog:
    """What the proxies of a namespace log, for scenarios that say that they need it."""

    cluster: Cluster
    namespace: str

    def calls(self, pods: Iterable[str], seconds: int) -> list[Call]:
        """Read what the proxies of some pods logged of calls that came in, this far back."""
        logs = read_logs(self.cluster, self.namespace, pods, seconds)
        return [call for pod, log in logs.items() for call in inbound_calls(pod, log)]

    def sent(self, pods: Iterable[str], seconds: int) -> dict[str, Sent]:
        """Read where calls from some pods went, by the caller's address and port."""
        logs = read_logs(self.cluster, self.namespace, pods, seconds)
        return {local: sent for log in logs.values() for local, sent in outbound_calls(log).items()}


def read_logs(
    cluster: Cluster, namespace: str, pods: Iterable[str], seconds: int
) -> dict[str, str]:
    """Read what the proxies of some pods logged, this far back. Raises ``ApiException``."""
    names = list(pods)

    def read(pod: str) -> str:
        return str(
            cluster.core.read_namespaced_pod_log(
                pod, namespace, container=PROXY, since_seconds=seconds
            )
        )

    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        return dict(zip(names, pool.map(read, names), strict=True))
