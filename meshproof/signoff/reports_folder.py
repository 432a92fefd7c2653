"""Whose a reports folder is: a run writes only where nothing is, or where a run has written."""

from __future__ import annotations

from pathlib import Path

from meshproof.errors import MeshproofError
from meshproof.signoff.reading import read

#: A file that each run leaves in its folder.
MARKER = ".meshproof-reports"
MEANING = "A run of Meshproof writes its reports here, and the next one empties it of them.\n"


def may_write(folder: Path) -> bool:
    """Whether nothing in a folder is anybody else's: it is not there, it is empty, or a run's own.

    A folder that a release without the marker wrote is known by its sign-off. Raises ``OSError``
    where it cannot be looked into.
    """
    if not folder.exists() or (folder / MARKER).is_file() or not any(folder.iterdir()):
        return True
    try:
        read(folder)
    except MeshproofError:
        return False
    return True


def mark(folder: Path) -> None:
    """Make a folder a run's own, where it `may_write`. Raises ``OSError``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).write_text(MEANING)
