"""A mesh in the shape of AKS's Istio add-on, with what the add-on refuses."""

from __future__ import annotations

from pathlib import Path

import yaml

from meshproof.cluster.shape import GatewayShape, MeshShape
from meshproof.mesh.istio import OPERATOR
from tests.clusters.by_hand import Document, Mesh, default_operator

NAMESPACE, REVISION = "aks-istio-system", "asm-1-22"
GATEWAYS, GATEWAY = "aks-istio-ingress", "aks-istio-ingressgateway-external"
SHAPE = MeshShape(
    NAMESPACE,
    REVISION,
    f"istiod-{REVISION}",
    gateway=GatewayShape(GATEWAYS, GATEWAY, GATEWAY, (("istio", GATEWAY),), GATEWAY),
)
#: Where a user of the add-on has settings for the mesh; those of the add-on's own are put back.
SHARED = f"istio-shared-configmap-{REVISION}"
#: A first revision makes the tag `default`, which the add-on has not: with it, namespaces that ask
#: by the tutorial's label would be injected, too.
TAG = "mutatingwebhookconfiguration", "istio-revision-tag-default"
REFUSALS = Path(__file__).with_name("aks-refusals.yaml")


def operator() -> Document:
    """Istio's default settings in the add-on's shape."""
    found = default_operator()
    found["metadata"]["namespace"] = NAMESPACE
    spec = found["spec"]
    spec["revision"] = REVISION
    spec["values"]["global"]["istioNamespace"] = NAMESPACE
    spec["values"]["pilot"]["env"]["SHARED_MESH_CONFIG"] = SHARED
    # As the add-on's gateway is: made of what istiod injects, which knows where istiod is.
    spec["values"]["gateways"] = {"istio-ingressgateway": {"injectionTemplate": "gateway"}}
    (gateway,) = spec["components"]["ingressGateways"]
    gateway |= {
        "name": GATEWAY,
        "namespace": GATEWAYS,
        "label": {"app": GATEWAY, "istio": GATEWAY},
    }
    gateway["k8s"]["hpaSpec"] = {"minReplicas": 2, "maxReplicas": 2}  # the add-on has two at least
    account = {"path": "spec.template.spec.serviceAccountName", "value": GATEWAY}
    gateway["k8s"]["overlays"] = [
        {"apiVersion": "apps/v1", "kind": "Deployment", "name": GATEWAY, "patches": [account]}
    ]
    return found


def shared_settings() -> Document:
    """The access log that a user sets where the add-on lets users set it."""
    metadata = {"name": SHARED, "namespace": NAMESPACE}
    mesh = OPERATOR.with_name("seen-by.yaml").read_text()
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"mesh": mesh}}


def in_place() -> list[Document]:
    """What is there before the add-on's Istio is."""
    namespaces = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        for name in (NAMESPACE, GATEWAYS)
    ]
    account = {"name": GATEWAY, "namespace": GATEWAYS}
    return [*namespaces, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account}]


MESH = Mesh(
    "shapes",
    operator(),
    SHAPE,
    before=[*in_place(), shared_settings()],
    after=list(yaml.safe_load_all(REFUSALS.read_text())),
    deleted=(TAG,),
)
