"""Leases, namespaces, ownership and dry runs, by what a real API server does with them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from meshproof.cluster.cluster import OWNED, RUN, RUN_VARIABLE, TUTORIAL, Cluster, Owner
from meshproof.cluster.lease import Leases, holder_of, living
from meshproof.cluster.namespaces import delete_namespace
from meshproof.cluster.objects import delete, get, namespace_object, namespaces_of, patch, take_over
from meshproof.cluster.shape import DEFAULT
from meshproof.errors import EnvironmentBroken
from meshproof.mesh.injection import injected_containers
from meshproof.progress import Progress

#: Runs that want one Lease at once.
MANY = 8

#: Where Leases are.
PLACE = DEFAULT.namespace


@pytest.fixture(scope="module")
def _place(cluster: Cluster) -> None:
    """The mesh's namespace, which Leases are in."""
    cluster.core.create_namespace({"metadata": {"name": PLACE}})


@pytest.fixture
def name(request: pytest.FixtureRequest, cluster: Cluster, _place: None) -> Iterator[str]:
    """A Lease of this test's own."""
    name = "meshproof-" + request.node.originalname.removeprefix("test_").replace("_", "-")[:50]
    yield name.rstrip("-")
    leases = client.CoordinationV1Api(cluster.api)
    leases.delete_collection_namespaced_lease(PLACE)


def run_of(cluster: Cluster, name: str, parent: str | None = None) -> Leases:
    return Leases(cluster, Owner(name, "voting", parent))


def holder_in(cluster: Cluster, name: str) -> str | None:
    """Who holds a Lease, as the server has it; None where there is none."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/{PLACE}/leases"
    found = {one["metadata"]["name"]: one["spec"] for one in get(cluster, path)["items"]}
    return found[name]["holderIdentity"] if name in found else None


def test_of_many_runs_at_once_one_holds_a_lease(cluster: Cluster, name: str) -> None:
    runs = [run_of(cluster, f"run-{index}") for index in range(MANY)]
    together = threading.Barrier(MANY)

    def claim(one: Leases) -> bool:
        together.wait()
        return one.claim(name) is None

    with ThreadPoolExecutor(MANY) as pool:
        got = list(pool.map(claim, runs))
    try:
        assert got.count(True) == 1
        assert holder_in(cluster, name) == runs[got.index(True)].owner.run
    finally:
        for one in runs:
            one.release()
    assert holder_in(cluster, name) is None


def test_a_lease_goes_to_who_was_started_and_back(cluster: Cluster, name: str) -> None:
    parent, child = run_of(cluster, "parent"), run_of(cluster, "child", "parent")
    assert parent.claim(name) is None
    assert child.claim(name) is None
    assert holder_in(cluster, name) == "child"
    other = run_of(cluster, "other").claim(name)
    assert other and (other.run, other.alive) == ("child", True)
    child.release()
    assert holder_in(cluster, name) == "parent"
    parent.release()
    assert holder_in(cluster, name) is None


def test_a_lease_that_nobody_renews_is_free(
    cluster: Cluster, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(RUN_VARIABLE, raising=False)
    first, second = run_of(cluster, "first"), run_of(cluster, "second")
    assert first.claim(name) is None
    assert [holder.run for holder in living(cluster)] == ["first"]
    path = f"/apis/coordination.k8s.io/v1/namespaces/{PLACE}/leases/{name}"
    long_ago = "2020-01-01T00:00:00.000000Z"
    patch(cluster, path, [{"op": "replace", "path": "/spec/renewTime", "value": long_ago}])
    assert living(cluster) == []
    assert second.claim(name) is None
    first.release()
    holder = holder_of(cluster, name)
    assert holder and (holder.run, holder.alive) == ("second", True)
    second.release()


def make(cluster: Cluster, name: str, **metadata: Any) -> None:
    cluster.core.create_namespace({"metadata": {"name": name, **metadata}})


def test_a_run_takes_over_its_own_namespaces_and_no_others(cluster: Cluster) -> None:
    make(cluster, "taken", labels=OWNED)
    make(cluster, "taken-2", labels=OWNED, annotations={TUTORIAL: "taken", RUN: "before"})
    make(cluster, "taken-b", labels=OWNED, annotations={TUTORIAL: "taken-b", RUN: "other"})
    make(cluster, "taken-3", annotations={TUTORIAL: "taken"})
    assert namespaces_of(cluster, "taken") == ["taken", "taken-2"]
    assert take_over(replace(cluster, owner=Owner("now", "taken"))) == ["taken", "taken-2"]
    runs = {
        one["metadata"]["name"]: one["metadata"].get("annotations", {}).get(RUN)
        for one in get(cluster, "/api/v1/namespaces")["items"]
        if one["metadata"]["name"].startswith("taken")
    }
    assert runs == {"taken": "now", "taken-2": "now", "taken-b": "other", "taken-3": None}


def test_only_a_namespace_of_the_runs_own_is_deleted(cluster: Cluster) -> None:
    run = replace(cluster, owner=Owner("now", "ours"))
    make(cluster, "ours", labels=OWNED)
    make(cluster, "theirs", labels=OWNED, annotations={TUTORIAL: "others"})
    make(cluster, "users")
    for name, why in (("theirs", "made by a run in others"), ("users", "not Meshproof's")):
        with pytest.raises(EnvironmentBroken, match=why):
            delete_namespace(run, name, Progress(lambda _: None), wait=False)
    delete_namespace(run, "ours", Progress(lambda _: None), wait=False)
    delete_namespace(run, "nobodys", Progress(lambda _: None), wait=False)
    phases = {name: phase(cluster, name) for name in ("ours", "theirs", "users", "nobodys")}
    # Without a controller it is on its way out for good.
    assert phases == {"ours": "Terminating", "theirs": "Active", "users": "Active", "nobodys": None}


def phase(cluster: Cluster, name: str) -> str | None:
    found = namespace_object(cluster, name)
    return found["status"]["phase"] if found else None


def test_an_object_is_changed_and_deleted_at_its_path(cluster: Cluster) -> None:
    path = "/api/v1/namespaces/default/configmaps/changed"
    cluster.core.create_namespaced_config_map("default", {"metadata": {"name": "changed"}})
    patch(cluster, path, [{"op": "add", "path": "/data", "value": {"a": "b"}}])
    assert get(cluster, path)["data"] == {"a": "b"}
    with pytest.raises(ApiException, match="422"):
        patch(cluster, path, [{"op": "remove", "path": "/nothing"}])
    delete(cluster, path)
    delete(cluster, path)
    with pytest.raises(ApiException, match="404"):
        get(cluster, path)


def test_a_dry_run_is_admitted_as_a_pod_is_and_leaves_none(cluster: Cluster) -> None:
    make(cluster, "dry")
    assert injected_containers(cluster, "dry")
    assert get(cluster, "/api/v1/namespaces/dry/pods")["items"] == []
    with pytest.raises(ApiException) as missing:
        injected_containers(cluster, "never-made")
    assert missing.value.status == 404


def test_a_dry_run_is_refused_where_a_pod_would_be(cluster: Cluster) -> None:
    make(cluster, "strict")
    cluster.core.delete_namespace("strict")
    with pytest.raises(ApiException) as refused:
        injected_containers(cluster, "strict")
    assert refused.value.status == 403
