"""Probes inside a pod, and Services of the harness that lead to one version of a workload."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from meshproof.cluster.cluster import OWNED, Cluster
from meshproof.cluster.objects import PROBE, get

#: Prints the status and the body, whatever they are, or 0 and why there is none.
ASK = """
import sys, urllib.request, urllib.error
try:
    answer = urllib.request.urlopen(sys.argv[1], timeout=10)
except urllib.error.HTTPError as error:
    answer = error
except OSError as error:
    sys.exit(print(0, error))
print(answer.status, answer.read().decode())
"""


def ask_from(
    cluster: Cluster, namespace: str, pod: str, container: str, url: str
) -> tuple[int, str]:
    """Ask a URL from inside a pod, over its sidecar: the status and the body, or 0 and why not."""
    done = cluster.exec(namespace, pod, container, "python3", "-c", ASK, url)
    status, _, text = done.stdout.partition(" ")
    return int(status), text.strip()


@contextmanager
def service_to(
    cluster: Cluster, namespace: str, app: str, version: str, ports: Mapping[str, int]
) -> Iterator[str]:
    """Lead to one version of a workload alone, by a Service of the harness; yields its name.

    It is a new name each time, so that no connection to it is there yet: one from before a
    policy came may outlive it. A pod's own address would prove nothing: it fails for who is
    allowed, too. ``ports`` are numbers by the name of the protocol.
    """
    name = f"probe-{uuid.uuid4().hex[:8]}"
    body = {
        "metadata": {"name": name, "labels": {**OWNED, **PROBE}},
        "spec": {
            "selector": {"app": app, "version": version},
            "ports": [{"name": protocol, "port": port} for protocol, port in ports.items()],
        },
    }
    cluster.core.create_namespaced_service(namespace, body)
    try:
        yield name
    finally:
        cluster.core.delete_namespaced_service(name, namespace)


def ready_endpoints(cluster: Cluster, namespace: str, service: str) -> list[str]:
    """Name the pods that are ready endpoints of a Service."""
    slices = endpoint_slices(cluster, namespace, service)
    return sorted(name for item in slices for name in ready_in(item))


def ready_by_port(cluster: Cluster, namespace: str, service: str) -> dict[int, list[str]]:
    """Name the pods that are ready endpoints of a Service, by its ports."""
    path = f"/api/v1/namespaces/{namespace}/services/{service}"
    ports = {port["name"]: port["port"] for port in get(cluster, path)["spec"]["ports"]}
    found: dict[int, list[str]] = {number: [] for number in ports.values()}
    for item in endpoint_slices(cluster, namespace, service):
        for port in item.get("ports") or []:
            found[ports[port["name"]]] += ready_in(item)
    return {number: sorted(names) for number, names in found.items()}


def endpoint_slices(cluster: Cluster, namespace: str, service: str) -> list[Mapping[str, Any]]:
    """Return the EndpointSlices of a Service; each holds pods that have the same ports."""
    slices: list[Mapping[str, Any]] = get(
        cluster,
        f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
        f"?labelSelector=kubernetes.io%2Fservice-name%3D{service}",
    )["items"]
    return slices


def ready_in(endpoint_slice: Mapping[str, Any]) -> list[str]:
    """Name the pods of an EndpointSlice that are ready."""
    return [
        endpoint["targetRef"]["name"]
        for endpoint in endpoint_slice.get("endpoints") or []
        if endpoint["conditions"].get("ready")
    ]
