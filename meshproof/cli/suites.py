"""Suites: run, and listed."""

from __future__ import annotations

import click

from meshproof.paths import IN_PROJECT
from meshproof.suite.listing import listing
from meshproof.suite.registry import no_project, suites


@click.command(
    "run",
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
@click.argument("arguments", metavar="[PYTEST ARGUMENT]...", nargs=-1, type=click.UNPROCESSED)
def run_suites(arguments: tuple[str, ...]) -> None:
    """Prove what features promise: run pytest on them, and end with the verdict's exit code.

    `meshproof run features` proves all suites of the project; --help lists all arguments.
    """
    if not IN_PROJECT:
        raise no_project()
    from meshproof.plugin.main import run_and_exit  # noqa: PLC0415 - no other command needs pytest

    run_and_exit(list(arguments))


@click.command("suites")
def list_suites() -> None:
    """List the suites, with the stages and the expectations of each."""
    for number, suite in enumerate(suites()):
        click.echo(("\n" if number else "") + listing(suite), nl=False)
