"""A container engine that answers, and the few things that it is asked to do."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from meshproof.engine.machine import Machine, this_machine
from meshproof.errors import EnvironmentBroken
from meshproof.paths import state_dir
from meshproof.process import Completed, run

#: Runs a command with its output in a log; a workbench's ``run``.
Logged = Callable[..., None]


@dataclass(frozen=True)
class Container:
    """A container: its state is ``running``, ``exited`` or the like, its image a reference.

    ``started`` is when it was last started, in UTC and ISO 8601 (it sorts as text).
    """

    name: str
    state: str
    image: str
    id: str
    started: str = ""


@dataclass(frozen=True)
class Engine:
    """Docker or Podman, by the command that answered.

    ``limits`` are asked for by each build, ``NAME=SOFT:HARD``.
    """

    name: str
    command: str
    environment: Mapping[str, str] = field(default_factory=dict)
    limits: tuple[str, ...] = field(default=(), kw_only=True)

    def run(self, *argv: str | Path, check: bool = True, timeout: float = 60.0) -> Completed:
        """Run one of the engine's own commands."""
        return run([self.command, *argv], check=check, timeout=timeout, env=self.environment)

    def start(self, *argv: str, stdout: Path, stderr: Path) -> subprocess.Popen[bytes]:
        """Start one of the engine's own commands, its output in files and its input a pipe."""
        with stdout.open("wb") as output, stderr.open("wb") as errors:
            return subprocess.Popen(
                [self.command, *argv],
                stdin=subprocess.PIPE,
                bufsize=0,
                stdout=output,
                stderr=errors,
                env={**os.environ, **self.environment},
            )

    @cached_property
    def version(self) -> str:
        """The engine's name and version, as a report states it."""
        form = "{{.Server.Version}}" if self.name == "docker" else "{{.Client.Version}}"
        return f"{self.name} {self.run('version', '--format', form).stdout.strip()}"

    @cached_property
    def rootless(self) -> bool:
        """Whether the engine itself runs without root's rights."""
        docker = self.name == "docker"
        form = "{{json .SecurityOptions}}" if docker else "{{.Host.Security.Rootless}}"
        printed = self.run("info", "--format", form, check=False).stdout
        return ("name=rootless" if docker else "true") in printed

    @property
    def kind_environment(self) -> dict[str, str]:
        """What kind must be told to use this engine."""
        return {**self.environment, "KIND_EXPERIMENTAL_PROVIDER": self.name}

    def docker_shim(self, folder: Path) -> dict[str, str]:
        """Make ``docker`` mean this engine for a program that calls it by that name.

        Returns the environment that does it; kind's image build is such a program.
        """
        if self.command == "docker":
            return {}
        shim = folder / "docker"
        shim.write_text(f'#!/bin/sh\nexec {self.command} "$@"\n')
        shim.chmod(0o755)
        return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}

    def has_image(self, reference: str) -> bool:
        """Whether an image of that name is there."""
        return self.run("image", "inspect", "--format", "{{.Id}}", reference, check=False).ok

    def image_references(self, pattern: str) -> list[str]:
        """The references of all images whose names match a pattern of the engine's."""
        form = "{{.Repository}}:{{.Tag}}"
        return self.run(
            "images", "--format", form, "--filter", f"reference={pattern}"
        ).stdout.split()

    def remove_image(self, reference: str) -> bool:
        """Remove an image's name, and the image with its last; False where it is in use."""
        return self.run("image", "rm", reference, check=False).ok

    def image_id(self, reference: str) -> str:
        """The digest of an image's configuration. Raises ``CommandFailed`` where there is none."""
        return self.run("image", "inspect", "--format", "{{.Id}}", reference).stdout.strip()

    def image_size(self, reference: str) -> int:
        """The size of an image in bytes, all layers counted."""
        return int(self.run("image", "inspect", "--format", "{{.Size}}", reference).stdout)

    def build_image(
        self, logged: Logged, context: Path, reference: str, arguments: Mapping[str, str]
    ) -> None:
        """Build the Dockerfile of a folder. The host's network, as packages come from outside."""
        options = [f"--build-arg={name}={value}" for name, value in arguments.items()]
        options += [f"--ulimit={limit}" for limit in self.limits]
        form = ["--format=docker"] if self.name == "podman" else []
        build = (self.command, "build", "--network=host", *form, *options)
        logged(*build, "--tag", reference, context, env=self.environment)

    def import_root(self, logged: Logged, archive: Path, reference: str) -> None:
        """Make an image of one layer from the tar of a root file system."""
        logged(self.command, "import", archive, reference, env=self.environment)

    def save_images(self, logged: Logged, references: Sequence[str], archive: Path) -> None:
        """Write images, each layer once, to one docker archive."""
        form = ["--multi-image-archive"] if self.name == "podman" else []
        save = (self.command, "save", *form, "--output", archive, *references)
        logged(*save, env=self.environment)

    def containers(self, label: str) -> list[Container]:
        """All containers, running or not, that carry a label (``key=value``)."""
        ids = self.run("ps", "--all", "--quiet", "--filter", f"label={label}").stdout.split()
        if not ids:
            return []
        found: list[dict[str, Any]] = json.loads(self.run("container", "inspect", *ids).stdout)
        return sorted(
            (
                Container(
                    entry["Name"].lstrip("/"),
                    entry["State"]["Status"],
                    entry["Config"]["Image"],
                    entry["Id"],
                    entry["State"].get("StartedAt", ""),
                )
                for entry in found
            ),
            key=lambda container: container.name,
        )

    def has_containers(self, names: Sequence[str]) -> bool:
        """Whether there is a container of each of these names."""
        return self.run("container", "inspect", *names, check=False).ok

    def published_port(self, container: str, port: int) -> int | None:
        """The loopback port that leads to a container's port, or None."""
        printed = self.run("port", container, f"{port}/tcp", check=False)
        lines = printed.stdout.split()
        return int(lines[0].rpartition(":")[2]) if printed.ok and lines else None


