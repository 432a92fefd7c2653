from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

import pytest
import yaml
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError, MaxRetryError, ProxyError

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.health import pod_ready, started_before, unready_workloads
from meshproof.cluster.kind import KindCluster, plan
from meshproof.cluster.kind_config import CONFIG, cluster_config
from meshproof.cluster.node_images import lacks
from meshproof.cluster.nodes import without_forwarder
from meshproof.engine.engine import Container, Engine
from meshproof.engine.machine import Machine
from meshproof.errors import EnvironmentBroken
from meshproof.process import CommandFailed, Completed
from meshproof.progress import Progress

IMAGE = "sha256:abcd"
FIRST = Container("meshproof-control-plane", "running", IMAGE, "first-id")
SECOND = Container("meshproof-worker", "running", IMAGE, "second-id")


@pytest.mark.parametrize(
    ("containers", "nodes", "action", "reason"),
    [
        ([], 1, "create", "there is none"),
        ([FIRST], 1, "reuse", "it runs"),
        ([FIRST, SECOND], 2, "reuse", "it runs"),
        ([FIRST], 3, "replace", "it has 1 node(s), 3 asked for"),
        ([FIRST, SECOND], 1, "replace", "it has 2 node(s), 1 asked for"),
        ([replace(FIRST, image="sha256:0")], 1, "replace", "its nodes run another node image"),
        (
            [FIRST, replace(SECOND, image="sha256:0")],
            2,
            "replace",
            "its nodes run another node image",
        ),
        ([FIRST, replace(SECOND, state="exited")], 2, "start", "stopped: meshproof-worker"),
        ([replace(FIRST, state="paused")], 1, "start", "stopped: meshproof-control-plane"),
        (
            [replace(FIRST, state="exited", image="sha256:0")],
            1,
            "replace",
            "its nodes run another node image",
        ),
    ],
)
def test_plan(containers: list[Container], nodes: int, action: str, reason: str) -> None:
    decided = plan(containers, nodes=nodes, image=IMAGE)
    assert (decided.action, decided.reason) == (action, reason)


@pytest.fixture
def base() -> dict[str, Any]:
    """The committed configuration."""
    return cast("dict[str, Any]", yaml.safe_load(CONFIG.read_text()))


def test_a_full_machine_with_one_node_gets_the_base_as_it_is(
    base: dict[str, Any], machine: Machine
) -> None:
    assert cluster_config(base, nodes=1, machine=machine) == base


def test_more_nodes_are_workers(base: dict[str, Any], machine: Machine) -> None:
    nodes = cluster_config(base, nodes=3, machine=machine)["nodes"]
    assert [node["role"] for node in nodes] == ["control-plane", "worker", "worker"]
    assert nodes[0] == base["nodes"][0]


def test_cgroup_1_is_told_to_the_kubelet(base: dict[str, Any], machine: Machine) -> None:
    config = cluster_config(base, nodes=1, machine=replace(machine, cgroup=1))
    *_, patch = config["kubeadmConfigPatches"]
    assert yaml.safe_load(patch) == {"kind": "KubeletConfiguration", "failCgroupV1": False}


def test_logs_are_kept_whole_for_longer_than_a_run_writes_them(
    base: dict[str, Any], machine: Machine
) -> None:
    (patch,) = cluster_config(base, nodes=1, machine=machine)["kubeadmConfigPatches"]
    kubelet = yaml.safe_load(patch)
    # All breakages and scenarios in a row take an hour, in which a sidecar writes some 30 MiB.
    assert kubelet["kind"] == "KubeletConfiguration"
    assert int(kubelet["containerLogMaxSize"].removesuffix("Mi")) >= 100


def test_containerd_does_not_try_what_is_withheld(base: dict[str, Any], machine: Machine) -> None:
    config = cluster_config(base, nodes=1, machine=replace(machine, withheld=("CAP_SYS_RESOURCE",)))
    assert "restrict_oom_score_adj = true" in config["containerdConfigPatches"][0]
    other = cluster_config(base, nodes=1, machine=replace(machine, withheld=("CAP_SYSLOG",)))
    assert other == base


