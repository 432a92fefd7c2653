from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from kubernetes.client.exceptions import ApiException

from meshproof.cluster import objects
from meshproof.cluster.cluster import OWNED, TUTORIAL, Cluster, Owner
from meshproof.engine.engine import Engine
from meshproof.errors import EnvironmentBroken
from meshproof.probes import api_resources, attribution, inventory
from meshproof.probes import volumes as on_nodes
from meshproof.probes.api_resources import (
    DISCOVERED,
    LEFT_OUT,
    METADATA,
    Item,
    Resource,
    items,
    list_objects,
    resources,
)
from meshproof.probes.attribution import Others, Own, of_others, of_this_run
from meshproof.probes.inventory import WHOLE, Inventory, left_behind, take
from meshproof.probes.volumes import PROVISIONER, folders, provisioned, volumes
from meshproof.process import Completed, run


def answer(monkeypatch: pytest.MonkeyPatch, get: Callable[..., Mapping[str, Any]]) -> None:
    """Have the API server answer so, whoever asks."""
    for asking in (objects, api_resources, attribution, on_nodes):
        monkeypatch.setattr(asking, "get", get)


ALL = ["create", "delete", "get", "list", "watch"]


def served(resource: str, kind: str, verbs: list[str] | None = None) -> dict[str, Any]:
    return {
        "resource": resource, "responseKind": {"kind": kind}, "verbs": verbs or ALL,
        "subresources": [{"subresource": "status", "verbs": ["get"]}],
    }  # fmt: skip


CORE = {
    "metadata": {},
    "versions": [
        {
            "version": "v1",
            "resources": [
                served("pods", "Pod"),
                served("namespaces", "Namespace"),
                served("bindings", "Binding", ["create"]),
                served("events", "Event"),
            ],
        }
    ],
}
ISTIO = {
    "metadata": {"name": "networking.istio.io"},
    "versions": [
        {"version": "v1", "resources": [served("gateways", "Gateway")]},
        {
            "version": "v1alpha3",
            "resources": [served("gateways", "Gateway"), served("envoyfilters", "EnvoyFilter")],
        },
        {"version": "v1beta1"},
    ],
}
POD = Resource("Pod", "/api/v1", "pods")
CLASS = Resource("StorageClass.storage.k8s.io", "/apis/storage.k8s.io/v1", "storageclasses")


def test_every_kind_that_can_be_listed_is_listed_once_by_the_version_that_is_preferred() -> None:
    networking = "/apis/networking.istio.io"
    assert resources([CORE, ISTIO]) == [
        POD,
        Resource("Namespace", "/api/v1", "namespaces"),
        Resource("Gateway.networking.istio.io", f"{networking}/v1", "gateways"),
        Resource("EnvoyFilter.networking.istio.io", f"{networking}/v1alpha3", "envoyfilters"),
    ]


def test_what_controllers_keep_for_themselves_is_left_out_each_for_a_reason() -> None:
    groups = [
        {
            "metadata": {"name": group},
            "versions": [{"version": "v1", "resources": [served(resource, "Kind")]}],
        }
        for group, resource in LEFT_OUT
    ]
    assert resources(groups) == []
    assert all(LEFT_OUT.values())


def test_objects_by_where_they_are_and_whose() -> None:
    pod = {"metadata": {"name": "a", "namespace": "voting", "uid": "1", "labels": OWNED}}
    assert items(POD, {"items": [pod]}) == [
        Item("Pod", "voting", "a", "1", "/api/v1/namespaces/voting/pods/a", owned=True)
    ]
    (clusters,) = items(CLASS, {"items": [{"metadata": {"name": "standard", "uid": "2"}}]})
    assert clusters.path == "/apis/storage.k8s.io/v1/storageclasses/standard"
    assert not clusters.owned
    on_their_way: list[dict[str, Any]] = [{"deletionTimestamp": "now"}, {"ownerReferences": [{}]}]
    for metadata in on_their_way:
        (going,) = items(CLASS, {"items": [{"metadata": {"name": "standard", **metadata}}]})
        assert going.going
    assert not clusters.going
    assert str(clusters) == "StorageClass.storage.k8s.io standard"


OTHERS = Others(
    "mine",
    frozenset({"voting-b"}),
    frozenset({"pvc-b"}),
    frozenset({"/volumes/pvc-b"}),
    frozenset({"10.96.0.2"}),
)


