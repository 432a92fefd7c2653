from __future__ import annotations

import gc
import json
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from meshproof.engine import provision
from meshproof.engine.engine import Engine
from meshproof.engine.machine import Machine
from meshproof.errors import EnvironmentBroken
from meshproof.paths import state_dir
from meshproof.progress import Progress
from meshproof.waiting import Timeout

if TYPE_CHECKING:
    from tests.unit.conftest import Script
WITHHELD = ("CAP_SYS_RESOURCE", "CAP_SYSLOG")


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The programs that this machine has."""
    programs = {"apt-get"}
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}" if name in programs else None)
    return programs


#: Where it is outside of tests.
provision_home = provision.RUNTIME_HOME


@pytest.fixture(autouse=True)
def _runtime_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder of the system's that is not this machine's."""
    monkeypatch.setattr(provision, "RUNTIME_HOME", tmp_path / "lib" / "meshproof")


@pytest.fixture
def daemon_config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A daemon.json that is not there yet, and that is not this machine's."""
    path = tmp_path / "etc" / "docker" / "daemon.json"
    monkeypatch.setattr(provision, "DAEMON_CONFIG", path)
    return path


@pytest.fixture
def withholding(machine: Machine) -> Machine:
    return replace(machine, withheld=WITHHELD)


def test_plan_with_an_engine_that_answers(machine: Machine, script: Script) -> None:
    engine = Engine("docker", str(script("docker", "echo 26.1.5")))
    assert provision.plan(machine, engine, install=True) == "docker 26.1.5 answers and is used"


@pytest.mark.parametrize(
    ("root", "sentence"),
    [
        (True, "Docker is installed but down; it would be started"),
        (False, "Docker is installed but down, and starting it needs root"),
    ],
)
def test_plan_with_an_engine_that_is_down(
    machine: Machine, installed: set[str], root: bool, sentence: str
) -> None:
    installed.add("dockerd")
    assert provision.plan(replace(machine, root=root), None, install=True) == sentence


@pytest.mark.parametrize(
    ("distribution", "install", "sentence"),
    [
        (
            "debian",
            True,
            "no engine; Docker would be installed from Debian (docker.io) and started",
        ),
        ("debian", False, "no engine, and --no-install forbids to install one"),
        (
            "fedora",
            True,
            "no engine, and one can be installed only on Debian as root: install Docker or Podman",
        ),
    ],
)
def test_plan_without_an_engine(
    machine: Machine, installed: set[str], distribution: str, install: bool, sentence: str
) -> None:
    here = replace(machine, distribution=distribution)
    assert provision.plan(here, None, install=install) == sentence


