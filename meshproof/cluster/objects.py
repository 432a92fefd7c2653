"""What a namespace holds, asked of the API server."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from kubernetes.client.exceptions import ApiException

from meshproof.cluster.cluster import OWNER, OWNER_LABEL, TUTORIAL, Cluster
from meshproof.wording import in_a_line

#: An object as a manifest or the API server has it.
Manifest = Mapping[str, Any]
#: Kind and name.
Key = tuple[str, str]
Objects = dict[Key, Manifest]

#: Every kind that a stage may hold, and where the API server keeps it.
KINDS = {
    "ServiceAccount": "/api/v1/namespaces/{namespace}/serviceaccounts",
    "Secret": "/api/v1/namespaces/{namespace}/secrets",
    "Service": "/api/v1/namespaces/{namespace}/services",
    "PersistentVolumeClaim": "/api/v1/namespaces/{namespace}/persistentvolumeclaims",
    "Deployment": "/apis/apps/v1/namespaces/{namespace}/deployments",
    "Gateway": "/apis/networking.istio.io/v1/namespaces/{namespace}/gateways",
    "VirtualService": "/apis/networking.istio.io/v1/namespaces/{namespace}/virtualservices",
    "DestinationRule": "/apis/networking.istio.io/v1/namespaces/{namespace}/destinationrules",
    "PeerAuthentication": "/apis/security.istio.io/v1/namespaces/{namespace}/peerauthentications",
    "AuthorizationPolicy": (
        "/apis/security.istio.io/v1/namespaces/{namespace}/authorizationpolicies"
    ),
}
#: Marks what a scenario adds for a look and takes away again: no part of any stage.
PROBE = {"meshproof-probe": "true"}
# Made by the cluster in every namespace.
CLUSTERS_OWN = {("ServiceAccount", "default")}


def get(cluster: Cluster, path: str, *, accept: str = "application/json") -> Mapping[str, Any]:
    """Return what the API server answers at a path, in a form that it offers.

    Raises ``ApiException``.
    """
    return _call(cluster, "GET", path, headers={"Accept": accept})


def patch(cluster: Cluster, path: str, operations: Sequence[Mapping[str, Any]]) -> None:
    """Apply JSON Patch operations (RFC 6902) to the object at a path. Raises ``ApiException``."""
    headers = {"Content-Type": "application/json-patch+json"}
    _call(cluster, "PATCH", path, [dict(operation) for operation in operations], headers=headers)


def apply(cluster: Cluster, path: str, manifest: Manifest, *, tried: bool = False) -> None:
    """Have the object at a path be as a manifest states, made or changed (a server-side apply).

    ``tried`` says that nothing is to be changed. Raises ``ApiException``.
    """
    headers = {"Content-Type": "application/apply-patch+yaml"}
    query = f"?fieldManager={OWNER}&force=true{'&dryRun=All' if tried else ''}"
    _call(cluster, "PATCH", path + query, json.dumps(manifest), headers=headers)


def dry_run(cluster: Cluster, path: str, manifest: Manifest) -> Mapping[str, Any]:
    """Return what the API server would make of a manifest in the list at a path; it makes nothing.

    Fields that it does not know are refused, as kubectl has them refused. Raises ``ApiException``.
    """
    headers = {"Content-Type": "application/json"}
    query = "?dryRun=All&fieldValidation=Strict"
    return _call(cluster, "POST", path + query, dict(manifest), headers=headers)


def delete(cluster: Cluster, path: str, *, grace: int | None = None) -> None:
    """Delete the object at a path; nothing happens where there is none.

    ``grace`` is how many seconds a pod gets to finish, instead of what it asks for. Raises
    ``ApiException`` where the API server refuses.
    """
    query = "" if grace is None else f"?gracePeriodSeconds={grace}"
    try:
        _call(cluster, "DELETE", path + query)
    except ApiException as error:
        if error.status != 404:
            raise


def path_of(key: Key, namespace: str) -> str:
    """Return where the API server keeps an object of a namespace."""
    kind, name = key
    return f"{KINDS[kind].format(namespace=namespace)}/{name}"


def whole(key: Key, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return a manifest with its kind and version, which the items of a list lack."""
    kind, _ = key
    version = KINDS[kind].partition("/namespaces/")[0].removeprefix("/apis/").removeprefix("/api/")
    return {"apiVersion": version, "kind": kind, **manifest}