@pytest.mark.parametrize(
    ("kind", "namespace", "name", "run", "others"),
    [
        ("Pod", "voting-b", "a", "", True),
        ("Pod", "voting", "a", "", False),
        ("Namespace", "", "voting-b", "theirs", True),
        ("Namespace", "", "voting-2", "predecessor", False),
        ("PersistentVolume", "", "pvc-b", "", True),
        ("PersistentVolume", "", "pvc-a", "", False),
        ("IPAddress.networking.k8s.io", "", "10.96.0.2", "", True),
        ("IPAddress.networking.k8s.io", "", "10.96.0.3", "", False),
        ("ClusterRole.rbac.authorization.k8s.io", "", "a", "theirs", True),
        ("ClusterRole.rbac.authorization.k8s.io", "", "a", "mine", False),
        ("ClusterRole.rbac.authorization.k8s.io", "", "a", "", False),
    ],
)
def test_what_other_runs_made_is_told_apart(
    kind: str, namespace: str, name: str, run: str, others: bool
) -> None:
    item = Item(kind, namespace, name, "1", "/path", owned=True, run=run)
    assert OTHERS.made(item) is others
    assert not Others().made(item)


@pytest.mark.parametrize(
    ("kind", "namespace", "name", "run", "owned", "own"),
    [
        ("Namespace", "", "voting", "", True, True),
        ("Namespace", "", "default", "mine", True, False),
        ("Pod", "voting", "a", "", False, True),
        ("Pod", "default", "a", "", True, False),
        ("Pod", "default", "a", "mine", True, True),
        ("Pod", "default", "a", "mine", False, False),
        ("PersistentVolume", "", "pvc-a", "", False, True),
        ("PersistentVolume", "", "pvc-b", "", False, False),
        ("PriorityClass", "", "a", "theirs", True, False),
        ("PriorityClass", "", "a", "mine", True, True),
    ],
)
def test_what_is_attributable_to_a_run(
    kind: str, namespace: str, name: str, run: str, owned: bool, own: bool
) -> None:
    mine = Own("mine", frozenset({"voting"}), frozenset({"pvc-a"}), frozenset())
    assert mine.made(Item(kind, namespace, name, "1", "/path", owned=owned, run=run)) is own


def test_other_runs_are_known_by_what_their_namespaces_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def namespace(name: str, tutorial: str | None) -> dict[str, Any]:
        annotations = {"annotations": {TUTORIAL: tutorial}} if tutorial else {}
        return {"metadata": {"name": name, "labels": OWNED, **annotations}}

    def volume(name: str, of: str) -> dict[str, Any]:
        spec = {"claimRef": {"namespace": of}, "hostPath": {"path": f"/volumes/{name}"}}
        return {"metadata": {"name": name}, "spec": spec}

    def address(name: str, of: str) -> dict[str, Any]:
        parent = {"resource": "services", "namespace": of, "name": "voting-app"}
        return {"metadata": {"name": name}, "spec": {"parentRef": parent}}

    answers = {
        "/apis/networking.k8s.io/v1/ipaddresses": [
            address("10.96.0.2", "voting-b"),
            address("10.96.0.3", "voting"),
            address("10.96.0.4", "default"),
        ],
        "/api/v1/namespaces": [
            namespace("voting", "voting"),
            namespace("voting-2", "voting"),
            namespace("voting-b", "voting-b"),
            namespace("voting-b-2", "voting-b"),
            {"metadata": {"name": "default"}},
        ],
        "/api/v1/persistentvolumes": [
            volume("a", "voting-2"),
            volume("b", "voting-b-2"),
            volume("gone", "voting-3"),
            volume("users", "default"),
        ],
    }
    answer(monkeypatch, lambda _, path: {"items": answers[path]})
    cluster = Cluster("fake", tmp_path, tmp_path, Owner("mine", "voting"))
    assert of_others(cluster) == Others(
        "mine",
        frozenset({"voting-b", "voting-b-2"}),
        frozenset({"b"}),
        frozenset({"/volumes/b"}),
        frozenset({"10.96.0.2"}),
    )
    assert set(volumes(cluster, "voting")) == {"a", "gone"}
    assert of_others(Cluster("fake", tmp_path, tmp_path)) == Others()


def test_the_list_of_a_kind_of_which_there_is_nothing() -> None:
    assert items(POD, {"items": None}) == []