def test_an_engine_that_answers_is_used_as_it_is(
    withholding: Machine,
    daemon_config: Path,
    progress: Progress,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = Engine("podman", "podman")
    monkeypatch.setattr(provision, "answering", lambda: engine)
    assert provision.ensure_engine(withholding, install=True, progress=progress) is engine
    assert not daemon_config.exists()


def test_no_install_is_refused_before_anything_is_changed(
    withholding: Machine,
    installed: set[str],
    daemon_config: Path,
    progress: Progress,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(provision, "answering", lambda: None)
    with pytest.raises(EnvironmentBroken, match=r"docker\.io jq, and --no-install forbids"):
        provision.ensure_engine(withholding, install=False, progress=progress)
    assert not daemon_config.exists()
    assert not state_dir().exists()


def test_an_engine_that_is_down_is_not_started_by_anyone_but_root(
    machine: Machine,
    installed: set[str],
    progress: Progress,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    installed.add("dockerd")
    monkeypatch.setattr(provision, "answering", lambda: None)
    with pytest.raises(EnvironmentBroken, match="starting it needs root"):
        provision.ensure_engine(replace(machine, root=False), install=True, progress=progress)


def test_a_full_machine_needs_no_configuration(
    machine: Machine, daemon_config: Path, progress: Progress
) -> None:
    provision.configure_daemon(machine, progress)
    assert not daemon_config.exists()
    assert not state_dir().exists()


def test_a_withholding_machine_gets_a_runtime_that_does_without(
    withholding: Machine, daemon_config: Path, progress: Progress, lines: list[str]
) -> None:
    provision.configure_daemon(withholding, progress)
    written = json.loads(daemon_config.read_text())
    runtime = Path(written["runtimes"][written["default-runtime"]]["path"])
    assert runtime.stat().st_mode & 0o100
    assert json.loads((runtime.parent / "withheld.json").read_text()) == list(WITHHELD)
    assert "writing" in lines[0]
    assert "CAP_SYS_RESOURCE, CAP_SYSLOG" in lines[0]


def test_configuring_twice_changes_nothing(
    withholding: Machine, daemon_config: Path, progress: Progress, lines: list[str]
) -> None:
    provision.configure_daemon(withholding, progress)
    before = daemon_config.read_text()
    provision.configure_daemon(withholding, progress)
    assert daemon_config.read_text() == before
    assert len(lines) == 1


def test_an_empty_configuration_is_no_obstacle(
    withholding: Machine, daemon_config: Path, progress: Progress
) -> None:
    daemon_config.parent.mkdir(parents=True)
    daemon_config.touch()
    provision.configure_daemon(withholding, progress)
    assert json.loads(daemon_config.read_text())["default-runtime"] == provision.RUNTIME


@pytest.mark.parametrize(
    "foreign", [{"log-driver": "journald"}, {"default-runtime": "nvidia", "runtimes": {}}]
)
def test_someone_elses_configuration_is_left_alone_and_the_way_out_is_told(
    withholding: Machine, daemon_config: Path, progress: Progress, foreign: dict[str, object]
) -> None:
    daemon_config.parent.mkdir(parents=True)
    daemon_config.write_text(json.dumps(foreign))
    with pytest.raises(EnvironmentBroken, match="merge this into it") as raised:
        provision.configure_daemon(withholding, progress)
    assert json.loads(daemon_config.read_text()) == foreign
    assert set(json.loads(raised.value.details)) == {"runtimes", "default-runtime"}


def test_a_configuration_that_ours_was_merged_into_keeps_the_rest(
    withholding: Machine, daemon_config: Path, progress: Progress
) -> None:
    provision.configure_daemon(withholding, progress)
    merged = json.loads(daemon_config.read_text()) | {"log-driver": "journald"}
    merged["runtimes"]["nvidia"] = {"path": "nvidia-container-runtime"}
    daemon_config.write_text(json.dumps(merged))
    provision.configure_daemon(withholding, progress)
    assert json.loads(daemon_config.read_text()) == merged


def test_a_runtime_that_has_moved_is_put_right_and_the_rest_stays(
    withholding: Machine, daemon_config: Path, progress: Progress
) -> None:
    provision.configure_daemon(withholding, progress)
    right = json.loads(daemon_config.read_text()) | {"log-driver": "journald"}
    moved = right | {"runtimes": {provision.RUNTIME: {"path": "/old/oci-runtime.sh"}}}
    daemon_config.write_text(json.dumps(moved))
    provision.configure_daemon(withholding, progress)
    assert json.loads(daemon_config.read_text()) == right


@pytest.fixture
def pid_file(tmp_path: Path) -> Path:
    """The pid file of a dockerd with the pid 42."""
    file = tmp_path / "docker.pid"
    file.write_text("42\n")
    return file


@pytest.mark.parametrize(
    ("comm", "kept"), [(None, False), ("dockerd", True), ("bash", False)], ids=str
)
def test_a_pid_file_is_stale_unless_its_pid_is_still_that_daemon(
    pid_file: Path, tmp_path: Path, comm: str | None, kept: bool
) -> None:
    proc = tmp_path / "proc"
    proc.mkdir()
    if comm:
        (proc / "42").mkdir()
        (proc / "42" / "comm").write_text(f"{comm}\n")
    provision.remove_stale_pid_files({pid_file: "dockerd"}, proc)
    assert pid_file.exists() is kept


def test_an_empty_pid_file_is_stale_and_none_is_nothing_to_remove(
    pid_file: Path, tmp_path: Path
) -> None:
    pid_file.write_text("")
    provision.remove_stale_pid_files({pid_file: "dockerd", tmp_path / "none": "dockerd"}, tmp_path)
    assert not pid_file.exists()


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: Script) -> Path:
    """A machine with a docker that answers when a file is there; returns that file's path."""
    monkeypatch.setattr(provision, "PID_FILES", {})
    monkeypatch.setattr(provision, "Path", lambda path: tmp_path / path.lstrip("/"))
    monkeypatch.setattr(provision, "ENGINE_START", Timeout("test", 20, 0.02, "no real engine"))
    (tmp_path / "lib").mkdir()
    answers = tmp_path / "answers"
    script("docker", f"test -e {answers}")
    return answers


def test_docker_is_started_and_outlives_what_started_it(
    machine: Machine, docker: Path, script: Script, tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    script("dockerd", f"echo $$ >{pid}; touch {docker}; exec sleep 20")
    engine = provision.start_docker(machine)
    gc.collect()  # nothing may warn that the daemon still runs
    assert engine.name == "docker"
    daemon = int(pid.read_text())
    os.kill(daemon, signal.SIGKILL)  # fails where it no longer runs
    os.waitpid(daemon, 0)


def test_a_docker_that_answers_is_not_started(
    machine: Machine, docker: Path, script: Script, tmp_path: Path
) -> None:
    docker.touch()
    script("dockerd", f"touch {tmp_path / 'started'}")
    provision.start_docker(machine)
    assert not (tmp_path / "started").exists()


def test_a_docker_that_ends_at_once_is_started_again_and_its_last_words_are_kept(
    machine: Machine, docker: Path, script: Script
) -> None:
    script("dockerd", "echo failed to mount overlay; exit 1")
    with pytest.raises(EnvironmentBroken, match=r"its log is .*dockerd\.log") as raised:
        provision.start_docker(machine)
    assert raised.value.details.splitlines() == ["failed to mount overlay"] * provision.STARTS


def test_a_docker_that_never_answers_is_stopped(
    machine: Machine,
    docker: Path,
    script: Script,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(provision, "ENGINE_START", Timeout("test", 0.1, 0.02, "it never comes"))
    pids = tmp_path / "pids"
    script("dockerd", f"echo $$ >>{pids}; exec sleep 20")
    with pytest.raises(EnvironmentBroken, match="was started and does not answer"):
        provision.start_docker(machine)
    started = [int(pid) for pid in pids.read_text().split()]
    assert len(started) == provision.STARTS
    assert not any(Path(f"/proc/{pid}").exists() for pid in started)


def test_systemd_starts_docker_where_there_is_one(
    machine: Machine, docker: Path, script: Script
) -> None:
    script("systemctl", f'test "$*" = "start docker" && touch {docker}')
    assert provision.start_docker(replace(machine, systemd=True)).name == "docker"


def test_the_runtime_lies_in_a_folder_of_the_systems() -> None:
    assert provision_home.is_relative_to("/usr/local/lib")


@pytest.mark.parametrize("rest", [{}, {"log-driver": "journald"}])
@pytest.mark.parametrize("running", [True, False])
def test_what_was_configured_is_undone_and_the_rest_stays(
    withholding: Machine,
    daemon_config: Path,
    progress: Progress,
    monkeypatch: pytest.MonkeyPatch,
    rest: dict[str, Any],
    running: bool,
) -> None:
    provision.configure_daemon(withholding, progress)
    written = json.loads(daemon_config.read_text()) | rest
    if rest:
        written["runtimes"]["nvidia"] = {"path": "nvidia-container-runtime"}
    daemon_config.write_text(json.dumps(written))
    monkeypatch.setattr(provision, "answering", lambda _: running)
    done, home = provision.unconfigure_daemon()
    assert done == f"taken out of {daemon_config}: the runtime meshproof"
    assert home.startswith("left: " if running else "deleted: ")
    assert provision.RUNTIME_HOME.exists() is running
    if rest:
        runtimes = {"nvidia": {"path": "nvidia-container-runtime"}}
        assert json.loads(daemon_config.read_text()) == rest | {"runtimes": runtimes}
    else:
        assert not daemon_config.exists()


def test_where_nothing_was_configured_nothing_is_undone(
    daemon_config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert provision.unconfigure_daemon() == []
    assert not daemon_config.exists()