def test_patches_are_added_to_those_of_the_base_which_is_not_changed(
    base: dict[str, Any], machine: Machine
) -> None:
    base["kubeadmConfigPatches"], base["containerdConfigPatches"] = ["theirs"], ["theirs"]
    before = copy.deepcopy(base)
    bare = replace(machine, cgroup=1, withheld=("CAP_SYS_RESOURCE",))
    config = cluster_config(base, nodes=3, machine=bare)
    assert len(config["kubeadmConfigPatches"]) == len(config["containerdConfigPatches"]) == 2
    assert base == before


COREFILE = """\
.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
FORWARD    cache 30 {
       disable success cluster.local
       disable denial cluster.local
    }
    loop
    reload
    loadbalance
}
"""


@pytest.mark.parametrize(
    "forward",
    [
        "    forward . /etc/resolv.conf {\n       max_concurrent 1000\n    }\n",
        "    forward . /etc/resolv.conf\n",
        "    forward . tls://10.0.0.1 {\n       policy {\n          random\n       }\n    }\n",
        "    forward a. 10.0.0.1\n    forward b. 10.0.0.2 {\n    }\n",
        "",
    ],
)
def test_the_forwarder_and_nothing_else_is_taken_out(forward: str) -> None:
    left = without_forwarder(COREFILE.replace("FORWARD", forward))
    assert left == COREFILE.replace("FORWARD", "")
    assert without_forwarder(left) == left


KEYED = "localhost/meshproof/image-voting-app-1.0:7af05636bd9ed77a"
FIXED = "localhost/voting/app:1.0"
LISTING = f"""\
REF                TYPE                                       DIGEST          SIZE      PLATFORMS   LABELS
{KEYED}   application/vnd.oci.image.manifest.v1+json   sha256:3e5e    41.2 MiB  linux/amd64 io.cri-containerd.image=managed
{FIXED}   application/vnd.oci.image.manifest.v1+json   sha256:FIXED   41.2 MiB  linux/amd64 io.cri-containerd.image=managed
sha256:3e5e        application/vnd.oci.image.manifest.v1+json sha256:3e5e     41.2 MiB  linux/amd64 -
"""  # noqa: E501 - as ctr prints it


@pytest.mark.parametrize(
    ("listing", "pairs", "lacking"),
    [
        (LISTING.replace("FIXED", "3e5e"), [f"{FIXED}={KEYED}"], {}),
        (LISTING.replace("FIXED", "0000"), [f"{FIXED}={KEYED}"], {FIXED: True}),
        (LISTING.replace("FIXED", "3e5e"), [f"{FIXED}={KEYED}0"], {FIXED: True}),
        (
            LISTING.replace("FIXED", "3e5e"),
            [f"{FIXED}={KEYED}", f"other:1={KEYED}"],
            {"other:1": False},
        ),
        ("REF TYPE DIGEST SIZE PLATFORMS LABELS\n", [f"{FIXED}={KEYED}"], {FIXED: False}),
        ("", [f"{FIXED}={KEYED}"], {FIXED: False}),
    ],
    ids=["loaded", "older one loaded", "other key", "one is missing", "none", "nothing printed"],
)
def test_an_image_is_loaded_when_its_name_means_what_was_built(
    listing: str, pairs: list[str], lacking: dict[str, bool]
) -> None:
    assert lacks(listing, pairs) == lacking


def deployment(
    name: str, *, replicas: int = 3, generation: int = 2, **status: int | None
) -> SimpleNamespace:
    given = {"observed_generation": 2, "updated_replicas": 3, "available_replicas": 3, **status}
    return SimpleNamespace(
        metadata=SimpleNamespace(name=name, generation=generation),
        spec=SimpleNamespace(replicas=replicas),
        status=SimpleNamespace(**given),
    )


