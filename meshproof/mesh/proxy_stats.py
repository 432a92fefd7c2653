"""Counts at a proxy: what it served, what it denied by policy, what mutual TLS refused (U6, T2).

Istio leaves most of these out of what a proxy counts; the suites' pods ask for them
(``meshproof/cluster/observability.py``). The kubelet's probes do not count: the agent beside the
proxy answers them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.observability import ANNOTATION
from meshproof.errors import EnvironmentBroken
from meshproof.mesh.admin import ask_proxy
from meshproof.mesh.capabilities import Capability
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
#: What a scenario must say that it needs to read a count.
NEEDED = {
    SERVED: Capability.REQUEST_COUNTS,
    PASSED_ON: Capability.REQUEST_COUNTS,
    DENIED: Capability.DENIAL_COUNTS,
    NO_CHAIN: Capability.REFUSAL_COUNTS,
    NOT_VERIFIED: Capability.REFUSAL_COUNTS,
}


def parse_stats(answer: Mapping[str, Any]) -> dict[str, int]:
    """Read Envoy's ``/stats?format=json``: a number by name; histograms are left out."""
    return {entry["name"]: entry["value"] for entry in answer["stats"] if "name" in entry}


def total(stats: Mapping[str, int], pattern: re.Pattern[str]) -> int:
    """Add up the counts whose names match.

    Raises ``EnvironmentBroken`` where none does, unless it is made on use: a count that is
    not kept must not look like zero.
    """
    found = matching(stats, pattern)
    if not found and pattern not in MADE_ON_USE:
        raise EnvironmentBroken(
            f"The proxies keep no count like {pattern.pattern}, which Istio has them keep by "
            f"itself or by the annotation {ANNOTATION} of their pods."
        )
    return sum(found)


def matching(stats: Mapping[str, int], pattern: re.Pattern[str]) -> list[int]:
    """Return the counts whose names match."""
    return [value for name, value in stats.items() if pattern.fullmatch(name)]


def stats_of(cluster: Cluster, namespace: str, pod: str) -> dict[str, int]:
    """Ask a pod's proxy for all its counts.

    Raises ``EnvironmentBroken`` where it does not answer.
    """
    (answer,) = ask_proxy(cluster, namespace, pod, ["/stats?format=json"])
    return parse_stats(answer)


@dataclass(frozen=True)
class ProxyCounts:
    """What the proxies of a namespace count, as far as a scenario says that it needs it."""

    cluster: Cluster
    namespace: str
    needs: frozenset[Capability]

    def by_pod(self, pods: Iterable[str], *patterns: re.Pattern[str]) -> dict[str, dict[str, int]]:
        """Ask the proxies of some pods for all their counts, all at once.

        Raises ``LookupError`` for a count that the scenario does not say it needs, and else as
        `stats_of` does.
        """
        for pattern in patterns:
            if NEEDED[pattern] not in self.needs:
                raise LookupError(f"The scenario lacks the tag @{NEEDED[pattern].tag}.")
        names = list(pods)
        with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
            asked = pool.map(lambda pod: stats_of(self.cluster, self.namespace, pod), names)
            return dict(zip(names, asked, strict=True))

    def sums(self, pods: Iterable[str], *patterns: re.Pattern[str]) -> tuple[int, ...]:
        """Add up several counts over the proxies of some pods, each asked once.

        Raises as `total` and `by_pod` do.
        """
        asked = self.by_pod(pods, *patterns).values()
        return tuple(sum(total(stats, pattern) for stats in asked) for pattern in patterns)

    def sum(self, pods: Iterable[str], pattern: re.Pattern[str]) -> int:
        """Add up one count over the proxies of some pods. Raises as `sums` does."""
        (added,) = self.sums(pods, pattern)
        return added
