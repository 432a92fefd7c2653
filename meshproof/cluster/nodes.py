"""Nodes of a cluster that was made here: connected, with names that resolve, and waited for."""

from __future__ import annotations

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.health import started_before, unready_workloads
from meshproof.engine.engine import Engine
from meshproof.waiting import NODES_READY, SYSTEM_READY, converge


def await_system(cluster: Cluster, booted: str) -> None:
    """Wait until all nodes and the cluster's own pods are ready. Raises ``NotConverged``.

    ``booted`` is when the last of the nodes was started, in UTC and ISO 8601.
    """
    converge(
        lambda: _unready(cluster),
        until=lambda n: not n,
        what="all nodes are ready",
        timeout=NODES_READY,
    )
    converge(
        lambda: started_before(cluster.core.list_pod_for_all_namespaces().items, booted),
        until=lambda names: not names,
        what="what the cluster says of its pods is newer than its nodes' start",
        timeout=SYSTEM_READY,
    )
    converge(
        lambda: unready_workloads(cluster, ("kube-system", "local-path-storage")),
        until=lambda names: not names,
        what="the cluster's own pods are ready",
        timeout=SYSTEM_READY,
    )


def _unready(cluster: Cluster) -> list[str]:
    return [
        node.metadata.name
        for node in cluster.core.list_node().items
        if not any(c.type == "Ready" and c.status == "True" for c in node.status.conditions or [])
    ]


def connect_nodes(cluster: Cluster, engine: Engine) -> None:
    """Give each node a route to the pods of every other one, where there are others."""
    nodes = cluster.core.list_node().items
    if len(nodes) < 2:
        return

    def without_range() -> list[str]:
        found = cluster.core.list_node().items
        return [node.metadata.name for node in found if not node.spec.pod_cidr]

    converge(
        without_range,
        until=lambda n: not n,
        what="every node has pod addresses",
        timeout=NODES_READY,
    )
    nodes = cluster.core.list_node().items
    for node in nodes:
        for peer in nodes:
            if peer.metadata.name == node.metadata.name:
                continue
            via = next(a.address for a in peer.status.addresses if a.type == "InternalIP")
            engine.run(
                "exec",
                node.metadata.name,
                "ip",
                "route",
                "replace",
                peer.spec.pod_cidr,
                "via",
                via,
            )


def settle_dns(cluster: Cluster) -> None:
    """Have the cluster's DNS answer at once for what is not in it: no network is beyond."""
    core = cluster.core
    current = core.read_namespaced_config_map("coredns", "kube-system")
    corefile = without_forwarder(current.data["Corefile"])
    core.patch_namespaced_config_map("coredns", "kube-system", {"data": {"Corefile": corefile}})


def without_forwarder(corefile: str) -> str:
    """Take the ``forward`` block out of a Corefile: no network is beyond the cluster.

    Left in, every outside name costs a timeout; the cluster's own names resolve without it.
    """
    lines, depth = [], 0
    for line in corefile.splitlines():
        words = line.split()
        if depth == 0 and words[:1] == ["forward"]:
            depth = 1 if words[-1] == "{" else 0
            continue
        if depth:
            depth += words.count("{") - words.count("}")
            continue
        lines.append(line)
    return "\n".join(lines) + "\n"
