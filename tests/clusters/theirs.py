"""A kind cluster of somebody else's, with an Istio of the usual shape, and a user of few rights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.objects import get
from meshproof.cluster.shape import DEFAULT
from meshproof.probes.api_resources import DISCOVERED, DISCOVERY, resources
from meshproof.suite.rights import GRANTED, ROLE
from tests.clusters.by_hand import Mesh, default_operator

#: With Istio's default settings.
MESH = Mesh("theirs", default_operator())
#: Where the user's account is, and what it is called.
PLACE, ACCOUNT = "operators", "tester"
#: Seconds that its token lasts.
LASTS = 4 * 60 * 60
#: What of an object's metadata is the API server's own, or renewed while nobody touches it.
OWN_METADATA = ("uid", "resourceVersion", "managedFields", "generation", "creationTimestamp")
LEADER = "control-plane.alpha.kubernetes.io/leader"


def grant(cluster: Cluster, file: Path, without: tuple[str, ...] = ()) -> Path:
    """Give the user the committed roles, but for rules on these resources, and a kubeconfig."""
    roles = [one for one in yaml.safe_load_all(GRANTED.read_text()) if one]
    for role in roles:
        role["rules"] = [rule for rule in role["rules"] if not {*without} & {*rule["resources"]}]
    cluster.command("kubectl", "apply", "-f", "-", stdin=yaml.safe_dump_all(roles))
    token = client.CoreV1Api(cluster.api).create_namespaced_service_account_token(
        ACCOUNT, PLACE, {"spec": {"expirationSeconds": LASTS}}
    )
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    config["users"] = [{"name": ACCOUNT, "user": {"token": token.status.token}}]
    for context in config["contexts"]:
        context["context"]["user"] = ACCOUNT
    file.write_text(yaml.safe_dump(config))
    file.chmod(0o600)
    return file


@contextmanager
def user(cluster: Cluster) -> Iterator[None]:
    """Have the user's account, bound to the roles by their names."""
    subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": PLACE}
    group, name = "rbac.authorization.k8s.io", {"name": f"{ROLE}-{ACCOUNT}"}
    rbac = client.RbacAuthorizationV1Api(cluster.api)
    cluster.core.create_namespace({"metadata": {"name": PLACE}})
    cluster.core.create_namespaced_service_account(PLACE, {"metadata": {"name": ACCOUNT}})

    def binding(kind: str) -> dict[str, Any]:
        reference = {"apiGroup": group, "kind": kind, "name": ROLE}
        return {"metadata": name, "roleRef": reference, "subjects": [subject]}

    rbac.create_cluster_role_binding(binding("ClusterRole"))
    rbac.create_namespaced_role_binding(DEFAULT.namespace, binding("Role"))
    try:
        yield
    finally:
        rbac.delete_cluster_role_binding(name["name"])
        rbac.delete_namespaced_role_binding(name["name"], DEFAULT.namespace)
        cluster.core.delete_namespace(PLACE)
        cluster.command("kubectl", "delete", "--ignore-not-found", "-f", str(GRANTED))


def contents(cluster: Cluster) -> dict[str, str]:
    """Digest what every object of every kind states, by its kind, namespace and name.

    Left out are events and Leases, each object's status, and what the API server keeps of it.
    """
    groups = [
        group for path in DISCOVERY for group in get(cluster, path, accept=DISCOVERED)["items"]
    ]
    return {
        f"{kind.kind} {one['metadata'].get('namespace', '')}/{one['metadata']['name']}": _digest(
            one
        )
        for kind in resources(groups)
        for one in get(cluster, f"{kind.path}/{kind.plural}")["items"] or []
    }


def _digest(item: Mapping[str, Any]) -> str:
    metadata = {key: value for key, value in item["metadata"].items() if key not in OWN_METADATA}
    annotations = {k: v for k, v in (metadata.get("annotations") or {}).items() if k != LEADER}
    stated = {key: value for key, value in item.items() if key != "status"}
    whole = {**stated, "metadata": {**metadata, "annotations": annotations}}
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()
