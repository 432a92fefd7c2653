"""What proxies have loaded, asked of the proxies: whether a change is in force."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from meshproof.cluster.cluster import Cluster

#: Calls of `kubectl exec` at once; each costs some 0.2 s of the API server's time.
AT_ONCE = 8


@dataclass(frozen=True)
class Loaded:
    """What a proxy must have loaded, or must have dropped (``gone``), for a change to be in force.

    ``pattern`` is a regular expression on what Envoy says of its configuration
    and clusters, with ``NAMESPACE`` in it. ``where`` chooses the proxies by
    workload (``app-version``, or ``gateway``); empty means every one.
    """

    pattern: str
    where: tuple[str, ...] = ()
    gone: bool = False

    def concerns(self, workload: str) -> bool:
        """Whether the proxies of a workload are asked."""
        return not self.where or workload in self.where

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


def configuration_dumps(
    cluster: Cluster, pods: Iterable[tuple[str, str, str]]
) -> dict[tuple[str, str], str]:
    """Ask proxies, given by workload, namespace and pod, for their configuration and clusters.

    Raises ``CommandFailed`` where one does not answer.
    """

    def ask(pod: tuple[str, str, str]) -> tuple[tuple[str, str], str]:
        workload, namespace, name = pod
        said = [
            cluster.exec(
                namespace, name, "istio-proxy", "pilot-agent", "request", "GET", page
            ).stdout
            for page in ("config_dump", "clusters")
        ]
        return (workload, name), "\n".join(said)

    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        return dict(pool.map(ask, pods))


def subset(port: int, name: str, service: str) -> Loaded:
    """A subset of a service is loaded everywhere, with a healthy endpoint."""
    cluster = re.escape(f"outbound|{port}|{name}|{service}.NAMESPACE.svc.cluster.local")
    return Loaded(cluster + r"::[^:\s]+:\d+::health_flags::healthy")


def route(port: int, name: str, service: str, *where: str) -> Loaded:
    """The proxies of some workloads route to a subset of a service."""
    cluster = re.escape(f"outbound|{port}|{name}|{service}.NAMESPACE.svc.cluster.local")
    return Loaded(rf'"cluster": "{cluster}"', where)