def test_a_deployment_is_ready_when_all_pods_of_its_present_form_are_available() -> None:
    items = [
        deployment("ready"),
        deployment("none-wanted", replicas=0, updated_replicas=None, available_replicas=None),
        deployment("new", observed_generation=None, updated_replicas=None),
        deployment("changed", generation=3),
        deployment("rolling", updated_replicas=1),
        deployment("starting", available_replicas=2),
    ]
    apps = SimpleNamespace(
        list_namespaced_deployment=lambda namespace: SimpleNamespace(items=items)
    )
    core = SimpleNamespace(list_namespaced_pod=lambda namespace: SimpleNamespace(items=[]))
    cluster = cast("Cluster", SimpleNamespace(apps=apps, core=core))
    assert unready_workloads(cluster, ["voting"]) == [
        "voting/new",
        "voting/changed",
        "voting/rolling",
        "voting/starting",
    ]


@dataclass(frozen=True)
class Nodes(Engine):
    """An engine that has these containers, and notes what it is told."""

    there: tuple[Container, ...] = ()
    ports: dict[str, int] = field(default_factory=dict)

    def containers(self, label: str) -> list[Container]:
        assert label == "io.x-k8s.kind.cluster=meshproof"
        return list(self.there)

    def published_port(self, container: str, port: int) -> int | None:
        return self.ports.get(container)


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder with a kind that notes what it is called with, and knows no cluster."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "kind").write_text('#!/bin/sh\necho "$1 $2" >>"$0.calls"\ntest "$1" != export\n')
    (tools / "kind").chmod(0o755)
    return tools


def kind_cluster(
    tools: Path, machine: Machine, progress: Progress, there: tuple[Container, ...]
) -> KindCluster:
    engine = Nodes("docker", "docker", {}, there, {SECOND.name: 40080})
    return KindCluster("meshproof", engine=engine, tools=tools, machine=machine, progress=progress)


def test_a_cluster_that_is_not_ours_is_neither_used_nor_deleted(
    tools: Path, machine: Machine, progress: Progress
) -> None:
    kind = kind_cluster(tools, machine, progress, (FIRST,))
    for action in (kind.delete, lambda: kind.ensure(nodes=1, image="node")):
        with pytest.raises(EnvironmentBroken, match=r"did not make .*--cluster-name"):
            action()
    assert set((tools / "kind.calls").read_text().splitlines()) == {"export kubeconfig"}
    assert not kind.kubeconfig.exists()


def test_deleting_deletes_our_cluster_and_its_kubeconfig(
    tools: Path, machine: Machine, progress: Progress
) -> None:
    kind = kind_cluster(tools, machine, progress, (FIRST,))
    kind.kubeconfig.parent.mkdir(parents=True)
    kind.kubeconfig.touch()
    made = kind.kubeconfig.with_name("nodes.json")
    made.write_text(json.dumps([FIRST.id]))
    kind.delete()
    assert (tools / "kind.calls").read_text() == "delete cluster\n"
    assert not kind.kubeconfig.exists()
    assert not made.exists()


def test_a_cluster_whose_making_was_cut_short_is_ours(
    tools: Path, machine: Machine, progress: Progress
) -> None:
    kind = kind_cluster(tools, machine, progress, (FIRST,))
    kind.kubeconfig.parent.mkdir(parents=True)
    kind.kubeconfig.with_name("nodes.json").write_text("null")
    kind.delete()
    assert (tools / "kind.calls").read_text() == "delete cluster\n"


def test_another_cluster_that_took_the_name_is_not_deleted(
    tools: Path, machine: Machine, progress: Progress
) -> None:
    kind = kind_cluster(tools, machine, progress, (SECOND,))
    kind.kubeconfig.parent.mkdir(parents=True)
    kind.kubeconfig.touch()
    kind.kubeconfig.with_name("nodes.json").write_text(json.dumps([FIRST.id]))
    with pytest.raises(EnvironmentBroken, match="did not make"):
        kind.delete()
    assert not (tools / "kind.calls").exists()


