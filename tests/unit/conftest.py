"""What unit tests share: an environment of their own, and programs that are not the real ones."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, settings

from meshproof import cli
from meshproof.cluster.cluster import Cluster
from meshproof.engine.machine import Machine
from meshproof.paths import cache_dir
from meshproof.process import Completed
from meshproof.progress import Progress
from meshproof.supply import catalogue, go
from meshproof.supply.recipe import Recipe
from meshproof.waiting import Clock, converge

# A busy machine is no failure.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

#: Runs the command and returns its exit code.
Command = Callable[..., int]
#: The cache of the person who runs the tests; read before their options are taken away.
USERS_CACHE = cache_dir()
#: Numbers for the tests of a process.
_TESTS = count()
#: Writes an executable shell script of a name and a body that comes first on PATH.
Script = Callable[[str, str], Path]


@pytest.fixture(autouse=True)
def _own_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No option of the person who runs the tests counts, and no cache of theirs is touched."""
    for name in list(os.environ):
        if name.startswith("MESHPROOF_"):
            monkeypatch.delenv(name)
    # Few tests write to them: a folder for each test took a tenth of small ones.
    own = tmp_path_factory.getbasetemp() / "own" / f"{next(_TESTS)}"
    monkeypatch.setenv("MESHPROOF_CACHE", str(own / "cache"))
    monkeypatch.setenv("MESHPROOF_STATE", str(own / "state"))


@pytest.fixture
def no_time_passes(monkeypatch: pytest.MonkeyPatch) -> Callable[[], float]:
    """Waits take no time, by a clock that their own pauses alone move: no stall can end one.

    For waits whose looks answer at once; one for another process or thread would give it no time.
    Returns what tells the seconds on that clock.
    """
    passed = [0.0]

    def sleep(seconds: float) -> None:
        passed[0] += seconds

    defaults = cast("dict[str, Any]", converge.__kwdefaults__)
    monkeypatch.setitem(defaults, "clock", Clock(lambda: passed[0], sleep))
    return lambda: passed[0]


@pytest.fixture
def users_cache(monkeypatch: pytest.MonkeyPatch, _own_environment: None) -> Path:
    """The user's own cache after all: for tools that are built once, by their recipes."""
    monkeypatch.setenv("MESHPROOF_CACHE", str(USERS_CACHE))
    return USERS_CACHE


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Script:
    """A function that puts a shell script first on PATH."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def write(name: str, body: str) -> Path:
        program = folder / name
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)
        return program

    return write


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """A cluster without programs of its own: those on the PATH are taken."""
    return Cluster("fake", tmp_path / "kubeconfig", tmp_path / "tools")


@pytest.fixture(autouse=True)
def _exec_by_script(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands in containers are what a `kubectl` script answers: there is no cluster."""

    def through_kubectl(cluster: Cluster, *place_and_argv: str, **how: Any) -> Completed:
        namespace, pod, container, *argv = place_and_argv
        options = ("-i",) if how.get("stdin") is not None or how.pop("acknowledged", 0) else ()
        return cluster.command(
            "kubectl", "exec", *options, "-n", namespace, pod, "-c", container, "--", *argv, **how
        )

    monkeypatch.setattr(Cluster, "exec", through_kubectl)


@pytest.fixture
def machine() -> Machine:
    """A full Debian machine, nothing withheld; `dataclasses.replace` makes others of it."""
    return Machine(
        distribution="debian",
        codename="bookworm",
        root=True,
        systemd=False,
        cgroup=2,
        withheld=(),
        open_files=-1,
        processes=-1,
        cores=2,
        memory=16 * 2**30,
        disk_free=100 * 10**9,
        inotify_instances=512,
        inotify_watches=524288,
        inotify_held=0,
    )


@pytest.fixture
def lines() -> list[str]:
    """What `progress` has written."""
    return []


@pytest.fixture
def progress(lines: list[str]) -> Progress:
    """Progress that is kept in `lines`."""
    return Progress(lines.append)


@pytest.fixture
def recipes(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Recipe]]:
    """The catalogue, made without asking for a Go toolchain (which might install one)."""
    monkeypatch.setattr(go, "toolchain", lambda: go.Go("go", "go1.26.6"))
    catalogue.recipes.cache_clear()
    yield catalogue.recipes()
    catalogue.recipes.cache_clear()


@pytest.fixture
def meshproof(monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command as it is typed; returns its exit code."""

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["meshproof", *arguments])
        try:
            cli.main()
        except SystemExit as ended:
            return int(ended.code or 0)
        return 0

    return run
