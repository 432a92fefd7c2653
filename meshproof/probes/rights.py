"""What whoever the harness is at the API server may do there, asked before anything is changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from kubernetes import client
from kubernetes.client.exceptions import ApiException

from meshproof.cluster.cluster import Cluster
from meshproof.errors import EnvironmentBroken
from meshproof.suite.features import expectations_that_need
from meshproof.suite.registry import suites
from meshproof.suite.rights import (
    RIGHTS,
    Access,
    Place,
    Right,
    refused,
)

#: Reviews that are asked for at once; each takes a few milliseconds.
AT_ONCE = 8
UNAUTHORIZED = 401


@dataclass(frozen=True)
class Missing:
    """A right that is lacking, in whole or in part, and the sentence that says so."""

    right: Right
    sentence: str


def missing_rights(cluster: Cluster, place: Place) -> list[Missing]:
    """Return what is lacking of the rights in a place, by asking the API server for each.

    Raises ``EnvironmentBroken`` where it knows no such user, and ``ApiException``.
    """
    rights = [right for right in RIGHTS if right.place is place]
    asked = {right: right.asked(cluster.mesh.namespace) for right in rights}
    wanted = [access for each in asked.values() for access in each]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        allowed = dict(zip(wanted, pool.map(lambda one: may(cluster, one), wanted), strict=True))
    return lacking(asked, {access for access, yes in allowed.items() if not yes})


def lacking(asked: Mapping[Right, Iterable[Access]], denied: Collection[Access]) -> list[Missing]:
    """Return the rights of which something is denied, in their order."""
    found = []
    for right, wanted in asked.items():
        if not_allowed := [access for access in wanted if access in denied]:
            ids = expectations_that_need(right.capabilities, suites())
            found.append(Missing(right, refused(right, not_allowed, ids)))
    return found


def may(cluster: Cluster, access: Access) -> bool:
    """Whether the API server allows something. Raises as `missing_rights` does."""
    review = {"spec": {"resourceAttributes": access.attributes}}
    try:
        answer = client.AuthorizationV1Api(cluster.api).create_self_subject_access_review(review)
    except ApiException as error:
        if error.status != UNAUTHORIZED:
            raise
        raise EnvironmentBroken(
            f"The API server of context “{cluster.name}” does not know this user (401): log in "
            "again, or give a kubeconfig whose credentials have not expired."
        ) from error
    return bool(answer.status.allowed)


def require(found: Iterable[Missing]) -> None:
    """Raise ``EnvironmentBroken`` where something is lacking without which there is no run."""
    needed = [one.sentence for one in found if one.right.needed]
    if needed:
        raise EnvironmentBroken(
            "This user lacks rights that a run needs, and nothing was changed: "
            "manifests/rights/rights.yaml grants them.",
            "\n".join(needed),
        )
