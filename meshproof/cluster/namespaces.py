"""A namespace of Meshproof's: its pods, whose it is, and its end. No tutorial is needed for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kubernetes import client
from kubernetes.client.exceptions import ApiException

from meshproof.cluster.cluster import OWNED, Cluster
from meshproof.cluster.images import (
    PULL_SECRET,
    SECRETS_PLACE,
    is_file,
    login_of_file,
    login_of_secret,
)
from meshproof.cluster.objects import (
    PROBE,
    Manifest,
    apply,
    delete,
    get,
    is_probe,
    namespace_object,
    owned,
    refusal,
    stated_tutorial,
)
from meshproof.cluster.observability import ACCESS_LOG, ENVOY_FILTERS
from meshproof.cluster.pods import PodState, pod_state
from meshproof.documents import manifests_in
from meshproof.errors import EnvironmentBroken
from meshproof.interruption import interruption
from meshproof.progress import Progress
from meshproof.waiting import NAMESPACE_GONE, converge

#: What the API server answers where it refuses an object, or does not know its kind.
REFUSED = (400, 403, 404, 422)


def pods_of(cluster: Cluster, namespace: str) -> list[PodState]:
    """Return a namespace's pods, without those that a scenario adds for a look."""
    items = get(cluster, f"/api/v1/namespaces/{namespace}/pods")["items"]
    return [pod_state(item) for item in items if not is_probe(item)]


def give_pull_secret(cluster: Cluster, namespace: str) -> None:
    """Have what nodes log in to the registry with in a namespace; nothing where they need not.

    Raises ``EnvironmentBroken`` where it is not to be had.
    """
    if cluster.images and cluster.images.pull_secret:
        metadata = {"name": PULL_SECRET, "labels": {**OWNED, **PROBE}}
        secret = {"metadata": metadata, **login(cluster, cluster.images.pull_secret)}
        try:
            cluster.core.create_namespaced_secret(namespace, secret)
        except ApiException as error:
            if error.status != 409:
                raise
            cluster.core.replace_namespaced_secret(PULL_SECRET, namespace, secret)


def equip(cluster: Cluster, namespace: str) -> str:
    """Give a namespace what the suites have in each of their own, beside what a tutorial applies.

    That is what nodes pull images by, and the access log that scenarios read. Returns why the API
    server refuses the access log, or "". Raises ``EnvironmentBroken`` where the registry's login is
    not to be had, or the API server fails.
    """
    give_pull_secret(cluster, namespace)
    return log_calls(cluster, namespace)


def log_calls(cluster: Cluster, namespace: str, *, tried: bool = False) -> str:
    """Have the sidecars of a namespace log calls; ``tried`` says that nothing is to be changed.

    Returns why the API server refuses it, in a line, or "": a mesh that takes no EnvoyFilter may
    log them by its own settings. Raises ``EnvironmentBroken`` where the API server fails.
    """
    (stated,) = manifests_in(ACCESS_LOG)
    metadata = {**stated["metadata"], "labels": {**OWNED, **PROBE}}
    place = ENVOY_FILTERS.format(namespace=namespace)
    try:
        wanted = {**stated, "metadata": metadata}
        apply(cluster, f"{place}/{metadata['name']}", wanted, tried=tried)
    except ApiException as error:
        if error.status in REFUSED:
            return refusal(error)
        raise EnvironmentBroken(
            f"The cluster fails to take the EnvoyFilter {metadata['name']} in namespace "
            f"{namespace}: {refusal(error)}"
        ) from error
    return ""


def login(cluster: Cluster, pull_secret: str) -> dict[str, Any]:
    """Return the type and the data of the Secret that nodes log in to the registry with.

    Raises ``EnvironmentBroken`` where it is not to be had, or is no such Secret.
    """
    what = f"--pull-secret {pull_secret}"
    try:
        if is_file(pull_secret):
            return login_of_file(Path(pull_secret))
        path = f"/api/v1/namespaces/{SECRETS_PLACE}/secrets/{pull_secret}"
        return login_of_secret(get(cluster, path))
    except ValueError as error:
        raise EnvironmentBroken(f"{what} {error}.") from error
    except ApiException as error:
        if error.status not in (403, 404):
            raise
        why = "is not there" if error.status == 404 else "may not be read by this user"
        raise EnvironmentBroken(
            f"{what}: the Secret {pull_secret} in the namespace {SECRETS_PLACE} {why}; "
            "give one that is, or a file of Docker's configuration."
        ) from error


@contextmanager
def owned_once_created(cluster: Cluster, namespace: str) -> Iterator[None]:
    """Give a namespace that a published command creates within this its owner.

    Also where the command is interrupted: it may have created it by then, and nobody would take
    away what carries no owner.
    """
    before = namespace_object(cluster, namespace)
    try:
        yield
    except BaseException:
        if interruption.number and before is None and namespace_object(cluster, namespace):
            _own(cluster, namespace)
        raise
    _own(cluster, namespace)


def _own(cluster: Cluster, namespace: str) -> None:
    cluster.core.patch_namespace(namespace, {"metadata": cluster.ownership})


def refuse_anothers(cluster: Cluster, namespace: str, found: Manifest) -> None:
    """Raise ``EnvironmentBroken`` where a namespace is of a run in another one."""
    owner, tutorial = cluster.owner, stated_tutorial(found)
    if owner and tutorial not in (None, *owner.tutorials):
        raise EnvironmentBroken(
            f"The namespace {namespace} was made by a run in {tutorial}: choose another "
            f"with --namespace, or take it away by `meshproof clean --namespace {tutorial}`."
        )


def delete_namespace(
    cluster: Cluster, namespace: str, progress: Progress, *, wait: bool = True
) -> None:
    """Delete a namespace and ``wait`` until it is gone; nothing happens where there is none.

    Raises ``EnvironmentBroken`` where it is not Meshproof's, or another run's, ``NotConverged``
    where it stays.
    """
    found = namespace_object(cluster, namespace)
    if found is None:
        return
    if not owned(found):
        raise EnvironmentBroken(f"The namespace {namespace} is not Meshproof's to delete.")
    refuse_anothers(cluster, namespace, found)
    if not wait:
        _delete_all(cluster, namespace)
        return
    with progress.step(f"delete namespace {namespace}"):
        _delete_all(cluster, namespace)
        converge(
            lambda: namespace_object(cluster, namespace),
            until=lambda found: found is None,
            what=f"namespace {namespace} is gone",
            timeout=NAMESPACE_GONE,
        )


def _delete_all(cluster: Cluster, namespace: str) -> None:
    """Delete a namespace, and what its controller would wait for.

    That one looks 5 s after a namespace was deleted for the first time, and again after as long, or
    half the pods' grace period, where something is left: pods, or a claim that these had in use.
    """
    try:
        cluster.core.delete_namespace(namespace)
    except ApiException as error:
        if error.status != 404:  # it was on its way out already
            raise
    # From now on the API server refuses new ones. What is thrown away need not finish what it has,
    # but it must have stopped before its claim goes: who writes still may keep a volume's folder.
    soon = client.V1DeleteOptions(grace_period_seconds=1)
    cluster.core.delete_collection_namespaced_pod(namespace, body=soon)
    claims = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
    for claim in get(cluster, claims)["items"]:
        delete(cluster, f"{claims}/{claim['metadata']['name']}")