def podman_limits(machine: Machine) -> tuple[str, ...]:
    """The limits that Podman must ask for on a machine where they may not be raised.

    Its builds heed no ``default_ulimits``: unasked they raise the open files to a number of their
    own.
    """
    if "CAP_SYS_RESOURCE" not in machine.withheld:
        return ()
    limits = [("nofile", machine.open_files), ("nproc", machine.processes)]
    return tuple(f"{name}={limit}:{limit}" for name, limit in limits if limit > 0)


def podman_settings(machine: Machine) -> str | None:
    """What Podman must be told on a machine that withholds something; None where nothing is.

    Limits that may not be raised have to be asked for as they are, and runc, unlike
    crun, works with control groups of both versions mounted.
    """
    if "CAP_SYS_RESOURCE" not in machine.withheld:
        return None
    ulimits = ", ".join(f'"{limit}"' for limit in podman_limits(machine))
    runtime = '\n[engine]\nruntime = "runc"\n' if machine.cgroup == 1 else ""
    return f"[containers]\ndefault_ulimits = [{ulimits}]\n{runtime}"


def podman_environment(machine: Machine) -> dict[str, str]:
    """Write Podman's settings for this machine, where it needs any, and say where they are."""
    settings = podman_settings(machine)
    if settings is None:
        return {}
    file = state_dir() / "engine" / "containers.conf"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(settings)
    return {"CONTAINERS_CONF": str(file)}


def answering(candidates: Sequence[str] = ("docker", "podman")) -> Engine | None:
    """Return the first engine that answers, Docker before Podman, or None.

    A `docker` that is Podman by another name (Debian's package podman-docker) is no Docker: it is
    told other things, and says them in another form.
    """
    for name in candidates:
        command = os.environ.get(f"MESHPROOF_{name.upper()}", name)
        try:
            machine = this_machine() if name == "podman" else None
            environment = podman_environment(machine) if machine else {}
            if not run([command, "info"], check=False, timeout=20, env=environment).ok:
                continue
            if name == "docker" and "podman" in run([command, "--version"], check=False).stdout:
                continue
            limits = podman_limits(machine) if machine else ()
            return Engine(name, command, environment, limits=limits)
        except EnvironmentBroken:  # not installed, or it does not answer in time
            continue
    return None
