"""Whose Gateways lead any host in: of two, the mesh takes one, and the other's users get lost."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.objects import get, owned

GATEWAYS = "/apis/networking.istio.io/v1/gateways"


@dataclass(frozen=True, order=True)
class Occupant:
    """A Gateway for any host; ``owned`` says that the harness made it."""

    namespace: str
    name: str
    owned: bool

    def __str__(self) -> str:
        """Return what is there, and what can be done, in a sentence."""
        does = f"Gateway {self.name} in namespace {self.namespace} leads any host in"
        if self.owned:
            return (
                f"{does}, and no run follows the tutorial there any more: "
                f"`meshproof clean --namespace {self.namespace}` takes it away."
            )
        return (
            f"{does}, and Meshproof did not make it: take it away, or leave out with "
            "-m 'not published' what the tutorial publishes for any host."
        )


def occupants(
    gateways: Iterable[Mapping[str, Any]], selector: Mapping[str, str], mine: Collection[str]
) -> list[Occupant]:
    """Return which Gateways lead any host in through the pods of a selector.

    ``mine`` are namespaces whose Gateways do not count.
    """
    return sorted(
        Occupant(metadata["namespace"], metadata["name"], owned(gateway))
        for gateway in gateways
        if (metadata := gateway["metadata"])["namespace"] not in mine
        and _selects(gateway["spec"].get("selector") or {}, selector)
        and any(map(_any_host, gateway["spec"].get("servers") or ()))
    )


def occupants_of(
    cluster: Cluster, selector: Mapping[str, str], mine: Collection[str]
) -> list[Occupant]:
    """Look for them on a cluster. Raises ``ApiException``."""
    return occupants(get(cluster, GATEWAYS)["items"], selector, mine)


def _selects(theirs: Mapping[str, str], ours: Mapping[str, str]) -> bool:
    """Whether two selectors choose the same pods, as far as their labels tell."""
    return all(theirs[label] == value for label, value in ours.items() if label in theirs)


def _any_host(server: Mapping[str, Any]) -> bool:
    # A host may have the namespaces before it that its VirtualServices are in.
    return any(host.rpartition("/")[2] == "*" for host in server.get("hosts", ()))
