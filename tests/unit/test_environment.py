from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from meshproof import environment
from meshproof.engine.engine import Engine
from meshproof.engine.machine import Machine
from meshproof.environment import Finding, doctor, status
from meshproof.errors import UsageFailure
from meshproof.options import read_options
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
