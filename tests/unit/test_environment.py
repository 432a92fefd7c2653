from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from unittest.mock import Mock

import pytest

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.images import Images
from meshproof.cluster.kind import KindCluster
from meshproof.engine.engine import Engine
from meshproof.engine.machine import Machine
from meshproof.environment import bring_up, environment, take_down
from meshproof.environment import doctor as examining
from meshproof.environment import existing as foreign
from meshproof.environment import status as asking
from meshproof.environment.doctor import Finding, doctor
from meshproof.environment.options import Options, read_options
from meshproof.environment.status import status
from meshproof.errors import EnvironmentBroken, UsageFailure
from meshproof.mesh.istio import Istio
from meshproof.paths import cache_dir, state_dir
from meshproof.progress import Progress
from meshproof.supply.recipe import Recipe
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


def test_version_behind_the_name_mysql_is_asked_of_the_image(script: Script) -> None:
    docker = script("docker", 'echo "mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux"')
    version = environment.mariadb_version(Engine("docker", str(docker)), "sha256:1")
    assert version == "MariaDB 10.11.19-MariaDB-0+deb12u1"


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


class Theirs:
    """A cluster of somebody else's that answers."""

    version, tools, images = "v1.35.0", Path("tools"), None


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch) -> Theirs:
    """Somebody's cluster, whose gateway waits for an address, and which no engine here runs."""
    found = Theirs()
    monkeypatch.setattr(foreign, "existing_cluster", lambda options: found)
    monkeypatch.setattr(Istio, "ingress_address", lambda self: None)
    monkeypatch.setattr(foreign, "answering", lambda: None)
    return found


def existing() -> Options:
    return read_options({"cluster": "existing", "kube_context": "kind-theirs"})


def test_where_a_gateway_without_an_address_answers_can_be_told(
    theirs: Theirs, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EnvironmentBroken, match=r"no address yet.*--ingress-url"):
        bring_up.up(existing(), progress)
    monkeypatch.setenv("MESHPROOF_INGRESS_URL", "http://127.0.0.1:8080")
    found = bring_up.up(existing(), progress)
    assert (found.loopback, found.made) == ("http://127.0.0.1:8080", False)
    assert found.cluster is cast("Any", theirs)


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
    said = take_down.down_all(read_options({"cluster_name": "third"}), progress)
    assert gone == ["meshproof", "other", "third"]
    assert said[:4] == [f"deleted: cluster {name}" for name in gone] + ["the engine's"]
    assert all(line.startswith("left: ") for line in said[4:])
    assert str(state_dir()) in " ".join(said)
