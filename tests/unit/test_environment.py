from __future__ import annotations

import os
import shutil
import socket
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from unittest.mock import Mock

import pytest
from kubernetes.client.exceptions import ApiException

from meshproof.cluster.cluster import COPIED, Cluster
from meshproof.cluster.images import Images
from meshproof.cluster.kind import KindCluster
from meshproof.cluster.shape import DEFAULT, GatewayShape, MeshShape
from meshproof.engine.engine import Engine
from meshproof.engine.machine import Machine
from meshproof.environment import bring_up, environment, take_down
from meshproof.environment import doctor as examining
from meshproof.environment import existing as foreign
from meshproof.environment import status as asking
from meshproof.environment.doctor import doctor
from meshproof.environment.finding import Finding
from meshproof.environment.inotify import PROXIES_NEED, proxies_finding
from meshproof.environment.options import Options, read_options
from meshproof.environment.status import status
from meshproof.errors import EnvironmentBroken, ExitCode, UsageFailure
from meshproof.mesh.capabilities import Capability
from meshproof.mesh.discovery import Gateway
from meshproof.paths import cache_dir, state_dir
from meshproof.probes.rights import Missing
from meshproof.progress import Progress
from meshproof.suite.rights import RIGHTS, Place
from meshproof.supply.recipe import Recipe
from meshproof.waiting import Timeout
from tests.unit.conftest import Script

