"""Proxies that end as they start, for want of what the kernel of their node gives them.

All proxies of a machine run as one user, whatever cluster they are of, and the kernel gives each
user so many instances of inotify. Envoy aborts where it gets none, and Istio's agent ends before
it starts Envoy; both say so in the container's log alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress

from kubernetes.client.exceptions import ApiException

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.pods import PROXY, PodState
from meshproof.errors import EnvironmentBroken

#: What Envoy says of it as it aborts, and Istio's agent, which starts it.
NO_INSTANCE = re.compile(
    r"assert failure: inotify_fd_ >= 0|fs\.inotify\.max_user_instances"
    r"|inotify[^\n]*: too many open files"
)
#: Lines of a log: a stack trace and a dump of what Envoy did follow what is looked for.
LINES = 200


def starved(log: str) -> bool:
    """Whether a proxy's log says that it ended as it got no instance of inotify."""
    return NO_INSTANCE.search(log) is not None


class StarvedProxies:
    """Looks into the logs of proxies of a namespace that were restarted, once for each restart."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        """None was looked into yet."""
        self.cluster, self.namespace = cluster, namespace
        self._known: set[tuple[str, int]] = set()

    def refuse(self, pods: Iterable[PodState]) -> None:
        """Raise ``EnvironmentBroken`` for a proxy that ended for want of inotify's instances."""
        for pod in pods:
            end = pod.name, pod.restarts
            if not (pod.proxied and pod.restarts) or pod.stopping or end in self._known:
                continue
            self._known.add(end)
            if starved(self._log_before(pod)):
                raise EnvironmentBroken(
                    f"The proxy of pod {pod.name} in {self.namespace} ended as it started: the "
                    "kernel of its node gives it no more instances of inotify. Run `sysctl -w "
                    "fs.inotify.max_user_instances=512` there as root, or end other proxies of "
                    "that machine."
                )

    def _log_before(self, pod: PodState) -> str:
        """What the proxy said before it was restarted; empty where that cannot be had."""
        with suppress(ApiException):
            return str(
                self.cluster.core.read_namespaced_pod_log(
                    pod.name, self.namespace, container=PROXY, previous=True, tail_lines=LINES
                )
            )
        return ""
