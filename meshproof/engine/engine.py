"""A container engine that answers, and the few things that it is asked to do."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from meshproof.errors import EnvironmentBroken
from meshproof.process import Completed, run

#: Runs a command with its output in a log; a workbench's ``run``.
Logged = Callable[..., None]


@dataclass(frozen=True)
class Container:
    """A container as the engine knows it: its state is ``running``, ``exited`` or the like."""

    name: str
    state: str
    image: str
    id: str


@dataclass(frozen=True)
class Engine:
    """Docker or Podman, by the command that answered."""

    name: str
    command: str

    def run(self, *argv: str | Path, check: bool = True, timeout: float = 60.0) -> Completed:
        """Run one of the engine's own commands."""
        return run([self.command, *argv], check=check, timeout=timeout)

    @cached_property
    def version(self) -> str:
        """The engine's name and version, as a report states it."""
        form = "{{.Server.Version}}" if self.name == "docker" else "{{.Client.Version}}"
        return f"{self.name} {self.run('version', '--format', form).stdout.strip()}"

    @property
    def kind_environment(self) -> dict[str, str]:
        """What kind must be told to use this engine."""
        return {"KIND_EXPERIMENTAL_PROVIDER": self.name}

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
        form = ["--format=docker"] if self.name == "podman" else []
        logged(
            self.command, "build", "--network=host", *form, *options, "--tag", reference, context
        )

    def import_root(self, logged: Logged, archive: Path, reference: str) -> None:
        """Make an image of one layer from the tar of a root file system."""
        logged(self.command, "import", archive, reference)

    def save_images(self, logged: Logged, references: Sequence[str], archive: Path) -> None:
        """Write images, each layer once, to one docker archive."""
        form = ["--multi-image-archive"] if self.name == "podman" else []
        logged(self.command, "save", *form, "--output", archive, *references)

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
                    entry.get("ImageID") or entry["Image"],
                    entry["Id"],
                )
                for entry in found
            ),
            key=lambda container: container.name,
        )

    def published_port(self, container: str, port: int) -> int | None:
        """The loopback port that leads to a container's port, or None."""
        printed = self.run("port", container, f"{port}/tcp", check=False)
        lines = printed.stdout.split()
        return int(lines[0].rpartition(":")[2]) if printed.ok and lines else None


def answering(candidates: Sequence[str] = ("docker", "podman")) -> Engine | None:
    """Return the first engine that answers, Docker before Podman, or None."""
    for name in candidates:
        command = os.environ.get(f"MESHPROOF_{name.upper()}", name)
        try:
            if run([command, "info"], check=False, timeout=20).ok:
                return Engine(name, command)
        except EnvironmentBroken:  # not installed, or it does not answer in time
            continue
    return None