# The catalogue is made without asking for a Go toolchain.
pytestmark = pytest.mark.usefixtures("recipes")


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The programs of a machine whose engine does not answer."""
    programs = {"apt-get"}
    for module in (examining, asking, take_down):
        monkeypatch.setattr(module, "answering", lambda: None)
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}" if name in programs else None)
    return programs


def examine(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, **typed: object
) -> dict[str, Finding]:
    monkeypatch.setattr(examining, "this_machine", lambda: machine)
    return {finding.subject: finding for finding in doctor(read_options(typed))}


def test_doctor_finds_a_bare_debian_machine_good_enough_and_changes_nothing(
    machine: Machine, programs: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = examine(machine, monkeypatch)
    assert [finding for finding in found.values() if finding.fatal] == []
    assert found["mmdebstrap"].text == "the Debian package mmdebstrap would be installed"
    assert found["supply"].text.startswith("to be built: kind, istio, kubernetes, ")
    assert not cache_dir().exists()
    assert not state_dir().exists()


@pytest.mark.parametrize(
    ("change", "subject"),
    [
        ({"memory": 4 * 2**30}, "memory"),
        ({"disk_free": 4 * 10**9}, "disk"),
        ({"distribution": "fedora"}, "engine"),
        ({"distribution": "fedora"}, "mmdebstrap"),
        ({"root": False}, "engine"),
    ],
    ids=str,
)
def test_doctor_names_what_up_cannot_do_without(
    machine: Machine,
    programs: set[str],
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, object],
    subject: str,
) -> None:
    lacking = replace(machine, **change)  # type: ignore[arg-type]
    assert examine(lacking, monkeypatch)[subject].fatal


def test_doctor_with_no_install_asks_for_what_would_be_installed(
    machine: Machine, programs: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = examine(machine, monkeypatch, install=False)
    assert found["engine"].fatal
    assert found["mmdebstrap"] == Finding(
        "mmdebstrap", "missing: install the package mmdebstrap", fatal=True
    )


@pytest.mark.parametrize(("root", "fatal"), [(True, False), (False, True)])
def test_an_engine_that_is_down_is_fatal_only_where_it_cannot_be_started(
    machine: Machine,
    programs: set[str],
    monkeypatch: pytest.MonkeyPatch,
    root: bool,
    fatal: bool,
) -> None:
    programs.add("dockerd")
    assert examine(replace(machine, root=root), monkeypatch)["engine"].fatal is fatal


def test_doctor_names_what_the_machine_withholds(
    machine: Machine, programs: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = examine(replace(machine, withheld=("CAP_SYSLOG",)), monkeypatch)
    assert found["capabilities"].text.startswith("withheld: CAP_SYSLOG;")


@pytest.mark.parametrize(
    ("nodes", "instances", "watches", "lacking"),
    [
        (1, 128, 8192, None),
        (2, 128, 8192, None),
        (1, 127, 8192, "fs.inotify.max_user_instances is 127"),
        (1, 128, 8191, "fs.inotify.max_user_watches is 8191"),
        (3, 128, 65536, "fs.inotify.max_user_instances is 128"),
        (3, 192, 8192, "fs.inotify.max_user_watches is 8192"),
        (3, 192, 12288, None),
        (3, -1, -1, None),
    ],
)
def test_doctor_names_a_limit_on_watched_files_that_nodes_come_up_against(
    machine: Machine,
    programs: set[str],
    monkeypatch: pytest.MonkeyPatch,
    nodes: int,
    instances: int,
    watches: int,
    lacking: str | None,
) -> None:
    limited = replace(machine, inotify_instances=instances, inotify_watches=watches)
    text = examine(limited, monkeypatch, nodes=nodes)["inotify"].text
    if lacking is None:
        assert text == "enough"
    else:
        assert text.startswith(lacking)
        assert (
            "sysctl -w fs.inotify.max_user_instances=512 fs.inotify.max_user_watches=524288" in text
        )


def test_what_doctor_advises_is_enough_for_all_nodes(
    machine: Machine, programs: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = examine(replace(machine, inotify_instances=128), monkeypatch, nodes=9)["inotify"].text
    assert "and 576 are needed: run `sysctl -w fs.inotify.max_user_instances=576 " in text


@pytest.mark.parametrize(("lanes", "needed"), [(1, 70), (2, 106), (3, 142), (4, 178)])
def test_each_lane_needs_more_inotify_and_is_what_can_be_done_without(
    machine: Machine, lanes: int, needed: int
) -> None:
    enough = replace(machine, inotify_instances=needed, inotify_held=0)
    assert not proxies_finding(enough, lanes=lanes).doubtful
    found = proxies_finding(replace(enough, inotify_instances=needed - 1), lanes=lanes)
    assert found.doubtful
    assert f"need up to {needed}: " in found.text
    assert ("ask for fewer lanes" in found.text) is (lanes > 1)


@pytest.mark.parametrize(
    ("limit", "held", "lacking"),
    [
        (128, 128 - PROXIES_NEED, False),
        (128, 129 - PROXIES_NEED, True),
        (128, 128, True),
        (512, 128, False),
        (-1, 10_000, False),
    ],
)
def test_doctor_says_where_other_proxies_leave_too_little_inotify_for_those_of_a_run(
    machine: Machine,
    programs: set[str],
    monkeypatch: pytest.MonkeyPatch,
    limit: int,
    held: int,
    lacking: bool,
) -> None:
    beside = replace(machine, inotify_instances=limit, inotify_held=held)
    found = examine(beside, monkeypatch)["inotify"]
    assert found.doubtful is lacking
    assert not found.fatal
    said = f"hold {held} of the {limit} instances of inotify"
    assert (said in found.text) is lacking
    assert ("sysctl -w fs.inotify.max_user_instances=512 " in found.text) is lacking


@pytest.mark.parametrize(("cgroup", "fatal"), [(2, False), (1, True)])
def test_doctor_names_a_rootless_engine(
    machine: Machine, programs: set[str], monkeypatch: pytest.MonkeyPatch, cgroup: int, fatal: bool
) -> None:
    engine = Mock(spec=Engine, version="podman 4.3.1", rootless=True)
    engine.name = "podman"
    engine.containers.return_value = []
    monkeypatch.setattr(examining, "answering", lambda: engine)
    found = examine(replace(machine, cgroup=cgroup, root=False), monkeypatch)
    assert found["rootless"].text.startswith("podman runs without root: ")
    assert "start it as root" in found["rootless"].text
    assert found["rootless"].fatal is fatal
    engine.rootless = False
    assert "rootless" not in examine(machine, monkeypatch)


def test_a_version_is_asked_of_the_program_in_the_image(script: Script) -> None:
    docker = script("docker", 'echo "mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux"')
    version = environment.version_printed(Engine("docker", str(docker)), "sha256:1", "mariadbd")
    assert version == "mariadbd Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux"


def test_status_without_an_engine(programs: set[str]) -> None:
    assert status(read_options({})) == [
        ("engine", "none answers"),
        ("cluster", "cannot be seen without an engine"),
    ]


KUBECTL = """\
#!/bin/sh
echo "$@"
"""


def test_what_is_cut_out_of_a_kubeconfig_is_the_processs_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered: list[tuple[Any, ...]] = []
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "kubectl").write_text(KUBECTL)
    (tools / "kubectl").chmod(0o755)
    linked: set[Path] = set()

    def link(_: object, folder: Path) -> Path:
        linked.add(folder)
        return tools

    monkeypatch.setenv("MESHPROOF_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(foreign, "link_tools", link)
    monkeypatch.setattr("atexit.register", lambda *call, **_: registered.append(call))
    monkeypatch.setattr(
        "kubernetes.config.list_kube_config_contexts",
        lambda: ([{"name": "a/b"}, {"name": "a_b"}], None),
    )
    left = tmp_path / "state" / "existing" / "a_b" / "kubeconfig"
    left.parent.mkdir(parents=True)
    left.write_text("a token")
    made = [
        foreign.existing_cluster(read_options({"cluster": "existing", "kube_context": context}))
        for context in ("a/b", "a_b")
    ]
    for cluster, context in zip(made, ("a/b", "a_b"), strict=True):
        assert f"--context {context} " in cluster.kubeconfig.read_text()
        assert cluster.kubeconfig.stat().st_mode & 0o077 == 0
        assert cluster.kubeconfig.parent.stat().st_mode & 0o077 == 0
        assert not cluster.kubeconfig.is_relative_to(tmp_path / "state")
    assert len(linked) == 2
    assert not left.exists()
    for function, folder in registered:
        function(folder)
    assert not any(cluster.kubeconfig.parent.exists() for cluster in made)


def test_what_killed_processes_left_of_a_kubeconfig_goes(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    names = [f"{COPIED}{ended.pid}-abc", f"{COPIED}{os.getpid()}-abc", f"{COPIED}abc", "other-1-a"]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "kubeconfig").write_text("a token")
    foreign.sweep(tmp_path)
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted(names[1:])


KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: a
clusters: [{name: a, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: a, user: {client-certificate-data: YQ==, client-key-data: Yg==}}]
contexts: [{name: a, context: {cluster: a, user: a}}]
"""


