"""What the API server knows that tls-check needs: read at once, changed in nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from kubernetes.client.exceptions import ApiException

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.objects import get
from meshproof.errors import EnvironmentBroken, UsageFailure
from meshproof.tls.hosts import Pod, read_pod

Manifest = Mapping[str, Any]
#: What is read of every namespace that is asked about.
IN_NAMESPACE = {
    "namespace": "/api/v1/namespaces/{namespace}",
    "services": "/api/v1/namespaces/{namespace}/services",
    "slices": "/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices",
    "pods": "/api/v1/namespaces/{namespace}/pods",
    "deployments": "/apis/apps/v1/namespaces/{namespace}/deployments",
    "replica sets": "/apis/apps/v1/namespaces/{namespace}/replicasets",
}
#: What is read of the whole mesh: any namespace's objects may count, and istiod may be in any.
IN_MESH = {
    "virtual services": "/apis/networking.istio.io/v1/virtualservices",
    "gateways": "/apis/networking.istio.io/v1/gateways",
    "policies": "/apis/security.istio.io/v1/peerauthentications",
    "istiods": "/api/v1/pods?labelSelector=app%3Distiod",
}
#: Requests at once.
AT_ONCE = 8


@dataclass(frozen=True)
class Place:
    """What is in a namespace that matters here."""

    services: Sequence[Manifest]
    slices: Sequence[Manifest]
    pods: Sequence[Pod]
    deployments: Sequence[Manifest]
    replica_sets: Sequence[Manifest]


@dataclass(frozen=True)
class Survey:
    """The namespaces that are asked about, the mesh's objects, and the pods that run istiod."""

    places: Mapping[str, Place]
    virtual_services: Sequence[Manifest]
    gateways: Sequence[Manifest]
    policies: Sequence[Manifest]
    istiods: Sequence[Pod]

    def place(self, namespace: str) -> Place:
        """Return a namespace that was asked about. Raises ``UsageFailure`` where it is not."""
        if namespace not in self.places:
            raise UsageFailure(f"There is no namespace “{namespace}”.")
        return self.places[namespace]


def read_survey(cluster: Cluster, namespaces: Iterable[str]) -> Survey:
    """Read it. A namespace that is not there has no place in it.

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
    if any(answers["", name] is None for name in IN_MESH):
        raise EnvironmentBroken("The cluster has no Istio: there is no mesh to ask.")

    def items(namespace: str, name: str) -> list[Manifest]:
        return list((answers[namespace, name] or {}).get("items", []))

    return Survey(
        {
            namespace: Place(
                items(namespace, "services"),
                items(namespace, "slices"),
                [read_pod(pod) for pod in items(namespace, "pods")],
                items(namespace, "deployments"),
                items(namespace, "replica sets"),
            )
            for namespace in wanted
            if answers[namespace, "namespace"] is not None
        },
        items("", "virtual services"),
        items("", "gateways"),
        items("", "policies"),
        [pod for pod in map(read_pod, items("", "istiods")) if pod.ready],
    )


def pods_selected(cluster: Cluster, selectors: Iterable[Mapping[str, str]]) -> list[Pod]:
    """Return the pods of any namespace that carry these labels. Raises ``EnvironmentBroken``."""
    pods = []
    for selector in selectors:
        labels = ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
        found = _read(cluster, f"/api/v1/pods?{urlencode({'labelSelector': labels})}") or {}
        pods += [read_pod(manifest) for manifest in found.get("items", [])]
    return pods


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
