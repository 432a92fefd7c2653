"""Debian packages that the machine lacks: installed where that is allowed, and said before."""

from __future__ import annotations

from pathlib import Path

from meshproof.engine.machine import Machine
from meshproof.errors import EnvironmentBroken
from meshproof.paths import cache_dir
from meshproof.process import run_logged
from meshproof.progress import Progress

#: Seconds: the browser with its fonts is some 100 MB.
INSTALL_TIMEOUT = 900.0


def install_packages(
    packages: tuple[str, ...], *, why: str, machine: Machine, allowed: bool, progress: Progress
) -> None:
    """Install packages from Debian with the machine's own sources.

    Raises ``EnvironmentBroken`` where installing is refused (``--no-install``),
    where the machine is not a Debian one with root, or where apt fails.
    """
    names = " ".join(packages)
    if not allowed:
        raise EnvironmentBroken(
            f"{why} needs the Debian package(s) {names}, and --no-install forbids to install them: "
            f"run `apt-get install {names}` yourself, or leave the option out."
        )
    if not machine.debian:
        raise EnvironmentBroken(
            f"{why} needs {names}, which Meshproof can install only on Debian as root; "
            "install it with this machine's own means and try again."
        )
    log = cache_dir() / "logs" / "apt.log"
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    apt = ("apt-get", "-o", "DPkg::Lock::Timeout=120", "--yes")
    with progress.step(f"install from Debian: {names} ({why})"):
        if not any(Path("/var/lib/apt/lists").glob("*_Packages*")):
            run_logged([*apt, "update"], log=log, timeout=INSTALL_TIMEOUT, env=env)
        install = [*apt, "install", "--no-install-recommends", *packages]
        try:
            run_logged(install, log=log, timeout=INSTALL_TIMEOUT, env=env)
        except EnvironmentBroken:
            # The lists may be older than what the mirror still has.
            run_logged([*apt, "update"], log=log, timeout=INSTALL_TIMEOUT, env=env)
            run_logged(install, log=log, timeout=INSTALL_TIMEOUT, env=env)
