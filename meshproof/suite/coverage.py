"""What this release of the suite covers, as its pyproject.toml declares it, and which one it is."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from meshproof import __version__
from meshproof.engine.machine import this_machine
from meshproof.errors import EnvironmentBroken
from meshproof.paths import DATA, PROJECT
from meshproof.process import run
from meshproof.suite.registry import declared, expectation_ids, suites


def declared_sections(of: Collection[str] | None = None) -> tuple[str, ...]:
    """Return the sections that are covered whole, in the specification's order.

    Where pyproject.toml declares none, all are.

    ``of`` names the suites that are meant; without it all are. Raises ``ValueError`` for a suite
    that is not there, and for a section that its suite does not have.
    """
    known = {suite.name: tuple(suite.sections) for suite in suites()}
    table: Mapping[str, Sequence[str]] = declared().get("sections", known)
    _refuse_unknown("suites", table.keys() - known.keys())
    for name, tags in table.items():
        _refuse_unknown("sections", {*tags} - {*known[name]})
    return tuple(
        tag
        for name, tags in known.items()
        if of is None or name in of
        for tag in tags
        if tag in table.get(name, ())
    )


def declared_expectations(of: Collection[str] | None = None) -> tuple[str, ...]:
    """Return the single expectations that are covered beside those sections.

    ``of`` names the suites that are meant; without it all are. Raises ``ValueError`` for one that
    no suite has.
    """
    named = declared().get("expectations", ())
    _refuse_unknown("expectations", {*named} - {*expectation_ids()})
    return tuple(
        one.id
        for suite in suites()
        if of is None or suite.name in of
        for one in suite.expectations
        if one.id in named
    )


def _refuse_unknown(key: str, unknown: Collection[str]) -> None:
    if unknown:
        raise ValueError(f"pyproject.toml declares unknown {key}: {', '.join(sorted(unknown))}")


def provenance(manifests: Path, manifests_sha256: str) -> dict[str, str]:
    """Say which suite and which manifests a run is of, and on which machine it ran.

    ``manifests_sha256`` is the manifests' digest as `tree_digest` gives it.
    """
    machine = this_machine()
    library = {"meshproof": f"{__version__}, {_checkout()}"}
    if DATA != PROJECT:  # the suite is not the library's own
        library = {"meshproof": __version__, "project": f"{PROJECT.name}, {_checkout()}"}
    return {
        **library,
        "manifests": f"{manifests.name}, sha256:{manifests_sha256}",
        "machine": f"{machine.distribution} {machine.codename}, {machine.cores} cores, "
        f"{machine.memory / 2**30:.1f} GiB, cgroup v{machine.cgroup}",
    }


def provenance_of_manifests(followed: Mapping[str, tuple[Path, str]]) -> dict[str, str]:
    """Say which manifests were followed, by the names of suites: their folders and digests.

    Those of a run's first suite are just called manifests.
    """
    return {
        f"manifests of {name}" if place else "manifests": f"{folder.name}, sha256:{sha256}"
        for place, (name, (folder, sha256)) in enumerate(followed.items())
    }


def tree_digest(folder: Path) -> str:
    """Return the SHA-256 of a folder's files: of a line with name and digest for each, sorted."""
    lines = (
        f"{file.relative_to(folder).as_posix()} {hashlib.sha256(file.read_bytes()).hexdigest()}\n"
        for file in folder.rglob("*")
        if file.is_file()
    )
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def _checkout() -> str:
    """The commit that is checked out, and whether files differ from it."""
    try:
        git = ["git", "-C", str(PROJECT)]
        commit = run([*git, "rev-parse", "HEAD"], check=False)
        changes = run([*git, "status", "--porcelain"], check=False)
    except EnvironmentBroken:
        return "commit unknown: git is not there"
    if commit.exit_code or changes.exit_code:
        return "commit unknown: this is no checkout of its repository"
    return f"commit {commit.stdout.strip()}" + (", with changes" if changes.stdout.strip() else "")
