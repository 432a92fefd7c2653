"""Bringing an engine up: found, started again, or installed from Debian."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

from meshproof.engine.engine import Engine, answering
from meshproof.engine.machine import Machine
from meshproof.engine.packages import install_packages
from meshproof.errors import EnvironmentBroken
from meshproof.paths import state_dir
from meshproof.process import last_lines, run
from meshproof.progress import Progress
from meshproof.waiting import ENGINE_START, NotConverged, converge

RUNTIME = "meshproof"
DAEMON_CONFIG = Path("/etc/docker/daemon.json")
#: Where the runtime is that the engine's configuration names: what the system starts must not lie
#: among a user's files.
RUNTIME_HOME = Path("/usr/local/lib/meshproof")
PID_FILES = {
    Path("/var/run/docker.pid"): "dockerd",
    Path("/var/run/docker/containerd/containerd.pid"): "containerd",
}
#: A dockerd whose predecessor is still stopping gives up; the next one comes up.
STARTS = 3


def plan(machine: Machine, engine: Engine | None, *, install: bool) -> str:
    """Say in one sentence what ``ensure_engine`` would do here."""
    if engine:
        return f"{engine.version} answers and is used"
    if shutil.which("dockerd"):
        if machine.root:
            return "Docker is installed but down; it would be started"
        return "Docker is installed but down, and starting it needs root"
    if not machine.debian:
        return (
            "no engine, and one can be installed only on Debian as root: install Docker or Podman"
        )
    if not install:
        return "no engine, and --no-install forbids to install one"
    return "no engine; Docker would be installed from Debian (docker.io) and started"


def ensure_engine(machine: Machine, *, install: bool, progress: Progress) -> Engine:
    """Return an engine that answers, installing or starting Docker where none does.

    Raises ``EnvironmentBroken`` where none can be had, with the daemon's last words.
    """
    engine = answering()
    if engine:
        return engine
    packages = () if shutil.which("dockerd") else ("docker.io",)
    if machine.withheld and not shutil.which("jq"):
        packages = (*packages, "jq")
    # The configuration comes first: installing the package may start the daemon.
    if machine.root and (packages == () or (install and machine.debian)):
        configure_daemon(machine, progress)
    if packages:
        install_packages(
            packages, why="A container engine", machine=machine, allowed=install, progress=progress
        )
    if not machine.root:
        raise EnvironmentBroken(
            "Docker is installed but does not answer, and starting it needs root: "
            "start it (`systemctl start docker`), or add yourself to the group docker."
        )
    with progress.step("start Docker"):
        return start_docker(machine)


def configure_daemon(machine: Machine, progress: Progress) -> None:
    """Give dockerd a runtime without the capabilities that this machine withholds.

    Does nothing where none is withheld. Raises ``EnvironmentBroken`` where a
    daemon.json that is not ours would have to be changed.
    """
    if not machine.withheld:
        return
    home = RUNTIME_HOME
    home.mkdir(parents=True, exist_ok=True)
    runtime = home / "oci-runtime.sh"
    shutil.copy(Path(__file__).with_name("oci-runtime.sh"), runtime)
    (home / "withheld.json").write_text(json.dumps(machine.withheld))
    wanted = {"runtimes": {RUNTIME: {"path": str(runtime)}}, "default-runtime": RUNTIME}
    present = json.loads(DAEMON_CONFIG.read_text() or "{}") if DAEMON_CONFIG.exists() else {}
    runtimes = present.get("runtimes", {}) | wanted["runtimes"]
    if present.get("default-runtime") == RUNTIME and present.get("runtimes") == runtimes:
        return
    if present and present.get("default-runtime") != RUNTIME:
        raise EnvironmentBroken(
            f"This machine withholds {', '.join(machine.withheld)}, so Docker needs another "
            f"runtime, but {DAEMON_CONFIG} is not Meshproof's to change: "
            "merge this into it and restart Docker.",
            json.dumps(wanted, indent=2),
        )
    progress.note(f"writing {DAEMON_CONFIG}: a runtime without {', '.join(machine.withheld)}")
    DAEMON_CONFIG.parent.mkdir(parents=True, exist_ok=True)
    merged = present | wanted | {"runtimes": runtimes}  # what a user put beside ours stays
    DAEMON_CONFIG.write_text(json.dumps(merged, indent=2) + "\n")


def unconfigure_daemon() -> list[str]:
    """Take the runtime out of dockerd's configuration; returns what was done and what is left.

    A Docker that runs goes on with the runtime until it is restarted, so that stays as long.
    Raises ``OSError`` where the files may not be changed.
    """
    present = json.loads(DAEMON_CONFIG.read_text() or "{}") if DAEMON_CONFIG.exists() else {}
    said = []
    if RUNTIME in present.get("runtimes", {}):
        del present["runtimes"][RUNTIME]
        if present.get("default-runtime") == RUNTIME:
            del present["default-runtime"]
        rest = {name: value for name, value in present.items() if value or name != "runtimes"}
        if rest:
            DAEMON_CONFIG.write_text(json.dumps(rest, indent=2) + "\n")
        else:
            DAEMON_CONFIG.unlink()
        said.append(f"taken out of {DAEMON_CONFIG}: the runtime {RUNTIME}")
    if RUNTIME_HOME.exists():
        if answering(("docker",)):
            said.append(f"left: {RUNTIME_HOME}, which the Docker that runs uses until a restart")
        else:
            shutil.rmtree(RUNTIME_HOME)
            said.append(f"deleted: {RUNTIME_HOME}")
    return said


def start_docker(machine: Machine) -> Engine:
    """Start an installed Docker and wait until it answers. Raises ``EnvironmentBroken``."""
    if machine.systemd:
        run(["systemctl", "start", "docker"], timeout=120)
        return _await_answer()
    log = state_dir() / "engine" / "dockerd.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    Path("/lib/modules").mkdir(exist_ok=True)  # bound into every node
    for _ in range(STARTS):
        engine = answering(("docker",))
        if engine:
            return engine
        remove_stale_pid_files()
        with log.open("ab") as sink:
            daemon = subprocess.Popen(
                ["dockerd"],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            engine = _await_answer(daemon)
            # It outlives this process on purpose, and Python would warn of that.
            daemon.returncode = 0
            return engine
        except _DaemonEnded:
            continue
        except NotConverged:
            os.kill(daemon.pid, signal.SIGTERM)
            daemon.wait(30)
    raise EnvironmentBroken(
        f"Docker was started and does not answer; its log is {log}.", last_lines(log)
    )


class _DaemonEnded(EnvironmentBroken):
    """The daemon that was started has ended."""


def _await_answer(daemon: subprocess.Popen[bytes] | None = None) -> Engine:
    def look() -> Engine | None:
        if daemon and daemon.poll() is not None:
            raise _DaemonEnded("dockerd ended")
        return answering(("docker",))

    found = converge(
        look, until=lambda engine: engine is not None, what="Docker answers", timeout=ENGINE_START
    ).value
    if found is None:
        raise AssertionError("converge ended without an engine")
    return found


def remove_stale_pid_files(
    pid_files: dict[Path, str] | None = None, proc: Path = Path("/proc")
) -> None:
    """Remove the pid files of daemons that no longer run: with one left, dockerd will not start.

    A pid that has become another program's is stale too.
    """
    for file, program in (pid_files or PID_FILES).items():
        if not file.exists():
            continue
        name = proc / file.read_text().strip() / "comm"
        if not name.exists() or name.read_text().strip() != program:
            file.unlink()
