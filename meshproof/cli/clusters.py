"""Cluster and mesh: found out about, brought up, put at a stage, and taken down."""

from __future__ import annotations

from typing import Any

import click
from rich.console import Console
from rich.table import Table

from meshproof.cli.common import MESH_OPTIONS, UP_OPTIONS, with_options
from meshproof.environment import bring_up, take_down
from meshproof.environment.advance import advance, stage_now
from meshproof.environment.doctor import doctor as doctor_of
from meshproof.environment.leftovers import clean_up
from meshproof.environment.options import read_options
from meshproof.environment.reach import reach_mesh
from meshproof.environment.status import status as status_of
from meshproof.errors import ExitCode
from meshproof.progress import Progress


@click.command()
@with_options(*UP_OPTIONS)
def doctor(**typed: Any) -> None:
    """Say what this machine has and lacks, and what `up` would do about it.

    With --cluster existing, say whether that cluster is ready for a run: rights, mesh, storage,
    admission, nodes. Nothing is changed.
    """
    findings = doctor_of(read_options(typed))
    table = Table(box=None, show_header=False)
    for finding in findings:
        table.add_row(finding.sign, finding.subject, finding.text)
    Console(markup=False).print(table)
    if any(finding.fatal for finding in findings):
        raise SystemExit(ExitCode.ENVIRONMENT)


@click.command()
@with_options(*UP_OPTIONS)
def up(**typed: Any) -> None:
    """Bring cluster and mesh up, or find them healthy; they stay until `down`."""
    options = read_options(typed)
    progress = Progress()
    result = bring_up.up(options, progress)
    own = f" (export KUBECONFIG={result.cluster.kubeconfig})" if options.cluster == "kind" else ""
    progress.note(f"ready: {result.loopback}/{own}")


@click.command("advance")
@click.argument("stage")
@with_options(*UP_OPTIONS, "manifests")
def advance_to(stage: str, **typed: Any) -> None:
    """Put the namespace at STAGE of the tutorial, forward or back, to look around in it.

    Brings cluster and mesh up where they are not. What follows the tutorial there next begins
    where this ends.
    """
    place = advance(read_options(typed), stage, Progress())
    for line in place.lines():
        click.echo(line)


@click.command()
@click.option("--all", "everything", is_flag=True, help="every cluster, and the engine's settings")
@with_options("cluster", "cluster_name", "kube_context")
def down(everything: bool, **typed: Any) -> None:
    """Delete the cluster that `up` made. What was built stays in the cache.

    With --all, undo all that can be undone, and say what is left.
    """
    options = read_options(typed)
    if everything:
        said, code = take_down.down_all(options, Progress())
        for line in said:
            click.echo(line)
        raise SystemExit(code)
    there = take_down.down(options, Progress())
    click.echo(f"{options.cluster_name} is gone" if there else "there is no cluster")


@click.command()
@with_options("cluster", "cluster_name", "kube_context", *MESH_OPTIONS, "suite", "namespace")
def clean(**typed: Any) -> None:
    """Take away what runs in --namespace left on a cluster; the cluster stays."""
    options = read_options(typed)
    names = clean_up(reach_mesh(options), options.namespace, Progress())
    click.echo(f"taken away: {', '.join(names)}" if names else "nothing was left")


@click.command()
@with_options(
    "cluster", "cluster_name", "kube_context", *MESH_OPTIONS, "suite", "namespace", "manifests",
    "registry", "pull_secret", "registry_ca",
)  # fmt: skip
def status(**typed: Any) -> None:
    """Say what is running, and at which stage the namespace is."""
    options = read_options(typed)
    rows = status_of(options)
    if rows[-1][0] == f"namespace {options.namespace}":  # all that comes before it answered
        rows.append(("tutorial", stage_now(reach_mesh(options), options)))
    table = Table(box=None, show_header=False)
    for subject, text in rows:
        table.add_row(subject, text)
    Console(markup=False).print(table)