def test_deleting_where_there_is_none_calls_nothing(
    tools: Path, machine: Machine, progress: Progress
) -> None:
    kind_cluster(tools, machine, progress, ()).delete()
    assert not (tools / "kind.calls").exists()


@dataclass(frozen=True)
class Settled(Nodes):
    """Nodes that note which of them settled."""

    settled: list[str] = field(default_factory=list)

    def run(self, *argv: str | Path, check: bool = True, timeout: float = 60.0) -> Completed:
        assert (argv[0], argv[2]) == ("exec", "sh")
        self.settled.append(str(argv[1]))
        return Completed(("docker",), 0, "", "", 0.0, 0.0)


@pytest.mark.parametrize(("cgroup", "settled"), [(1, [FIRST.name, SECOND.name]), (2, [])])
def test_nodes_settle_first_where_what_is_frozen_cannot_be_killed(
    tools: Path, machine: Machine, progress: Progress, cgroup: int, settled: list[str]
) -> None:
    engine = Settled("docker", "docker", {}, (FIRST, SECOND))
    on = replace(machine, cgroup=cgroup)
    kind = KindCluster("meshproof", engine=engine, tools=tools, machine=on, progress=progress)
    kind.kubeconfig.parent.mkdir(parents=True)
    kind.kubeconfig.with_name("nodes.json").write_text("null")
    kind.delete()
    assert engine.settled == settled
    assert (tools / "kind.calls").read_text() == "delete cluster\n"


@pytest.mark.parametrize("frozen", [True, False])
def test_nodes_that_cannot_end_are_thawed_and_deleted_once_more(
    tools: Path,
    machine: Machine,
    progress: Progress,
    monkeypatch: pytest.MonkeyPatch,
    frozen: bool,
) -> None:
    """Kind fails until they are thawed; where nothing is frozen, its failure is told at once."""
    (tools / "kind").write_text('#!/bin/sh\necho "$1 $2" >>"$0.calls"\ntest -e "$0.thawed"\n')

    def thaw(nodes: object) -> bool:
        assert nodes == [FIRST]
        if frozen:
            (tools / "kind.thawed").touch()
        return frozen

    monkeypatch.setattr("meshproof.cluster.kind.thaw", thaw)
    kind = kind_cluster(tools, machine, progress, (FIRST,))
    kind.kubeconfig.parent.mkdir(parents=True)
    kind.kubeconfig.with_name("nodes.json").write_text("null")
    if frozen:
        kind.delete()
    else:
        with pytest.raises(CommandFailed):
            kind.delete()
    assert (tools / "kind.calls").read_text() == "delete cluster\n" * (1 + frozen)


@dataclass(frozen=True)
class Asked(Nodes):
    """Nodes that say of their own API server whether it is ready."""

    ready: str = "ok"

    def run(self, *argv: str | Path, check: bool = True, timeout: float = 60.0) -> Completed:
        assert argv[:3] == ("exec", FIRST.name, "kubectl")
        return Completed(("docker",), 0 if self.ready == "ok" else 1, self.ready, "", 0.0, 0.0)


def unreachable(tools: Path, machine: Machine, progress: Progress, ready: str) -> KindCluster:
    """A cluster of ours whose API server cannot be reached from here."""
    engine = Asked("docker", "docker", {}, (FIRST,), {}, ready)
    kind = KindCluster("meshproof", engine=engine, tools=tools, machine=machine, progress=progress)
    kind.kubeconfig.parent.mkdir(parents=True)
    kind.kubeconfig.with_name("nodes.json").write_text(json.dumps([FIRST.id]))
    return kind


@pytest.fixture
def _never_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**how: object) -> None:
        raise MaxRetryError(cast("Any", None), "/api/v1/nodes", ProxyError("no", OSError()))

    def never(self: KindCluster) -> None:
        raise EnvironmentBroken("the API server answers: not so within 60 s")

    monkeypatch.setattr(Cluster, "core", SimpleNamespace(list_node=refused))
    monkeypatch.setattr(KindCluster, "_become_healthy", never)