def refusal(error: ApiException) -> str:
    """Return why the API server refused something, in a line."""
    try:
        message = str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        message = str(error.reason)
    return in_a_line(message)


def _call(
    cluster: Cluster,
    method: str,
    path: str,
    body: object = None,
    *,
    headers: Mapping[str, str] | None = None,
) -> Mapping[str, Any]:
    request = cluster.api.param_serialize(
        method, path, header_params=dict(headers or {}), body=body, auth_settings=["BearerToken"]
    )
    response = cluster.api.call_api(*request)
    text = response.read()
    if response.status not in (200, 201):
        failure = ApiException(status=response.status, reason=f"{response.reason}: {text!r}")
        failure.body = text
        raise failure
    answer: Mapping[str, Any] = json.loads(text)
    return answer


def namespace_object(cluster: Cluster, namespace: str) -> Mapping[str, Any] | None:
    """Return a namespace as the API server has it, or None where there is none."""
    try:
        return get(cluster, f"/api/v1/namespaces/{namespace}")
    except ApiException as error:
        if error.status == 404:
            return None
        raise


def namespaces_of(cluster: Cluster, name: str) -> list[str]:
    """Name the harness's namespaces of a tutorial: its own, and those of its lanes and scenarios.

    Which it is, a namespace says by its annotation; its name says nothing (``voting-b`` may be
    another run's), unless it is the tutorial's own.
    """
    return [one for one, of in tutorials_of_namespaces(cluster).items() if of == name]


def tutorials_of_namespaces(cluster: Cluster) -> dict[str, str]:
    """Return for each of the harness's namespaces the tutorial that it was made for."""
    listed = get(cluster, "/api/v1/namespaces")["items"]
    return {item["metadata"]["name"]: tutorial_of(item) for item in listed if owned(item)}


def tutorial_of(namespace: Mapping[str, Any]) -> str:
    """Return the tutorial's namespace that one was made for; its own where it says none."""
    return stated_tutorial(namespace) or str(namespace["metadata"]["name"])


def stated_tutorial(namespace: Mapping[str, Any]) -> str | None:
    """Return the tutorial's namespace that one says it was made for."""
    return (namespace["metadata"].get("annotations") or {}).get(TUTORIAL)


def take_over(cluster: Cluster) -> list[str]:
    """Make what a predecessor left in a run's namespaces the run's; returns the namespaces.

    Raises ``ApiException``.
    """
    if cluster.owner is None:
        return []
    found = []
    for tutorial in cluster.owner.tutorials:
        whose = replace(cluster, owner=cluster.owner.following(tutorial))
        for name in namespaces_of(cluster, tutorial):
            try:
                cluster.core.patch_namespace(name, {"metadata": whose.ownership})
            except ApiException as error:
                if error.status != 404:  # it has gone since it was listed
                    raise
            else:
                found.append(name)
    return found


def owned(manifest: Mapping[str, Any]) -> bool:
    """Whether an object carries the harness's label."""
    return (manifest["metadata"].get("labels") or {}).get(OWNER_LABEL) == OWNER


def is_probe(manifest: Mapping[str, Any]) -> bool:
    """Whether an object is one that a scenario adds for a look."""
    return PROBE.items() <= (manifest["metadata"].get("labels") or {}).items()


def live_objects(cluster: Cluster, namespace: str) -> Objects:
    """Return a namespace and its objects of the stages' kinds; empty where there is none."""
    found = namespace_object(cluster, namespace)
    if found is None:
        return {}
    objects: Objects = {("Namespace", namespace): found}
    for kind, path in KINDS.items():
        for item in get(cluster, path.format(namespace=namespace))["items"]:
            if not is_probe(item):
                objects[kind, item["metadata"]["name"]] = item
    return {key: value for key, value in objects.items() if key not in CLUSTERS_OWN}
