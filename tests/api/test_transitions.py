"""The way between any two stages, by what a real API server holds at its end.

What a stage holds is told by a namespace in which nobody ever went back: the tutorial's own
commands are run there one after another. What is compared is what the server returns; none of the
functions that plan a way has a say in it.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from kubernetes import client

from meshproof.cluster.cluster import OWNED, Cluster
from meshproof.cluster.objects import delete, get, live_objects, path_of, whole
from meshproof.suite.differences import LAST_APPLIED, stage_of
from meshproof.suite.transitions import path_to, way_back
from tests.suites import MANIFESTS, NAMES, SUITE, objects_of_stages

#: Where the server keeps what a stage may hold.
PLACES = {
    "/api/v1": ("serviceaccounts", "secrets", "services", "persistentvolumeclaims"),
    "/apis/apps/v1": ("deployments",),
    "/apis/networking.istio.io/v1": ("gateways", "virtualservices", "destinationrules"),
    "/apis/security.istio.io/v1": ("peerauthentications", "authorizationpolicies"),
}
#: What the server gives each object anew, or what says only how it got there.
INCIDENTAL = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields")
ADDRESSES = ("clusterIP", "clusterIPs")

#: What a server holds, by kind and name.
Held = Mapping[tuple[str, str], Any]


def kubectl(cluster: Cluster, namespace: str, *argv: str, stdin: str | None = None) -> str:
    return cluster.command("kubectl", "--namespace", namespace, *argv, stdin=stdin).stdout


def held(cluster: Cluster, namespace: str) -> Held:
    """All that the server returns of a namespace, but for what no two objects share."""
    core = client.CoreV1Api(cluster.api)
    itself = json.loads(core.read_namespace(namespace, _preload_content=False).data)
    found = {("namespaces", "NAMESPACE"): plain(itself, namespace)}
    for version, places in PLACES.items():
        for place in places:
            listed = get(cluster, f"{version}/namespaces/{namespace}/{place}")["items"]
            for one in listed:
                found[place, one["metadata"]["name"]] = plain(one, namespace)
    return found


def plain(found: dict[str, Any], namespace: str) -> Any:
    for name in INCIDENTAL:
        found["metadata"].pop(name, None)
    for name in ADDRESSES:
        found.get("spec", {}).pop(name, None)
    text = found["metadata"].get("annotations", {}).pop(LAST_APPLIED, None)
    # What kubectl compares with the next time: the same content in any order.
    whole_of_it = {"object": found, "applied": json.loads(text) if text else None}
    return json.loads(json.dumps(whole_of_it).replace(namespace, "NAMESPACE"))


def enter(cluster: Cluster, namespace: str, stage: str) -> None:
    """Run a stage's own commands, as the tutorial's reader does."""
    for line in SUITE.stage(stage).command_lines(namespace):
        cluster.command(*shlex.split(line), cwd=MANIFESTS)
        if line.startswith("kubectl create namespace"):
            labels = [f"{key}={value}" for key, value in OWNED.items()]
            kubectl(cluster, namespace, "label", "namespace", namespace, *labels)


@pytest.fixture(scope="session")
def stages(cluster: Cluster) -> Mapping[str, Held]:
    """What the server holds at each stage, where it was never further on."""
    found = {}
    for name in NAMES:
        enter(cluster, "never-back", name)
        found[name] = held(cluster, "never-back")
    return found


def put(cluster: Cluster, namespace: str, stage: Held) -> None:
    """Make a namespace that holds what a stage does, as kubectl applied it there."""
    labels = stage["namespaces", "NAMESPACE"]["object"]["metadata"]["labels"]
    own = {key: value for key, value in labels.items() if key != "kubernetes.io/metadata.name"}
    cluster.core.create_namespace({"metadata": {"name": namespace, "labels": own}})
    applied = [one["applied"] for one in stage.values() if one["applied"]]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": applied})
    if applied:
        text = text.replace("NAMESPACE", namespace)
        kubectl(cluster, namespace, "apply", "-f", "-", stdin=text)


def go(cluster: Cluster, namespace: str, target: str) -> None:
    """Go by the way that the library plans, as `Tutorial` does, but for pods and proxies."""
    wanted = objects_of_stages(namespace, MANIFESTS)
    route = path_to(target, live_objects(cluster, namespace), wanted)
    assert not route.start_over
    for stage in route.back:
        for group in way_back(wanted[stage], live_objects(cluster, namespace)):
            for key in group.remove:
                delete(cluster, path_of(key, namespace))
            if group.restore:
                restored = [whole(key, wanted[stage][key]) for key in group.restore]
                kubectl(cluster, namespace, "apply", "-f", "-", stdin=yaml.safe_dump_all(restored))
    for stage in route.stages:
        enter(cluster, namespace, stage)


@pytest.mark.parametrize("stage", NAMES)
def test_the_server_holds_another_thing_at_each_stage(
    stages: Mapping[str, Held], stage: str
) -> None:
    # Or else a way that goes nowhere would be right.
    assert [name for name in NAMES if stages[name] == stages[stage]] == [stage]


@pytest.mark.parametrize("target", NAMES)
@pytest.mark.parametrize("origin", NAMES)
def test_the_way_from_a_stage_to_another_ends_at_its_objects(
    cluster: Cluster, stages: Mapping[str, Held], origin: str, target: str
) -> None:
    namespace = f"from-{origin}-to-{target}"
    put(cluster, namespace, stages[origin])
    assert held(cluster, namespace) == stages[origin]
    wanted = objects_of_stages(namespace, MANIFESTS)
    assert stage_of(live_objects(cluster, namespace), wanted) == origin
    go(cluster, namespace, target)
    assert held(cluster, namespace) == stages[target]
    assert stage_of(live_objects(cluster, namespace), wanted) == target
