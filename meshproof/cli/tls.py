"""tls-check: whether client and server agree on TLS, asked of the proxies."""

from __future__ import annotations

from typing import Any

import click

from meshproof.cli.common import say, with_options
from meshproof.environment.options import read_options
from meshproof.environment.reach import reach_istiod
from meshproof.tls.check import tls_check
from meshproof.tls.table import render, render_json


@click.command("tls-check")
@click.argument("hosts", metavar="HOST...", nargs=-1, required=True)
@click.option(
    "--client",
    metavar="WORKLOAD",
    help="the Deployment or pod, NAME or NAME.NAMESPACE, whose proxy is asked as the client",
)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "wide", "json"]),
    default="table",
    help="the table alone, with today's names of the modes and who was asked, or for machines",
)
@with_options(
    "cluster", "cluster_name", "kube_context", "istio_namespace", "revision", "suite", "namespace"
)
def check_tls(hosts: tuple[str, ...], client: str | None, output: str, **typed: Any) -> None:
    """Say for each HOST of the mesh whether client and server agree on TLS, asked of the proxies.

    HOST is a Service: NAME, NAME.NAMESPACE or NAME.NAMESPACE.svc.cluster.local,
    and :PORT for one port only.
    """
    options = read_options(typed)
    tables = tls_check(reach_istiod(options), hosts, namespace=options.namespace, client=client)
    problems = [table.problem for table in tables if table.problem]
    readable = [table for table in tables if not table.problem]
    if readable:
        as_json, wide = output == "json", output == "wide"
        click.echo(render_json(readable) if as_json else render(readable, wide=wide), nl=False)
    for problem in problems:
        say(problem)
    if problems:
        raise SystemExit(max(problem.exit_code for problem in problems))
