"""What the commands share: their options, and how they tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from meshproof.environment.options import Options, option_flags
from meshproof.errors import MeshproofError

Command = Callable[..., Any]
#: What names the mesh of an existing cluster.
MESH_OPTIONS = ("istio_namespace", "revision", "ingress")
UP_OPTIONS = (
    "cluster",
    "cluster_name",
    "kube_context",
    "ingress_url",
    "registry",
    "pull_secret",
    "registry_ca",
    *MESH_OPTIONS,
    "timeout_scale",
    "nodes",
    "suite",
    "namespace",
    "images",
    "hub",
    "tag",
    "node_image",
    "install",
)


def with_options(*names: str) -> Callable[[Command], Command]:
    """Give a command some of the common options; their values are checked in one place."""

    def decorate(command: Command) -> Command:
        for name in reversed(names):
            flag, field = option_flags(name), Options.model_fields[name]
            if field.annotation is bool:
                command = click.option(
                    f"{flag}/--no-{name}", name, default=None, help=field.description
                )(command)
            else:
                command = click.option(flag, name, default=None, help=field.description)(command)
        return command

    return decorate


def megabytes(size: int) -> str:
    """Write a size for people."""
    return f"{size / 10**6:.1f} MB"


def say(error: MeshproofError) -> None:
    """Tell of an error on standard error, in its sentence and with what is behind it."""
    click.echo(f"meshproof: {error.sentence}", err=True)
    if error.details:
        click.echo(error.details, err=True)
