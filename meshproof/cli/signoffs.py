"""Sign-offs: compared, verified and decided over, and the keys for it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from meshproof.cli.common import with_options
from meshproof.environment.options import Options, read_options
from meshproof.errors import ExitCode, UsageFailure
from meshproof.paths import PROJECT
from meshproof.signoff.attestation import SIGNOFF
from meshproof.signoff.comparison import compare, renames
from meshproof.signoff.decisions import ACCEPT, REJECT, made, sign_decision
from meshproof.signoff.gate import (
    ACCEPTED,
    SIGNED_OFF,
    Covered,
    Required,
    about,
    age_of,
    commit_of,
    unmet,
)
from meshproof.signoff.keys import generate, public_file, read_public
from meshproof.signoff.reading import read
from meshproof.signoff.verification import folder_of, read_signoff, verify
from meshproof.suite.coverage import declared_expectations, declared_sections
from meshproof.suite.registry import suites


@click.command("compare")
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
def compare_signoffs(old: Path, new: Path) -> None:
    """Say what changed from one sign-off to another: verdicts, what was tested, times, flakes.

    OLD and NEW are signoff.json, or the reports folder that it is in. Ends with 1 where a promise
    that held is broken, or is no longer proved by all that proved it. What a selection (-m, -k)
    of NEW, or --quick, leaves out is not counted.
    """
    changes = compare(read(old), read(new), renames(PROJECT / "features"))
    for change in changes:
        click.echo(change)
    if not changes:
        click.echo("Nothing changed.")
    if any(change.worse for change in changes):
        raise SystemExit(ExitCode.REJECTED)


@click.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
def keygen(file: Path) -> None:
    """Make a key that signs sign-offs: the private key in FILE, the public one in FILE.pub."""
    public = generate(file)
    click.echo(f"key {public.keyid}: {file} signs (keep it secret), {public_file(file)} verifies")


@click.command("verify-signoff")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--key",
    metavar="PUB",
    required=True,
    type=click.Path(path_type=Path),
    help="the public key of whom the sign-off should be signed by, made by `meshproof keygen`",
)
@click.option(
    "--decision-key",
    "decision_keys",
    metavar="PUB",
    multiple=True,
    type=click.Path(path_type=Path),
    help="the public key of somebody who decides, where it is not --key; can be given again",
)
@click.option(
    "--require",
    "words",
    multiple=True,
    type=click.Choice([ACCEPTED, SIGNED_OFF]),
    help="the verdict must be accepted; or somebody must have decided to accept",
)
@click.option("--scope", type=click.Choice(["full"]), help="nothing may have been left out")
@click.option("--commit", metavar="ID", help="the commit that must have been tested, unchanged")
@click.option("--max-age", metavar="AGE", help="the run may have begun so long ago: 90m, 24h, 7d")
@with_options("manifests")
def verify_signoff(
    file: Path,
    key: Path,
    decision_keys: tuple[Path, ...],
    words: tuple[str, ...],
    scope: str | None,
    commit: str | None,
    max_age: str | None,
    **typed: Any,
) -> None:
    """Say whether a sign-off and its evidence are what was signed, and what differs.

    FILE is the signoff.json of a run with --sign-key, or the folder that it is in. Ends with 0
    where nothing differs and every condition holds, with 1 where something does not, and with 2
    where there is nothing to verify.
    """
    required = Required(
        words,
        full=scope == "full",
        commit=commit_of(commit) if commit else None,
        max_age=age_of(max_age) if max_age else None,
    )
    manifests = _manifests_to_compare(file, read_options(typed))
    found = verify(file, read_public(key), manifests, [read_public(each) for each in decision_keys])
    now, failing = datetime.now(UTC), list(found.differences)
    if found.signoff:
        covered = Covered(declared_sections(), declared_expectations())
        text = (folder_of(file) / SIGNOFF).read_bytes()
        failing += unmet(found.signoff, text, found.decisions, required, covered, now)
    for sentence in (*failing, *found.looked_at):
        click.echo(sentence)
    if found.signoff and not found.differences:
        for line in about(found.signoff, now):
            click.echo(line)
        for decision in found.decisions:
            click.echo(f"Decision: {decision}.")
    if failing:
        raise SystemExit(ExitCode.REJECTED)


def _manifests_to_compare(file: Path, options: Options) -> dict[str, Path] | None:
    """The manifests that a sign-off says that it is of; None where the checkout has none.

    Those that are named stand for its first suite's. Raises ``UsageFailure`` where they are not
    there.
    """
    signoff = read_signoff(folder_of(file) / SIGNOFF)
    of = (signoff.suites if signoff else ()) or (options.suite,)
    folders = {suite.name: suite.manifests for suite in suites() if suite.name in of}
    if "manifests" in options.given:
        if not options.manifests.is_dir():
            raise UsageFailure(
                f"There is no folder {options.manifests} of manifests to compare with."
            )
        folders[next(iter(folders), of[0])] = options.manifests
    there = all(folder.is_dir() for folder in folders.values())
    return folders if folders and there else None


@click.command("sign-off")
@click.argument("file", metavar="[FILE]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--decision",
    required=True,
    type=click.Choice([ACCEPT, REJECT]),
    help="what is decided",
)
@click.option("--by", required=True, metavar="NAME", help="who decides")
@click.option("--role", required=True, metavar="ROLE", help="as what: release manager, say")
@click.option(
    "--key", required=True, type=click.Path(path_type=Path), help="the private key of who decides"
)
@click.option("--because", default="", metavar="TEXT", help="why; needed to accept what was not")
@click.option(
    "--attestation-key",
    metavar="PUB",
    type=click.Path(path_type=Path),
    help="the public key of the run: its signature is verified before anything is signed",
)
@with_options("reports")
def decide(
    file: Path | None,
    decision: str,
    by: str,
    role: str,
    key: Path,
    because: str,
    attestation_key: Path | None,
    **typed: Any,
) -> None:
    """Write a signed decision over a sign-off beside its attestation, and change nothing else.

    FILE is the signoff.json of a run with --sign-key, or the folder that it is in; --reports
    without it. What differs from its attestation is not signed.
    """
    folder = folder_of(file or read_options(typed).reports)
    attested_by = read_public(attestation_key) if attestation_key else None
    found = verify(folder, attested_by, None, decision_keys=None)
    if found.differences or not found.signoff:
        for sentence in (*found.differences, "Nothing was signed."):
            click.echo(sentence)
        raise SystemExit(ExitCode.REJECTED)
    now = datetime.now(UTC)
    taken = made(found.signoff, decision, by=by, role=role, because=because, at=now)
    path = sign_decision(folder, taken, key)
    for line in about(found.signoff, now):
        click.echo(line)
    click.echo(f"Decision: {taken}.")
    if not attested_by:
        click.echo("The run's own signature was not looked at: --attestation-key verifies it.")
    click.echo(f"Written to {path}.")
