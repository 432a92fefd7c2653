"""A real browser: Chromium, found on the machine or installed from Debian."""

from __future__ import annotations

import shutil
from pathlib import Path

from meshproof.engine.machine import this_machine
from meshproof.engine.packages import install_packages
from meshproof.errors import EnvironmentBroken
from meshproof.progress import Progress

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PACKAGES = ("chromium", "fonts-dejavu-core")
#: Runs as root and in a small /dev/shm, and talks to nobody but the page.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def find_browser() -> Path | None:
    """Return the browser on this machine, or None."""
    found = (shutil.which(program) for program in PROGRAMS)
    return next((Path(path) for path in found if path), None)


def ensure_browser(*, install: bool, progress: Progress) -> Path:
    """Return a browser, installing Chromium from Debian where there is none.

    Raises ``EnvironmentBroken`` where that is refused or not possible.
    """
    if find_browser() is None:
        install_packages(
            PACKAGES,
            why="Seeing the page as a user does",
            machine=this_machine(),
            allowed=install,
            progress=progress,
        )
    browser = find_browser()
    if browser is None:
        raise EnvironmentBroken("Chromium was installed and is not on the PATH.")
    return browser
