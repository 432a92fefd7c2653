"""The command `meshproof`: cluster and mesh, and sign-offs, without the tests."""

from __future__ import annotations

import sys

import click

from meshproof import __version__
from meshproof.cli import artefacts, clusters, signoffs, suites, tls
from meshproof.cli.common import say
from meshproof.errors import ExitCode, MeshproofError
from meshproof.interruption import interruption
from meshproof.process import kill_running

COMMANDS = (
    clusters.advance_to,
    clusters.clean,
    clusters.doctor,
    clusters.down,
    clusters.status,
    clusters.up,
    suites.list_suites,
    suites.run_suites,
    artefacts.build,
    artefacts.images_group,
    artefacts.show_cache,
    tls.check_tls,
    signoffs.compare_signoffs,
    signoffs.decide,
    signoffs.keygen,
    signoffs.verify_signoff,
)


@click.group(commands=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Acceptance testing of service meshes: cluster and mesh without the tests."""


def _cut_off() -> str:
    """End what runs, and say what is left, where a second signal ends the command."""
    kill_running()
    return "What it was doing is left as it is."


def main() -> None:
    """Run the command; what a user can meet ends in one sentence and a documented exit code."""
    interruption.install(left=_cut_off)
    try:
        cli(prog_name="meshproof", standalone_mode=False)
    except MeshproofError as error:
        say(error)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(ExitCode.USAGE)
    except (click.Abort, KeyboardInterrupt):
        click.echo("meshproof: interrupted", err=True)
        sys.exit(interruption.exit_code or ExitCode.INTERRUPTED)
