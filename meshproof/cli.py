"""The command `meshproof`: cluster and mesh, and sign-offs, without the tests."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from meshproof import __version__
from meshproof.engine.engine import answering
from meshproof.engine.machine import this_machine
from meshproof.engine.provision import ensure_engine
from meshproof.environment import bring_up, take_down
from meshproof.environment.advance import advance, stage_now
from meshproof.environment.doctor import doctor as doctor_of
from meshproof.environment.environment import workshop
from meshproof.environment.images import listed_images, push_images
from meshproof.environment.leftovers import clean_up
from meshproof.environment.options import Options, option_flags, read_options
from meshproof.environment.reach import reach_istiod, reach_mesh
from meshproof.environment.status import status as status_of
from meshproof.errors import ExitCode, MeshproofError, UsageFailure
from meshproof.interruption import interruption
from meshproof.paths import IN_PROJECT, PROJECT
from meshproof.process import kill_running
from meshproof.progress import Progress
from meshproof.signoff.attestation import SIGNOFF
from meshproof.signoff.comparison import compare, renames
from meshproof.signoff.decisions import ACCEPT, REJECT, made, sign_decision
from meshproof.signoff.document import read
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
from meshproof.signoff.verification import folder_of, read_signoff, verify
from meshproof.suite.coverage import declared_expectations, declared_sections
from meshproof.suite.listing import listing
from meshproof.suite.registry import no_project, suites
from meshproof.supply.catalogue import recipes
from meshproof.supply.kept import SHARED, kept, prune, size_of
from meshproof.supply.registries import checked_registry
from meshproof.tls.check import tls_check
from meshproof.tls.table import render, render_json

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


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Acceptance testing of service meshes: cluster and mesh without the tests."""


@cli.command()
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


@cli.command()
@with_options(*UP_OPTIONS)
def up(**typed: Any) -> None:
    """Bring cluster and mesh up, or find them healthy; they stay until `down`."""
    options = read_options(typed)
    progress = Progress()
    result = bring_up.up(options, progress)
    own = f" (export KUBECONFIG={result.cluster.kubeconfig})" if options.cluster == "kind" else ""
    progress.note(f"ready: {result.loopback}/{own}")


