"""A kind cluster with an Istio in the shape of AKS's add-on, for runs on an existing cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.health import unready_workloads
from meshproof.cluster.kind import KindCluster
from meshproof.cluster.shape import GatewayShape, MeshShape
from meshproof.engine.engine import answering
from meshproof.engine.machine import this_machine
from meshproof.environment.environment import link_tools, load_application, workshop
from meshproof.errors import EnvironmentBroken
from meshproof.mesh.istio import INSTALL_TIMEOUT, OPERATOR
from meshproof.progress import Progress
from meshproof.waiting import MESH_READY, converge

NAME = "shapes"
CONTEXT = f"kind-{NAME}"
NAMESPACE, REVISION = "aks-istio-system", "asm-1-22"
GATEWAYS, GATEWAY = "aks-istio-ingress", "aks-istio-ingressgateway-external"
SHAPE = MeshShape(
    NAMESPACE,
    REVISION,
    f"istiod-{REVISION}",
    gateway=GatewayShape(GATEWAYS, GATEWAY, GATEWAY, (("istio", GATEWAY),), GATEWAY),
)
#: A first revision makes the tag `default`, which the add-on has not: with it, namespaces that ask
#: by the tutorial's label would be injected, too.
TAG = "mutatingwebhookconfiguration", "istio-revision-tag-default"


def operator() -> dict[str, Any]:
    """Meshproof's own operator file in the add-on's shape."""
    found: dict[str, Any] = yaml.safe_load(OPERATOR.read_text())
    found["metadata"]["namespace"] = NAMESPACE
    spec = found["spec"]
    spec["revision"] = REVISION
    spec["values"]["global"]["istioNamespace"] = NAMESPACE
    (gateway,) = spec["components"]["ingressGateways"]
    gateway |= {
        "name": GATEWAY,
        "namespace": GATEWAYS,
        "label": {"app": GATEWAY, "istio": GATEWAY},
    }
    # Outside of istiod's namespace a gateway of istioctl's does not know where istiod is.
    place = {"discoveryAddress": f"istiod-{REVISION}.{NAMESPACE}.svc:15012"}
    gateway["k8s"]["env"] = [{"name": "PROXY_CONFIG", "value": json.dumps(place)}]
    account = {"path": "spec.template.spec.serviceAccountName", "value": GATEWAY}
    gateway["k8s"]["overlays"] = [
        {"apiVersion": "apps/v1", "kind": "Deployment", "name": GATEWAY, "patches": [account]}
    ]
    return found


def install(cluster: Cluster, address: str, folder: Path) -> None:
    """Install Istio in the add-on's shape, and give its gateway an address."""
    for namespace in (NAMESPACE, GATEWAYS):
        cluster.core.create_namespace({"metadata": {"name": namespace}})
    cluster.core.create_namespaced_service_account(GATEWAYS, {"metadata": {"name": GATEWAY}})
    file = folder / "operator.yaml"
    file.write_text(yaml.safe_dump(operator()))
    cluster.command("istioctl", "install", "-f", str(file), "-y", timeout=INSTALL_TIMEOUT)
    cluster.command("kubectl", "delete", "--ignore-not-found", *TAG)
    status = {"status": {"loadBalancer": {"ingress": [{"ip": address}]}}}
    cluster.core.patch_namespaced_service_status(GATEWAY, GATEWAYS, status)
    converge(
        lambda: unready_workloads(cluster, (NAMESPACE, GATEWAYS)),
        until=lambda names: not names,
        what="istiod and the gateway are ready",
        timeout=MESH_READY,
    )


def kind_cluster(progress: Progress) -> KindCluster:
    """The cluster, whether it is there or not. Raises ``EnvironmentBroken`` without an engine."""
    engine = answering()
    if engine is None:
        raise EnvironmentBroken("A container engine is needed to make a cluster.")
    found = KindCluster(
        NAME, engine=engine, tools=Path(), machine=this_machine(), progress=progress
    )
    found.tools = link_tools(workshop(engine, progress), found.kubeconfig.parent / "bin")
    return found


def make(folder: Path, progress: Progress) -> KindCluster:
    """Make the cluster and its mesh, with the application's images loaded."""
    kind = kind_cluster(progress)
    shop = workshop(kind.engine, progress)
    shop.provide("node")
    kind.ensure(nodes=1, image=shop.image("node"))
    install(kind.cluster, kind.address(), folder)
    load_application(shop, kind, foreign=replace(kind.cluster, mesh=SHAPE))
    kind.await_system()
    return kind


@contextmanager
def made(folder: Path, progress: Progress) -> Iterator[KindCluster]:
    """Have the cluster as long as the context lasts."""
    try:
        yield make(folder, progress)
    finally:
        kind_cluster(progress).delete()