def test_an_object_is_another_one_by_its_uid_and_not_by_its_labels() -> None:
    one = Item("Pod", "voting", "a", "1", "/old", owned=False)
    assert one == Item("Pod", "voting", "a", "1", "/new", owned=True)
    assert one != Item("Pod", "voting", "a", "2", "/old", owned=False)
    assert str(one) == "Pod a in voting"


def holding(*names: str, folders: tuple[str, ...] = ()) -> Inventory:
    """Pods, each with its name for a uid, and folders."""
    listed = [{"metadata": {"name": name, "namespace": "x", "uid": name}} for name in names]
    pods = items(POD, {"items": listed})
    return Inventory(frozenset(pods), 1, frozenset(("node", folder) for folder in folders))


def test_the_same_cluster_has_nothing_left_behind() -> None:
    assert left_behind(holding("a", folders=("/v",)), holding("a", folders=("/v",))) == []


def test_what_came_and_what_went_is_said() -> None:
    assert left_behind(
        holding("a", "b", folders=("/v/1", "/v/2")), holding("b", "c", folders=("/v/2", "/v/3"))
    ) == [
        "left behind: Pod c in x",
        "gone: Pod a in x",
        "left behind: /v/3 on node",
        "gone: /v/1 on node",
    ]


def test_an_inventory_in_a_line_and_in_full() -> None:
    held = holding("b", "a", folders=("/v/1",))
    assert str(held) == "2 objects of 1 kinds, 1 folders of volumes"
    assert held.table() == "Pod a in x, a\nPod b in x, b\nfolder /v/1 on node\n"


def test_where_the_provisioner_keeps_volumes() -> None:
    assert provisioned(
        '{"nodePathMap": [{"node": "DEFAULT", "paths": ["/var/b"]},'
        ' {"node": "one", "paths": ["/var/a", "/var/b"]}]}'
    ) == ["/var/a", "/var/b"]


