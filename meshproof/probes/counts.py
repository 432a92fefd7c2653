"""Counts at a proxy: what it served and what it denied (U6).

Istio leaves both out of what a proxy counts; the mesh's configuration switches
them on. The kubelet's probes do not count: the agent beside the proxy answers them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from meshproof.cluster.cluster import Cluster

SERVED = re.compile(r"cluster\.inbound\|\d+\|\|;?\.upstream_rq_total")
DENIED = re.compile(r".*\brbac\.denied")


def parse_stats(text: str) -> dict[str, int]:
    """Read Envoy's ``/stats``: a name and a number a line; histograms are left out."""
    pairs = (line.rpartition(": ") for line in text.splitlines())
    return {name: int(value) for name, _, value in pairs if value.isdigit()}


def total(stats: Mapping[str, int], pattern: re.Pattern[str]) -> int:
    """Add up the counts whose names match.

    Raises ``ValueError`` where none does: a count that is not kept must not look like zero.
    """
    found = [value for name, value in stats.items() if pattern.fullmatch(name)]
    if not found:
        raise ValueError(f"the proxy keeps no count like {pattern.pattern}")
    return sum(found)


def stats_of(cluster: Cluster, namespace: str, pod: str) -> dict[str, int]:
    """Ask a pod's proxy for all its counts. Raises ``CommandFailed`` where it does not answer."""
    done = cluster.exec(namespace, pod, "istio-proxy", "pilot-agent", "request", "GET", "stats")
    return parse_stats(done.stdout)


def requests_served(cluster: Cluster, namespace: str, pod: str) -> int:
    """Count the requests that a pod's proxy has passed to the application."""
    return total(stats_of(cluster, namespace, pod), SERVED)


def denials(cluster: Cluster, namespace: str, pod: str) -> int:
    """Count the requests and connections that a pod's proxy has denied by policy."""
    return total(stats_of(cluster, namespace, pod), DENIED)
