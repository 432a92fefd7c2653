"""What this release of the suite covers, as its pyproject.toml declares it, and which one it is."""

from __future__ import annotations

import hashlib
from pathlib import Path

from meshproof import __version__
from meshproof.engine.machine import this_machine
from meshproof.errors import EnvironmentBroken
from meshproof.paths import ROOT
from meshproof.process import run
from meshproof.suite.registry import declared, expectation_ids, sections


def declared_sections() -> tuple[str, ...]:
    """Return the sections that are covered whole, in the specification's order.

    Raises ``ValueError`` for one that the specification does not have.
    """
    return _declared("sections", tuple(sections()))


def declared_expectations() -> tuple[str, ...]:
    """Return the single expectations that are covered beside those sections.

    Raises ``ValueError`` for one that the specification does not have.
    """
    return _declared("expectations", expectation_ids())


def _declared(key: str, known: tuple[str, ...]) -> tuple[str, ...]:
    table = declared()
    unknown = set(table[key]) - set(known)
    if unknown:
        raise ValueError(f"pyproject.toml declares unknown {key}: {', '.join(sorted(unknown))}")
    return tuple(name for name in known if name in table[key])


def provenance(manifests: Path, manifests_sha256: str) -> dict[str, str]:
    """Say which suite and which manifests a run is of, and on which machine it ran.

    ``manifests_sha256`` is the manifests' digest as `tree_digest` gives it.
    """
    machine = this_machine()
    return {
        "meshproof": f"{__version__}, {_checkout()}",
        "manifests": f"{manifests.name}, sha256:{manifests_sha256}",
        "machine": f"{machine.distribution} {machine.codename}, {machine.cores} cores, "
        f"{machine.memory / 2**30:.1f} GiB, cgroup v{machine.cgroup}",
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
        git = ["git", "-C", str(ROOT)]
        commit = run([*git, "rev-parse", "HEAD"], check=False)
        changes = run([*git, "status", "--porcelain"], check=False)
    except EnvironmentBroken:
        return "commit unknown: git is not there"
    if commit.exit_code or changes.exit_code:
        return "commit unknown: this is no checkout of its repository"
    return f"commit {commit.stdout.strip()}" + (", with changes" if changes.stdout.strip() else "")
