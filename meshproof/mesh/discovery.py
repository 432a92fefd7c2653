"""Finding out the shape of a mesh that somebody else installed, by looking at what runs.

What is looked at are istiod's Deployments, the tags of revisions, and the Services that lead to
pods which Istio runs as gateways. Where that leaves a choice, it is the user's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from kubernetes.client.exceptions import ApiException

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.objects import get
from meshproof.cluster.pods import PROXY
from meshproof.cluster.shape import DEFAULT_REVISION, REVISION_LABEL, GatewayShape, MeshShape
from meshproof.errors import EnvironmentBroken, UsageFailure
from meshproof.wording import listed

DEPLOYMENTS = "/apis/apps/v1/deployments?labelSelector=app%3Distiod"
TAG_LABEL = "istio.io/tag"
WEBHOOKS = (
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
    f"?labelSelector={quote(TAG_LABEL)}"
)
SERVICES = "/api/v1/services"
#: The port that the tutorial's Gateway has: a gateway whose Service has none is no way in for it.
HTTP_PORT = 80
#: Services that lead in from outside, and what leads out, or is one Gateway's alone.
OPEN_TYPES = ("LoadBalancer", "NodePort")
EGRESS = ("istio", "egressgateway")
OF_ONE_GATEWAY = "gateway.networking.k8s.io/gateway-name"
MISSING = 404

Item = Mapping[str, Any]


@dataclass(frozen=True)
class Asked:
    """What a user says of the mesh; what is empty is found out."""

    namespace: str | None = None
    revision: str | None = None
    ingress: str | None = None


@dataclass(frozen=True, order=True)
class Istiod:
    """A control plane: its namespace, revision and Deployment."""

    namespace: str
    revision: str
    deployment: str

    def __str__(self) -> str:
        """Return how it is named to a user."""
        return f"{self.revision} in {self.namespace}"


def istiods(deployments: Iterable[Item]) -> list[Istiod]:
    """Read control planes out of istiod's Deployments."""
    return sorted(
        Istiod(
            item["metadata"]["namespace"],
            item["metadata"]["labels"].get(REVISION_LABEL, DEFAULT_REVISION),
            item["metadata"]["name"],
        )
        for item in deployments
    )


def revisions_by_tag(webhooks: Iterable[Item]) -> dict[str, str]:
    """Read the revisions that tags stand for out of the webhooks that tags are."""
    labels = [item["metadata"]["labels"] for item in webhooks]
    return {each[TAG_LABEL]: each.get(REVISION_LABEL, DEFAULT_REVISION) for each in labels}


def chosen_istiod(
    found: Sequence[Istiod], asked: Asked, tags: Mapping[str, str]
) -> tuple[Istiod, str]:
    """Return the control plane that is meant, and the tag that it was named by, or "".

    Raises ``EnvironmentBroken`` where there is none at all, ``UsageFailure`` where none is as it is
    asked for, or several are.
    """
    if not found:
        raise EnvironmentBroken(
            "There is no istiod on the cluster (no Deployment labelled app=istiod): "
            "install Istio there first."
        )
    known = {one.revision for one in found}
    tag = asked.revision if asked.revision in tags and asked.revision not in known else None
    revision = tags[tag] if tag else asked.revision
    left = [
        one
        for one in found
        if asked.namespace in (None, one.namespace) and revision in (None, one.revision)
    ]
    there = listed(map(str, found), most=len(found))
    if not left:
        raise UsageFailure(
            "No istiod is as --istio-namespace and --revision have it; of the cluster's revisions "
            f"there are: {there}."
        )
    if len(left) > 1:
        raise UsageFailure(
            f"There is more than one istiod on the cluster ({there}): say by --revision, or by "
            "--istio-namespace, which one is meant."
        )
    return left[0], tag or ""


@dataclass(frozen=True)
class Gateway:
    """A Service and the pods of a gateway that it leads to."""

    service: Item
    pods: Sequence[Item]

    @property
    def name(self) -> str:
        """Namespace and name of the Service."""
        metadata = self.service["metadata"]
        return f"{metadata['namespace']}/{metadata['name']}"

    @property
    def open(self) -> bool:
        """Whether the Service leads in from outside the cluster."""
        return self.service["spec"].get("type") in OPEN_TYPES

    def is_of(self, revisions: Collection[str]) -> bool:
        """Whether one of its pods is of these revisions, or says nothing of any."""
        said = [pod["metadata"]["labels"].get(REVISION_LABEL) for pod in self.pods]
        return any(one is None or one in revisions for one in said)

    @property
    def shape(self) -> GatewayShape:
        """What of it the harness must know."""
        metadata, pod = self.service["metadata"], self.pods[0]
        selector = self.service["spec"]["selector"]
        chosen = {"istio": selector["istio"]} if "istio" in selector else selector
        return GatewayShape(
            metadata["namespace"],
            metadata["name"],
            _deployment(pod),
            tuple(sorted(chosen.items())),
            pod["spec"].get("serviceAccountName", "default"),
        )