def test_keys_of_a_copied_kubeconfig_are_kept_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / f"{COPIED}1-abc"
    folder.mkdir()
    (folder / "kubeconfig").write_text(KUBECONFIG)
    configuration = Cluster("a", folder / "kubeconfig", Path("bin")).api.configuration
    for file in (configuration.cert_file, configuration.key_file):
        assert Path(file).parent == folder


PENDING: dict[str, Any] = {
    "metadata": {"namespace": "istio-system", "name": "istio-ingressgateway"},
    "spec": {"type": "LoadBalancer", "ports": [{"port": 80, "nodePort": 30080}]},
}
NODE = {"status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.9"}]}}


class Theirs:
    """A cluster of somebody else's that answers, with a mesh of another shape."""

    version, tools, images = "v1.35.0", Path("tools"), None
    mesh = MeshShape("mesh", "1-31")


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch) -> Theirs:
    """Somebody's cluster, whose gateway waits for an address, and which no engine here runs."""
    found = Theirs()
    gateway = Mock(spec=Gateway, service=PENDING, shape=GatewayShape())
    monkeypatch.setattr(foreign, "existing_cluster", lambda options: found)
    monkeypatch.setattr(foreign, "shaped", lambda cluster, options: (cluster, gateway))
    monkeypatch.setattr(foreign, "get", lambda *_: {"items": [NODE]})
    monkeypatch.setattr(foreign, "answering", lambda: None)
    monkeypatch.setattr(foreign, "missing_rights", lambda *_: [])
    return found


def existing() -> Options:
    return read_options({"cluster": "existing", "kube_context": "kind-theirs"})


