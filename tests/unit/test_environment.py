from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from meshproof import environment
from meshproof.engine.engine import Engine
from meshproof.engine.machine import Machine
from meshproof.environment import Finding, doctor, status
from meshproof.errors import UsageFailure
from meshproof.options import Options, read_options
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
    monkeypatch.setattr(environment, "answering", lambda: None)
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}" if name in programs else None)
    return programs


def examine(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, **typed: object
) -> dict[str, Finding]:
    monkeypatch.setattr(environment, "this_machine", lambda: machine)
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
    monkeypatch.setattr(environment, "link_tools", link)
    monkeypatch.setattr("atexit.register", lambda *call, **_: registered.append(call))
    monkeypatch.setattr(
        "kubernetes.config.list_kube_config_contexts",
        lambda: ([{"name": "a/b"}, {"name": "a_b"}], None),
    )
    left = tmp_path / "state" / "existing" / "a_b" / "kubeconfig"
    left.parent.mkdir(parents=True)
    left.write_text("a token")
    made = [
        environment.existing_cluster(read_options({"cluster": "existing", "kube_context": context}))
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


def test_anexisting_cluster_is_never_taken_down(progress: Progress) -> None:
    options = read_options({"cluster": "existing", "kube_context": "prod"})
    with pytest.raises(UsageFailure, match="an existing one is yours"):
        environment.down(options, progress)


def test_down_without_any_engine_finds_nothing(programs: set[str], progress: Progress) -> None:
    assert environment.down(read_options({}), progress) is False


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

    monkeypatch.setattr(environment, "down", down)
    monkeypatch.setattr(environment, "unconfigure_daemon", lambda: ["the engine's"])
    said = environment.down_all(read_options({"cluster_name": "third"}), progress)
    assert gone == ["meshproof", "other", "third"]
    assert said[:4] == [f"deleted: cluster {name}" for name in gone] + ["the engine's"]
    assert all(line.startswith("left: ") for line in said[4:])
    assert str(state_dir()) in " ".join(said)