@cli.command(
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


@cli.command("advance")
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


@cli.command()
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


@cli.command()
@with_options("cluster", "cluster_name", "kube_context", *MESH_OPTIONS, "suite", "namespace")
def clean(**typed: Any) -> None:
    """Take away what runs in --namespace left on a cluster; the cluster stays."""
    options = read_options(typed)
    names = clean_up(reach_mesh(options), options.namespace, Progress())
    click.echo(f"taken away: {', '.join(names)}" if names else "nothing was left")


@cli.command()
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


@cli.command("suites")
def list_suites() -> None:
    """List the suites, with the stages and the expectations of each."""
    for number, suite in enumerate(suites()):
        click.echo(("\n" if number else "") + listing(suite), nl=False)


@cli.command()
@click.argument("names", nargs=-1)
@with_options("install")
def build(names: tuple[str, ...], **typed: Any) -> None:
    """Build recipes, and what they need, where it is not built yet; without NAMES, list them."""
    options = read_options(typed)
    if not names:
        shop = workshop(answering(), Progress())
        table = Table(box=None)
        for heading in ("recipe", "what it makes", "key", "built"):
            table.add_column(heading)
        for recipe in recipes().values():
            built = "yes" if shop.has(recipe.name) else "no"
            table.add_row(recipe.name, recipe.about, shop.key(recipe.name), built)
        Console(markup=False).print(table)
        return
    progress = Progress()
    known = recipes()
    engine = None
    sound = all(name in known for name in names)
    if sound and any(known[name].image or known[name].needs for name in names):
        engine = ensure_engine(this_machine(), install=options.install, progress=progress)
    shop = workshop(engine, progress)
    if engine:
        bring_up.require_programs(shop, this_machine(), options, progress)
    shop.provide(*names)
    for name in names:
        click.echo(shop.image(name) if known[name].image else str(shop.folder(name)))


@cli.group("images")
def images_group() -> None:
    """The images that suites need, for clusters whose nodes cannot be loaded with them."""


@images_group.command("list")
def list_images() -> None:
    """List them: the name in the manifests, what it is, its recipe's key, and its size if built."""
    engine = answering()
    table = Table(box=None)
    for heading in ("image", "what it is", "key", "size", "built"):
        table.add_column(heading, overflow="fold", no_wrap=heading != "what it is")
    for one in listed_images(workshop(engine, Progress()), engine):
        size = megabytes(one.size) if one.built else ""
        built = "yes" if one.built else "no"
        table.add_row(one.name, one.about, one.key, size, built)
    Console(markup=False).print(table)
    if engine is None:
        click.echo("No container engine answers: images are not looked at.")


@images_group.command("push")
@click.argument("registry")
@with_options("registry_ca", "install")
def push(registry: str, **typed: Any) -> None:
    """Push them to REGISTRY (HOST[:PORT][/PATH]), and print each name there with its digest.

    What is missing is built. Whoever has logged in there by `docker login` is let in.
    """
    options, progress = read_options(typed), Progress()
    checked_registry(registry)
    engine = ensure_engine(this_machine(), install=options.install, progress=progress)
    shop = workshop(engine, progress)
    bring_up.require_programs(shop, this_machine(), options, progress)
    for name, digest in push_images(shop, registry, options.registry_ca, progress):
        click.echo(f"{name}@{digest}")


@cli.command("cache")
@click.option("--prune", "pruning", is_flag=True, help="take away what no checkout's keys name")
def show_cache(pruning: bool) -> None:
    """List what was built and is kept: its size, its last use, and which checkouts name it.

    With --prune, take away what none does: checkouts that are gone do not count.
    """
    engine = answering()
    shop = workshop(engine, Progress())
    shop.note()
    place = shop.cache
    if pruning:
        gone, in_use = prune(place, engine)
        for each in gone:
            click.echo(f"gone: {each}, {megabytes(each.size)}")
        for each in in_use:
            click.echo(f"still in use: {each}, {megabytes(each.size)}")
        if not gone and not in_use:
            click.echo("Every artefact is named by a checkout.")
    else:
        table = Table(box=None)
        for heading in ("artefact", "is", "size", "last use", "named by"):
            table.add_column(heading, overflow="fold")
        for each in kept(place, engine):
            used = f"{each.used:%Y-%m-%d}" if each.used else "unknown"
            named = "\n".join(sorted(map(_told, each.checkouts))) or "no checkout"
            form = "image" if each.image else "folder"
            table.add_row(str(each), form, megabytes(each.size), used, named)
        for name in SHARED:
            size = megabytes(size_of(place / name))
            table.add_row(f"{name}, its own cache", "folder", size, "", "all recipes")
        Console(markup=False).print(table)
    if engine is None:
        click.echo("No container engine answers: images are not looked at.")


def _told(checkout: Path) -> str:
    return "this checkout" if checkout == PROJECT else str(checkout)


def megabytes(size: int) -> str:
    """Write a size for people."""
    return f"{size / 10**6:.1f} MB"


@cli.command("tls-check")
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
        _say(problem)
    if problems:
        raise SystemExit(max(problem.exit_code for problem in problems))


@cli.command("compare")
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


@cli.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
def keygen(file: Path) -> None:
    """Make a key that signs sign-offs: the private key in FILE, the public one in FILE.pub."""
    public = generate(file)
    click.echo(f"key {public.keyid}: {file} signs (keep it secret), {public_file(file)} verifies")


@cli.command("verify-signoff")
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


@cli.command("sign-off")
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


def _cut_off() -> str:
    """End what runs, and say what is left, where a second signal ends the command."""
    kill_running()
    return "What it was doing is left as it is."


def _say(error: MeshproofError) -> None:
    click.echo(f"meshproof: {error.sentence}", err=True)
    if error.details:
        click.echo(error.details, err=True)


def main() -> None:
    """Run the command; what a user can meet ends in one sentence and a documented exit code."""
    interruption.install(left=_cut_off)
    try:
        cli(prog_name="meshproof", standalone_mode=False)
    except MeshproofError as error:
        _say(error)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(ExitCode.USAGE)
    except (click.Abort, KeyboardInterrupt):
        click.echo("meshproof: interrupted", err=True)
        sys.exit(interruption.exit_code or ExitCode.INTERRUPTED)