@pytest.mark.usefixtures("_never_reached")
def test_a_cluster_that_is_well_and_cannot_be_reached_is_not_replaced(
    tools: Path, machine: Machine, progress: Progress
) -> None:
    kind = unreachable(tools, machine, progress, "ok")
    with pytest.raises(EnvironmentBroken, match=r"answers on its node .*NO_PROXY.* left as it is"):
        kind.ensure(nodes=1, image=FIRST.image)
    assert not (tools / "kind.calls").exists()


@pytest.mark.usefixtures("_never_reached")
def test_a_cluster_that_does_not_answer_on_its_nodes_either_is_replaced(
    tools: Path, machine: Machine, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    monkeypatch.setattr(KindCluster, "_create", lambda self, *how: made.append(how))
    kind = unreachable(tools, machine, progress, "[-]etcd failed")
    assert kind.ensure(nodes=1, image=FIRST.image).action == "replace"
    assert (tools / "kind.calls").read_text() == "delete cluster\n"
    assert made == [(1, FIRST.image, True)]


class Marked:
    """An API server that keeps the mark, and refuses all else."""

    def __init__(self) -> None:
        self.data: dict[str, str] | None = None

    def create_namespaced_config_map(self, namespace: str, body: Any) -> None:
        if self.data is not None:
            raise ApiException(409)
        self.data = dict(body["data"])

    def read_namespaced_config_map(self, name: str, namespace: str) -> SimpleNamespace:
        return SimpleNamespace(data=self.data)

    def patch_namespaced_config_map(self, name: str, namespace: str, body: Any) -> None:
        assert self.data is not None
        self.data |= body["data"]


OLD = replace(FIRST, started="2026-01-01T08:00:00.5Z")
NOW = "%Y-%m-%dT%H:%M:%SZ"


@pytest.fixture
def lacking(
    tools: Path, machine: Machine, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> KindCluster:
    """A cluster whose node has another image of a name."""
    monkeypatch.setattr(Cluster, "core", Marked())
    listing = "REF TYPE DIGEST\nvoting/app:1.0 manifest sha256:0000\n"
    monkeypatch.setattr(KindCluster, "_listed", lambda self, node: listing)
    return kind_cluster(tools, machine, progress, (OLD,))


def test_pods_from_before_other_images_were_loaded_are_told_and_left_where_they_are(
    lacking: KindCluster, tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lacking.pods_since() == OLD.started
    monkeypatch.setattr("meshproof.cluster.kind.living", lambda cluster: [])
    before = datetime.now(UTC).strftime(NOW)
    # No more is asked of the API server than the mark: nobody's namespace goes.
    assert lacking.load(Path("images.tar"), ["voting/app:1.0=x"])
    assert before <= lacking.pods_since() <= datetime.now(UTC).strftime(NOW)
    assert (tools / "kind.calls").read_text() == "load image-archive\n"


def test_nothing_is_noted_on_a_cluster_that_is_not_meshproofs(
    lacking: KindCluster, tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = Cluster("kind-theirs", tools / "their-kubeconfig", tools)
    asked: list[Cluster] = []
    monkeypatch.setattr("meshproof.cluster.kind.living", asked.append)
    assert lacking.load(Path("images.tar"), ["voting/app:1.0=x"], foreign=theirs)
    assert asked == [theirs]
    assert cast("Any", Cluster.core).data is None


def test_images_are_not_replaced_under_a_run(
    lacking: KindCluster, tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meshproof.cluster.kind.living", lambda cluster: ["run 1 in voting"])
    with pytest.raises(EnvironmentBroken, match=r"to get other images.*run 1.*--cluster-name"):
        lacking.load(Path("images.tar"), ["voting/app:1.0=x"])
    assert not (tools / "kind.calls").exists()
    assert lacking.pods_since() == OLD.started


def test_images_that_no_pod_can_have_are_loaded_beside_a_run(
    lacking: KindCluster, tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meshproof.cluster.kind.living", lambda cluster: ["run 1 in voting"])
    assert not lacking.load(Path("images.tar"), ["greeting:1.0=x"])
    assert (tools / "kind.calls").read_text() == "load image-archive\n"
    assert lacking.pods_since() == OLD.started


@pytest.mark.parametrize("nodes", [1, 2])
def test_a_cluster_is_not_replaced_under_a_run(
    tools: Path, machine: Machine, progress: Progress, monkeypatch: pytest.MonkeyPatch, nodes: int
) -> None:
    made: list[object] = []
    monkeypatch.setattr(KindCluster, "_create", lambda self, *how: made.append(how))
    image = FIRST.image if nodes == 2 else "another"
    for living, replaced in (
        (Mock(return_value=["run 1 in voting"]), False),
        (Mock(return_value=[]), True),
        (Mock(side_effect=HTTPError("nobody there")), True),
    ):
        monkeypatch.setattr("meshproof.cluster.kind.living", living)
        kind = kind_cluster(tools, machine, progress, (FIRST,))
        kind.kubeconfig.parent.mkdir(parents=True, exist_ok=True)
        kind.kubeconfig.touch()
        kind.kubeconfig.with_name("nodes.json").write_text("null")
        if replaced:
            assert kind.ensure(nodes=nodes, image=image).action == "replace"
            continue
        with pytest.raises(EnvironmentBroken, match=r"to be replaced \(.*run 1.*--cluster-name"):
            kind.ensure(nodes=nodes, image=image)
        assert not (tools / "kind.calls").exists() and not made
    assert len(made) == 2


def test_the_loopback_port_is_that_of_the_node_that_publishes_one(
    tools: Path, machine: Machine, progress: Progress
) -> None:
    assert kind_cluster(tools, machine, progress, (FIRST, SECOND)).loopback_port() == 40080
    with pytest.raises(EnvironmentBroken, match="publishes no port"):
        kind_cluster(tools, machine, progress, (FIRST,)).loopback_port()


def pod(name: str, started: str | None) -> Any:
    running = SimpleNamespace(started_at=datetime.fromisoformat(started)) if started else None
    status = SimpleNamespace(name="main", state=SimpleNamespace(running=running))
    return SimpleNamespace(
        metadata=SimpleNamespace(namespace="kube-system", name=name),
        status=SimpleNamespace(container_statuses=[status], init_container_statuses=None),
    )


def test_what_is_told_of_before_a_restart_is_not_believed() -> None:
    pods = [
        pod("before", "2026-11-23T17:57:42+00:00"),
        pod("same-second", "2026-11-23T17:57:43+00:00"),
        pod("after", "2026-11-23T17:58:00+00:00"),
        pod("waiting", None),
    ]
    told = started_before(pods, "2026-11-23T17:57:43.660394304Z")
    assert told == ["kube-system/before/main"]
    assert started_before(pods, "2026-11-23T17:00:00Z") == []


@pytest.mark.parametrize(
    ("phase", "told", "containers", "ready"),
    [
        ("Running", "True", [True, True], True),
        ("Running", "True", [True, False], False),  # told before a restart
        ("Running", "False", [True], False),
        ("Pending", None, [], False),
        ("Succeeded", "False", [False], True),
    ],
)
def test_a_pod_is_ready_when_it_and_all_its_containers_are(
    phase: str, told: str | None, containers: list[bool], ready: bool
) -> None:
    status = SimpleNamespace(
        phase=phase,
        conditions=[SimpleNamespace(type="Ready", status=told)] if told else None,
        container_statuses=[SimpleNamespace(ready=value) for value in containers],
    )
    metadata = SimpleNamespace(deletion_timestamp=None)
    assert pod_ready(SimpleNamespace(status=status, metadata=metadata)) is ready