def test_where_a_gateway_answers_can_be_told(
    theirs: Theirs, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MESHPROOF_INGRESS_URL", "http://127.0.0.1:8080")
    found = bring_up.up(existing(), progress)
    assert (found.loopback, found.made) == ("http://127.0.0.1:8080", False)
    assert found.cluster is cast("Any", theirs)


def test_a_gateway_without_an_address_is_reached_by_a_node_or_the_api_server(
    theirs: Theirs, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreign, "first_there", lambda places: places[0])
    assert bring_up.up(existing(), progress).loopback == "http://10.0.0.9:30080"
    monkeypatch.setattr(foreign, "first_there", lambda places: None)
    monkeypatch.setattr(foreign, "Forwarder", lambda *_: Mock(port=4711))
    assert bring_up.up(existing(), progress).loopback == "http://127.0.0.1:4711"


def test_whoever_may_not_see_nodes_goes_through_the_api_server(
    theirs: Theirs, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreign, "get", Mock(side_effect=ApiException(status=403)))
    monkeypatch.setattr(foreign, "Forwarder", lambda *_: Mock(port=4711))
    assert bring_up.up(existing(), progress).loopback == "http://127.0.0.1:4711"


def test_a_gateways_host_name_is_waited_for(
    theirs: Theirs, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    stated = {"loadBalancer": {"ingress": [{"hostname": "a.example"}]}}
    gateway = Mock(spec=Gateway, service={**PENDING, "status": stated}, shape=GatewayShape())
    monkeypatch.setattr(foreign, "shaped", lambda cluster, options: (cluster, gateway))
    monkeypatch.setattr(foreign, "NAME_RESOLVES", Timeout("at-once", 5, 0.001, "in a test"))
    resolve = Mock(side_effect=[socket.gaierror(), [("there",)]])
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert bring_up.up(existing(), progress).loopback == "http://a.example"
    assert resolve.call_count == 2


def test_what_is_adapted_is_told(theirs: Theirs, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setenv("MESHPROOF_INGRESS_URL", "http://127.0.0.1:8080")
    bring_up.up(existing(), Progress(lines.append))
    assert any("istiod of revision 1-31 in mesh" in line for line in lines)
    assert any("labelled istio.io/rev=1-31 instead of" in line for line in lines)
    assert foreign.told(DEFAULT) == []


@pytest.mark.parametrize("namespace", ["mesh", "mesh-ingress"])
def test_the_tutorial_is_not_followed_in_a_namespace_of_the_mesh(
    monkeypatch: pytest.MonkeyPatch, cluster: Cluster, namespace: str
) -> None:
    gateway = Mock(spec=Gateway, service=PENDING, shape=GatewayShape("mesh-ingress"))
    monkeypatch.setattr(foreign, "find_control_plane", lambda *_: MeshShape("mesh"))
    monkeypatch.setattr(foreign, "find_gateway", lambda *_: gateway)
    typed = {"cluster": "existing", "kube_context": "c", "namespace": namespace}
    with pytest.raises(UsageFailure, match=f"the namespace {namespace} is the mesh's own"):
        foreign.shaped(cluster, read_options(typed))
    found, _ = foreign.shaped(cluster, existing())
    assert found.mesh.namespaces == ("mesh", "mesh-ingress")


def test_what_may_not_be_seen_of_a_mesh_is_told(
    monkeypatch: pytest.MonkeyPatch, cluster: Cluster
) -> None:
    refuse = Mock(side_effect=ApiException(status=403, reason="deployments.apps is forbidden"))
    monkeypatch.setattr(foreign, "find_control_plane", refuse)
    with pytest.raises(EnvironmentBroken, match=r"cannot be seen where istiod is.*403"):
        foreign.shaped(cluster, existing())


@pytest.mark.parametrize("lacked", [True, False])
def test_what_is_loaded_into_somebody_elses_kind_cluster_is_not_noted_there(
    theirs: Theirs, progress: Progress, monkeypatch: pytest.MonkeyPatch, lacked: bool
) -> None:
    loaded = Mock(return_value=lacked)
    stand_ins: dict[str, Any] = {
        "answering": Engine("docker", "docker"),
        "workshop": None,
        "this_machine": None,
        "application_images": {},
    }
    for name, instead in stand_ins.items():
        monkeypatch.setattr(foreign, name, Mock(return_value=instead))
    monkeypatch.setattr(KindCluster, "containers", lambda self: ["a node"])
    monkeypatch.setattr(foreign, "load_application", loaded)
    monkeypatch.setenv("MESHPROOF_INGRESS_URL", "http://127.0.0.1:8080")
    found = bring_up.up(existing(), progress)
    assert loaded.call_args.args[1].name == "theirs"
    assert loaded.call_args.kwargs == {"foreign": theirs}
    assert (found.pods_since is not None) is lacked


def test_nothing_is_loaded_where_images_come_from_a_registry(
    theirs: Theirs, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, digest = "localhost/voting/app:1.0", "sha256:" + "1f" * 32
    pulling = Cluster("theirs", Path("kubeconfig"), Path("bin"), images=Images(
        "registry.example.org", {image: f"registry.example.org/voting/app:1.0@{digest}"}
    ))  # fmt: skip
    loaded = Mock()
    asked = Mock(return_value=pulling)
    monkeypatch.setattr(foreign, "answering", Mock(return_value=Engine("docker", "docker")))
    monkeypatch.setattr(KindCluster, "containers", lambda self: ["a node"])
    monkeypatch.setattr(foreign, "load_application", loaded)
    monkeypatch.setattr(foreign, "from_registry", asked)
    monkeypatch.setenv("MESHPROOF_INGRESS_URL", "http://127.0.0.1:8080")
    found = bring_up.up(existing(), progress)
    assert asked.call_args.args[0] is theirs
    assert found.cluster is pulling
    assert found.images == {image: digest}
    assert not loaded.called


@pytest.mark.parametrize(("place", "found"), [(Place.CLUSTER, False), (Place.ISTIOD, True)])
def test_rights_are_asked_for_before_anything_else(
    theirs: Theirs, progress: Progress, monkeypatch: pytest.MonkeyPatch, place: Place, found: bool
) -> None:
    right = next(one for one in RIGHTS if one.place is place and one.needed)
    monkeypatch.setattr(
        foreign,
        "missing_rights",
        lambda _, asked: [Missing(right, "It may not.")] if asked is place else [],
    )
    shaped = Mock(side_effect=foreign.shaped)
    monkeypatch.setattr(foreign, "shaped", shaped)
    monkeypatch.setattr(foreign, "from_registry", Mock(side_effect=AssertionError))
    with pytest.raises(EnvironmentBroken, match=r"lacks rights .*rights\.yaml") as caught:
        bring_up.up(existing(), progress)
    assert caught.value.details == "It may not."
    assert shaped.called is found


def test_what_is_not_needed_is_noted_and_not_seen(
    theirs: Theirs, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = next(one for one in RIGHTS if Capability.NODES in one.capabilities)
    monkeypatch.setattr(
        foreign,
        "missing_rights",
        lambda _, place: [Missing(right, "No nodes.")] if place is right.place else [],
    )
    monkeypatch.setenv("MESHPROOF_INGRESS_URL", "http://127.0.0.1:8080")
    assert bring_up.up(existing(), progress).unseen == {Capability.NODES: "No nodes."}


def test_an_existing_cluster_is_never_taken_down(progress: Progress) -> None:
    options = read_options({"cluster": "existing", "kube_context": "prod"})
    with pytest.raises(UsageFailure, match="an existing one is yours"):
        take_down.down(options, progress)


def test_down_without_any_engine_finds_nothing(programs: set[str], progress: Progress) -> None:
    assert take_down.down(read_options({}), progress) is False


def test_tools_are_linked_into_one_folder(recipes: dict[str, Recipe], progress: Progress) -> None:
    shop = environment.workshop(None, progress)
    for name in ("kind", "kubernetes", "istio"):
        shop.folder(name).mkdir(parents=True)
    folder = environment.link_tools(shop, state_dir() / "bin")
    assert {link.name for link in folder.iterdir()} == {"kind", "kubectl", "istioctl"}
    assert (folder / "kubectl").readlink() == shop.folder("kubernetes") / "bin" / "kubectl"


def test_all_that_was_made_is_taken_down_and_the_rest_is_named(
    progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("meshproof", "other"):
        (state_dir() / "clusters" / name).mkdir(parents=True)
    gone: list[str] = []

    def down(options: Options, _: Progress) -> bool:
        gone.append(options.cluster_name)
        return True

    monkeypatch.setattr(take_down, "down", down)
    monkeypatch.setattr(take_down, "unconfigure_daemon", lambda: ["the engine's"])
    said, code = take_down.down_all(read_options({"cluster_name": "third"}), progress)
    assert code == ExitCode.ACCEPTED
    assert gone == ["meshproof", "other", "third"]
    assert said[:4] == [f"deleted: cluster {name}" for name in gone] + ["the engine's"]
    assert all(line.startswith("left: ") for line in said[4:])
    assert str(state_dir()) in " ".join(said)


@pytest.mark.parametrize("error", [PermissionError("read-only"), ValueError("no JSON")])
def test_what_cannot_be_taken_down_is_named_and_keeps_nothing_else_from_it(
    progress: Progress, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    for name in ("first", "second", "third"):
        (state_dir() / "clusters" / name).mkdir(parents=True)
    gone: list[str] = []

    def down(options: Options, _: Progress) -> bool:
        if options.cluster_name == "second":
            raise EnvironmentBroken("It is somebody else's.", "details")
        gone.append(options.cluster_name)
        return True

    def unconfigure() -> list[str]:
        raise error

    monkeypatch.setattr(take_down, "down", down)
    monkeypatch.setattr(take_down, "unconfigure_daemon", unconfigure)
    said, code = take_down.down_all(read_options({"cluster_name": "third"}), progress)
    assert code == ExitCode.ENVIRONMENT
    assert gone == ["first", "third"]
    assert said[:2] == ["deleted: cluster first", "left: cluster second. It is somebody else's."]
    assert any(str(error) in line for line in said if line.startswith("left: the engine's"))