class Nodes:
    """An engine whose containers are this machine."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def has_containers(self, names: list[str]) -> bool:
        return names == ["n1", "n2"]

    def run(self, *argv: str) -> Completed:
        verb, node, *command = argv
        assert verb == "exec"
        self.asked.append(node)
        return run(command)


def test_all_of_a_cluster_is_looked_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "pvc-1" / "below").mkdir(parents=True)
    elsewhere = tmp_path / "not there"
    config = f'{{"nodePathMap": [{{"paths": ["{tmp_path}", "{elsewhere}"]}}]}}'
    answers: dict[tuple[str, str], dict[str, Any]] = {
        ("/api", DISCOVERED): {"items": [CORE]},
        ("/apis", DISCOVERED): {"items": []},
        ("/api/v1/pods", METADATA): {"items": [{"metadata": {"name": "a", "namespace": "x"}}]},
        ("/api/v1/namespaces", METADATA): {"items": [{"metadata": {"name": "x"}}]},
        ("/api/v1/nodes", ""): {"items": [{"metadata": {"name": name}} for name in ("n1", "n2")]},
        (PROVISIONER, ""): {"data": {"config.json": config}},
    }  # fmt: skip

    def get(_: Cluster, path: str, *, accept: str = "") -> Mapping[str, Any]:
        return answers[path, accept]

    answer(monkeypatch, get)
    nodes = Nodes()
    held = take(Cluster("fake", tmp_path, tmp_path), cast("Engine", nodes))
    assert {str(item) for item in held.items} == {"Pod a in x", "Namespace x"}
    assert held.kinds == 2
    assert held.folders == {("n1", f"{tmp_path}/pvc-1"), ("n2", f"{tmp_path}/pvc-1")}
    assert held.scope == WHOLE
    assert nodes.asked == ["n1", "n2"]


@pytest.mark.parametrize(("nodes", "looked"), [(("n1", "n2"), True), (("elsewhere",), False)])
def test_of_a_cluster_of_others_too_only_what_is_the_runs_is_counted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, nodes: tuple[str, ...], looked: bool
) -> None:
    for name in ("stays", "theirs"):
        (tmp_path / name).mkdir()
    mine = {"metadata": {"name": "voting", "labels": OWNED, "annotations": {TUTORIAL: "voting"}}}
    pods = [{"metadata": {"name": "a", "namespace": name}} for name in ("voting", "x")]
    answers: dict[str, dict[str, Any]] = {
        "/api": {"items": [CORE]},
        "/apis": {"items": []},
        "/api/v1/pods": {"items": pods},
        "/api/v1/namespaces": {"items": [mine, {"metadata": {"name": "x"}}]},
        "/api/v1/persistentvolumes": {"items": []},
        "/api/v1/nodes": {"items": [{"metadata": {"name": name}} for name in nodes]},
    }

    def get(_: Cluster, path: str, *, accept: str = "") -> Mapping[str, Any]:
        return answers[path]

    answer(monkeypatch, get)
    cluster = Cluster("fake", tmp_path, tmp_path, Owner("mine", "voting"))
    seen = {"pvc-1": f"{tmp_path}/stays", "pvc-2": f"{tmp_path}/gone", "pvc-3": ""}
    held = take(cluster, cast("Engine", Nodes()), whole=False, seen=seen)
    assert {str(item) for item in held.items} == {"Pod a in voting", "Namespace voting"}
    assert held.folders == ({(n, f"{tmp_path}/stays") for n in nodes} if looked else set())
    assert ("no engine here holds the nodes" in held.scope) is not looked
    assert ("with their folders" in held.scope) is looked


def test_without_a_run_nothing_is_attributable(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentBroken, match="attributed"):
        of_this_run(Cluster("fake", tmp_path, tmp_path), {})


def test_a_volume_that_is_kept_without_its_claim_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def volume(name: str, policy: str) -> dict[str, Any]:
        spec = {"claimRef": {"namespace": "voting"}, "persistentVolumeReclaimPolicy": policy}
        return {"metadata": {"name": name}, "spec": spec}

    listed = [volume("goes", "Delete"), volume("stays", "Retain")]
    answers = {"/api/v1/namespaces": [], "/api/v1/persistentvolumes": listed}
    answer(monkeypatch, lambda _, path: {"items": answers[path]})
    cluster = Cluster("fake", tmp_path, tmp_path)
    assert set(volumes(cluster, "voting")) == {"goes", "stays"}
    assert set(volumes(cluster, "voting", going=True)) == {"goes"}


def test_without_an_engine_nothing_can_be_said_of_folders() -> None:
    with pytest.raises(EnvironmentBroken, match="no container engine"):
        folders(cast("Cluster", None), None)


def test_of_what_may_not_be_listed_nothing_is_seen_where_that_is_enough(
    monkeypatch: pytest.MonkeyPatch, cluster: Cluster
) -> None:
    kinds = [Resource("Pod", "/api/v1", "pods"), Resource("Node", "/api/v1", "nodes")]
    pod = {"metadata": {"name": "app", "namespace": "voting"}}

    def get(_: Cluster, path: str, **how: str) -> dict[str, Any]:
        if path.endswith("/nodes"):
            raise ApiException(status=403, reason="Forbidden")
        return {"items": [pod]}

    answer(monkeypatch, get)
    monkeypatch.setattr(api_resources, "resources", lambda groups: kinds)
    count, listed = list_objects(cluster, allowed=True)
    assert (count, [str(one) for one in listed]) == (1, ["Pod app in voting"])
    with pytest.raises(ApiException):
        list_objects(cluster)


def test_a_namespace_that_goes_before_it_is_taken_over_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def patch(name: str, _: object) -> None:
        if name == "voting-renewal":
            raise ApiException(status=404)

    cluster: Any = SimpleNamespace(
        owner=Owner("a run", "voting"), core=SimpleNamespace(patch_namespace=patch)
    )
    monkeypatch.setattr(objects, "replace", lambda cluster, owner: SimpleNamespace(ownership={}))
    monkeypatch.setattr(objects, "namespaces_of", lambda *_: ["voting", "voting-renewal"])
    assert objects.take_over(cluster) == ["voting"]


def test_a_volume_that_goes_while_the_cluster_is_listed_is_no_part_of_what_was_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Listed as long as it is there: each call is a moment later, and it goes after the fifth."""
    moments = iter(range(100))

    def there() -> frozenset[str]:
        return frozenset({"PersistentVolume of claim"} if next(moments) < 5 else set())

    def listed(*_: object, **__: object) -> Inventory:
        return Inventory(there(), 1, frozenset())  # type: ignore[arg-type]

    monkeypatch.setattr(inventory, "take", listed)
    monkeypatch.setattr(inventory, "volumes", lambda *_, **__: there())
    monkeypatch.setattr(inventory, "converge", at_once)
    found = inventory.take_at_rest(None, None, "voting")  # type: ignore[arg-type]
    assert not found.items


def at_once(look: Callable[[], bool], **_: object) -> None:
    while not look():
        pass
