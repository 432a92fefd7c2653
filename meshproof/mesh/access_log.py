"""Calls as the servers' proxies logged them: who connected, and as whom (T3).

The mesh's configuration has the proxies log JSON, with the URI in the certificate that
the peer showed; Istio's own format has no identity in it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from meshproof.cluster.cluster import Cluster
from meshproof.mesh.injection import PROXY

#: How Envoy names the cluster of calls that come in.
INBOUND = "inbound|"
#: Logs read at once.
AT_ONCE = 8


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
    calls = []
    for line in log.splitlines():
        if not line.startswith("{"):
            continue  # the agent beside the proxy writes there too
        entry = json.loads(line)
        if not (entry.get("upstream_cluster") or "").startswith(INBOUND):
            continue
        calls.append(
            Call(
                server,
                entry["downstream_direct_remote_address"].rpartition(":")[0],
                entry["downstream_peer_uri_san"] or "",
                "HTTP" if entry["protocol"] else "TCP",
                entry["path"] or "",
                entry["start"],
            )
        )
    return calls


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


def read_calls(cluster: Cluster, namespace: str, pods: Iterable[str], seconds: int) -> list[Call]:
    """Read what the proxies of some pods logged of calls that came in, this far back."""

    def read(pod: str) -> list[Call]:
        log = cluster.core.read_namespaced_pod_log(
            pod, namespace, container=PROXY, since_seconds=seconds
        )
        return inbound_calls(pod, log)

    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        return [call for calls in pool.map(read, pods) for call in calls]