def may_lead_in(service: Item) -> bool:
    """Whether a Service could be that of an ingress gateway for HTTP, by what it says itself."""
    selector = service["spec"].get("selector") or {}
    ports = {port["port"] for port in service["spec"].get("ports") or ()}
    return (
        bool(selector)
        and HTTP_PORT in ports
        and EGRESS not in selector.items()
        and OF_ONE_GATEWAY not in selector
    )


def routers(pods: Iterable[Item]) -> list[Item]:
    """Return the pods that Istio's proxy runs in as a gateway's, not as a sidecar."""
    return [pod for pod in pods if any(map(_routes, pod["spec"]["containers"]))]


def chosen_gateway(found: Sequence[Gateway], revisions: Collection[str]) -> Gateway:
    """Return the gateway that users come in by, of those for HTTP, in a mesh of these revisions.

    Raises ``EnvironmentBroken`` for none, ``UsageFailure`` for several.
    """
    own = [one for one in found if one.is_of(revisions)]
    left = [one for one in own if one.open] or own
    if not left:
        raise EnvironmentBroken(
            f"The mesh has no ingress gateway: no Service with port {HTTP_PORT} leads to pods of "
            "one. Install a gateway, or name its Service by --ingress NAMESPACE/NAME."
        )
    if len(left) > 1:
        names = listed(sorted(one.name for one in left), most=len(left))
        raise UsageFailure(
            f"The mesh has more than one ingress gateway ({names}): say by --ingress "
            "NAMESPACE/NAME which one is meant."
        )
    return left[0]


def find_control_plane(cluster: Cluster, asked: Asked) -> MeshShape:
    """Find istiod; the gateway is left as it is by default.

    Raises as `chosen_istiod` does, and ``ApiException``.
    """
    found = istiods(get(cluster, DEPLOYMENTS)["items"])
    known = {one.revision for one in found}
    tags: dict[str, str] = {}
    if asked.revision and found and asked.revision not in known:
        tags = revisions_by_tag(get(cluster, WEBHOOKS)["items"])
    istiod, tag = chosen_istiod(found, asked, tags)
    return MeshShape(istiod.namespace, istiod.revision, istiod.deployment, tag)


def find_gateway(cluster: Cluster, mesh: MeshShape, asked: Asked) -> Gateway:
    """Find the ingress gateway of a mesh. Raises as `chosen_gateway` does, and ``ApiException``."""
    if asked.ingress:
        return _named_gateway(cluster, asked.ingress)
    candidates = [one for one in get(cluster, SERVICES)["items"] if may_lead_in(one)]
    revisions = {mesh.revision, mesh.tag} - {""}
    found: list[Gateway] = []
    # Those that lead in from outside are few; the others are asked only where there is none.
    for outside in (True, False):
        chosen = [s for s in candidates if (s["spec"].get("type") in OPEN_TYPES) is outside]
        found += [one for each in chosen if (one := _gateway(cluster, each)).pods]
        if any(one.is_of(revisions) for one in found):
            break
    return chosen_gateway(found, revisions)


def _named_gateway(cluster: Cluster, named: str) -> Gateway:
    namespace, _, name = named.partition("/")
    try:
        service = get(cluster, f"/api/v1/namespaces/{namespace}/services/{name}")
    except ApiException as error:
        if error.status != MISSING:
            raise
        raise UsageFailure(f"There is no Service {named}, as --ingress has it.") from error
    found = _gateway(cluster, service)
    if not found.pods:
        raise UsageFailure(
            f"The Service {named}, as --ingress has it, leads to no pod of a gateway of Istio's."
        )
    return found


def _gateway(cluster: Cluster, service: Item) -> Gateway:
    selector = service["spec"].get("selector") or {}
    if not selector:
        return Gateway(service, ())
    chosen = quote(",".join(f"{label}={value}" for label, value in selector.items()))
    namespace = service["metadata"]["namespace"]
    pods = get(cluster, f"/api/v1/namespaces/{namespace}/pods?labelSelector={chosen}")["items"]
    return Gateway(service, routers(pods))


def _routes(container: Item) -> bool:
    return container["name"] == PROXY and list(container.get("args") or ())[:2] == [
        "proxy",
        "router",
    ]


def _deployment(pod: Item) -> str:
    metadata = pod["metadata"]
    owners = metadata.get("ownerReferences") or ({"name": metadata["name"]},)
    made_by = metadata["labels"].get("pod-template-hash", "")
    return str(owners[0]["name"]).removesuffix(f"-{made_by}")
