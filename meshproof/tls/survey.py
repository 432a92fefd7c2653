"""What the API server knows that tls-check needs: read at once, changed in nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import yaml
from kubernetes.client.exceptions import ApiException

from meshproof.cluster.cluster import Cluster
from meshproof.errors import EnvironmentBroken, UsageFailure
from meshproof.mesh.istio import NAMESPACE as MESH_NAMESPACE
from meshproof.tls.hosts import Pod, read_pod
from meshproof.tls.wanted import Mesh
from meshproof.tutorial.objects import get

Manifest = Mapping[str, Any]
#: What is read of every namespace that is asked about.
IN_NAMESPACE = {
    "namespace": "/api/v1/namespaces/{namespace}",
    "services": "/api/v1/namespaces/{namespace}/services",
    "slices": "/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices",
    "pods": "/api/v1/namespaces/{namespace}/pods",
    "deployments": "/apis/apps/v1/namespaces/{namespace}/deployments",
}
#: What is read of the whole mesh: any namespace's objects may count.
IN_MESH = {
    "rules": "/apis/networking.istio.io/v1/destinationrules",
    "virtual services": "/apis/networking.istio.io/v1/virtualservices",
    "gateways": "/apis/networking.istio.io/v1/gateways",
    "policies": "/apis/security.istio.io/v1/peerauthentications",
    "mesh": f"/api/v1/namespaces/{MESH_NAMESPACE}/configmaps/istio",
}
#: Requests at once.
AT_ONCE = 8


@dataclass(frozen=True)
class Place:
    """A namespace: its Services, their endpoints, its pods and Deployments."""

    services: Sequence[Manifest]
    slices: Sequence[Manifest]
    pods: Sequence[Pod]
    deployments: Sequence[Manifest]


@dataclass(frozen=True)
class Survey:
    """The namespaces that are asked about, and the mesh's objects and settings."""

    places: Mapping[str, Place]
    rules: Sequence[Manifest]
    virtual_services: Sequence[Manifest]
    gateways: Sequence[Manifest]
    policies: Sequence[Manifest]
    mesh: Mesh


def read_survey(cluster: Cluster, namespaces: Iterable[str]) -> Survey:
    """Read it. Raises ``UsageFailure`` for a namespace that is not there.

    Raises ``EnvironmentBroken`` where the cluster does not answer, or has no Istio.
    """
    wanted = sorted(set(namespaces))
    paths = {("", name): path for name, path in IN_MESH.items()} | {
        (namespace, name): path.format(namespace=namespace)
        for namespace in wanted
        for name, path in IN_NAMESPACE.items()
    }
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        found = pool.map(lambda path: _read(cluster, path), paths.values())
        answers = dict(zip(paths, found, strict=True))
    for namespace in wanted:
        if answers[namespace, "namespace"] is None:
            raise UsageFailure(f"There is no namespace “{namespace}”.")
    if any(answers["", name] is None for name in IN_MESH):
        raise EnvironmentBroken(
            f"The cluster has no Istio, or not in namespace {MESH_NAMESPACE}: "
            "there is no mesh to ask."
        )

    def items(namespace: str, name: str) -> list[Manifest]:
        return list((answers[namespace, name] or {}).get("items", []))

    return Survey(
        {
            namespace: Place(
                items(namespace, "services"),
                items(namespace, "slices"),
                [read_pod(pod) for pod in items(namespace, "pods")],
                items(namespace, "deployments"),
            )
            for namespace in wanted
        },
        items("", "rules"),
        items("", "virtual services"),
        items("", "gateways"),
        items("", "policies"),
        mesh_settings(answers["", "mesh"] or {}),
    )


def pods_selected(cluster: Cluster, selectors: Iterable[Mapping[str, str]]) -> list[Pod]:
    """Return the pods of any namespace that carry these labels. Raises ``EnvironmentBroken``."""
    pods = []
    for selector in selectors:
        labels = ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
        found = _read(cluster, f"/api/v1/pods?{urlencode({'labelSelector': labels})}") or {}
        pods += [read_pod(manifest) for manifest in found.get("items", [])]
    return pods


def mesh_settings(config_map: Manifest) -> Mesh:
    """Read Istio's own settings; what is not set is Istio's default."""
    settings = yaml.safe_load(config_map.get("data", {}).get("mesh", "")) or {}
    root = settings.get("rootNamespace") or MESH_NAMESPACE
    return Mesh(auto_mtls=settings.get("enableAutoMtls", True) is not False, root=root)


def _read(cluster: Cluster, path: str) -> Manifest | None:
    """Return what is at a path, None where nothing is."""
    try:
        return get(cluster, path)
    except ApiException as error:
        if error.status == 404:
            return None
        raise EnvironmentBroken(
            f"The API server of cluster {cluster.name} refuses to say what tls-check needs.",
            f"{path}: {error.reason}",
        ) from error
    except Exception as error:  # whatever the connection meets
        raise EnvironmentBroken(
            f"The API server of cluster {cluster.name} does not answer "
            f"({type(error).__name__}): `meshproof status` says what runs."
        ) from error
