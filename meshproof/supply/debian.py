"""The slim Debian root that images stand on, made by mmdebstrap from the machine's sources."""

from __future__ import annotations

import shutil
from pathlib import Path

from meshproof.errors import EnvironmentBroken
from meshproof.process import run
from meshproof.supply.recipe import Recipe
from meshproof.supply.workshop import Workbench

SUITE = "bookworm"
HOOKS = Path("/usr/share/mmdebstrap/hooks")
# Documentation and translations are half of a small root; licences stay.
LEFT_OUT = (
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
)
# /usr is merged from the start, so the package that merges it (and all of Perl) can stay away.
NO_USRMERGE = (
    'mkdir -p "$1/etc/apt/preferences.d" && '
    r'printf "Package: usrmerge\nPin: release *\nPin-Priority: -1\n" '
    '>"$1/etc/apt/preferences.d/usrmerge"'
)


def sources() -> list[str]:
    """Return apt's own sources for the suite; none means mmdebstrap's default."""
    printed = run(
        ["apt-get", "indextargets",
         "--format", "$(CODENAME) deb $(REPO_URI) $(RELEASE) $(COMPONENT)",
         "Created-By: Packages", "Origin: Debian"],
        check=False,
    ).stdout  # fmt: skip
    lines = {line.split(" ", 1)[1] for line in printed.splitlines() if line.startswith(SUITE)}
    return sorted(lines)


def build(bench: Workbench) -> None:
    """Make the root file system and import it into the engine.

    Raises ``EnvironmentBroken`` where mmdebstrap is missing or fails.
    """
    if not shutil.which("mmdebstrap"):
        raise EnvironmentBroken(
            "The base of the images is made by mmdebstrap, which is not on this machine: "
            "`meshproof up` installs it on Debian; elsewhere install the package mmdebstrap."
        )
    archive = bench.out / "root.tar"
    command: list[str | Path] = ["mmdebstrap", "--variant=apt", "--quiet"]
    command += [f"--hook-dir={HOOKS / 'merged-usr'}", f"--setup-hook={NO_USRMERGE}"]
    command += ['--aptopt=APT::Install-Recommends "false"']
    command += [f"--dpkgopt={rule}" for rule in LEFT_OUT]
    own = sources()
    if own:
        listing = bench.out / "sources.list"
        listing.write_text("\n".join(own) + "\n")
        bench.run(*command, SUITE, archive, listing)
    else:
        bench.run(*command, SUITE, archive)
    bench.workshop.engine.import_root(bench.run, archive, bench.image)


RECIPE = Recipe(
    "debian",
    f"a slim Debian root ({SUITE})",
    build,
    image=True,
)
