"""Counts at a proxy: what it served, what it denied by policy, what mutual TLS refused (U6, T2).

Istio leaves these out of what a proxy counts; the mesh's configuration switches them
on. The kubelet's probes do not count: the agent beside the proxy answers them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from meshproof.cluster.cluster import Cluster
from meshproof.errors import EnvironmentBroken
from meshproof.mesh.admin import ask_proxy
from meshproof.mesh.loaded import AT_ONCE

#: Requests that were passed to the application.
SERVED = re.compile(r"cluster\.inbound\|\d+\|\|;?\.upstream_rq_total")
#: Bytes that were passed to the application, by any protocol. (A connection to it says
#: nothing: for TCP a proxy opens one before the caller's handshake is over.)
PASSED_ON = re.compile(r"cluster\.inbound\|\d+\|\|;?\.upstream_cx_tx_bytes_total")
#: Requests and connections that a policy denied.
DENIED = re.compile(r".*\brbac\.denied")
#: Connections in plain text to a port that takes mutual TLS only.
NO_CHAIN = re.compile(r"listener\..*_15006\.no_filter_chain_match")
#: TLS handshakes whose certificate the mesh did not sign, or that showed none.
NOT_VERIFIED = re.compile(r"listener\..*_15006\.ssl\.fail_verify_(error|no_cert)")
#: Envoy makes a cluster's counts with its first connection: until then there is none, and
#: that is zero. Whoever relies on one first sees it rise.
MADE_ON_USE = (SERVED, PASSED_ON)


def parse_stats(answer: Mapping[str, Any]) -> dict[str, int]:
    """Read Envoy's ``/stats?format=json``: a number by name; histograms are left out."""
    return {entry["name"]: entry["value"] for entry in answer["stats"] if "name" in entry}


def total(stats: Mapping[str, int], pattern: re.Pattern[str]) -> int:
    """Add up the counts whose names match.

    Raises ``EnvironmentBroken`` where none does, unless it is made on use: a count that is
    not kept must not look like zero.
    """
    found = [value for name, value in stats.items() if pattern.fullmatch(name)]
    if not found and pattern not in MADE_ON_USE:
        raise EnvironmentBroken(
            f"The proxies keep no count like {pattern.pattern}: the mesh's configuration must "
            "switch it on, as proxyStatsMatcher in manifests/mesh/istio-operator.yaml does."
        )
    return sum(found)


def stats_of(cluster: Cluster, namespace: str, pod: str) -> dict[str, int]:
    """Ask a pod's proxy for all its counts.

    Raises ``EnvironmentBroken`` where it does not answer.
    """
    (answer,) = ask_proxy(cluster, namespace, pod, ["/stats?format=json"])
    return parse_stats(answer)


def stats_by_pod(
    cluster: Cluster, namespace: str, pods: Iterable[str]
) -> dict[str, dict[str, int]]:
    """Ask the proxies of some pods for all their counts, all at once. Raises as `stats_of` does."""
    names = list(pods)
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        asked = pool.map(lambda pod: stats_of(cluster, namespace, pod), names)
        return dict(zip(names, asked, strict=True))


def counts(
    cluster: Cluster, namespace: str, pods: Iterable[str], *patterns: re.Pattern[str]
) -> tuple[int, ...]:
    """Add up several counts over the proxies of some pods, each asked once.

    Raises as `total` and `stats_of` do.
    """
    asked = stats_by_pod(cluster, namespace, pods).values()
    return tuple(sum(total(stats, pattern) for stats in asked) for pattern in patterns)


def count(cluster: Cluster, namespace: str, pods: Iterable[str], pattern: re.Pattern[str]) -> int:
    """Add up one count over the proxies of some pods. Raises as `counts` does."""
    (added,) = counts(cluster, namespace, pods, pattern)
    return added
