"""Where Meshproof's own files are, which project's suites are meant, and what is kept."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from platformdirs import user_cache_path, user_state_path

_PACKAGE = Path(__file__).resolve().parent
#: Where a built package holds what lies beside it in a checkout.
_INSTALLED = _PACKAGE / "_data"

#: What the library has beside its code: manifests/, images/ and supply/.
DATA = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent

#: What makes a folder a project: a `pyproject.toml` with this table.
TABLE = "[tool.meshproof]"


def project_of(folder: Path) -> Path | None:
    """Return the project that a folder is of: itself or the nearest one above it, or None.

    A `pyproject.toml` that cannot be read is nobody's here; who reads its table says so.
    """
    for place in (folder, *folder.parents):
        try:
            table = tomllib.loads((place / "pyproject.toml").read_text())
        except (OSError, ValueError):
            continue
        if "meshproof" in table.get("tool", {}):
            return place
    return None


_HERE = project_of(Path.cwd())
#: Whether the working directory is a project's. Where it is none, pytest is left as it is.
IN_PROJECT = _HERE is not None
#: The project whose suites are meant: features/, steps/, manifests/ and images/ of its own. It is
#: the working directory's, else the checkout that this library lies in; without either, the
#: working directory, which has no suite.
PROJECT = _HERE or project_of(DATA) or Path.cwd()


def cache_dir() -> Path:
    """What can be built again: artefacts, Go's build cache, logs (``MESHPROOF_CACHE``)."""
    return Path(os.environ.get("MESHPROOF_CACHE") or user_cache_path("meshproof"))


def state_dir() -> Path:
    """What belongs to running clusters: kubeconfigs, engine's files (``MESHPROOF_STATE``)."""
    return Path(os.environ.get("MESHPROOF_STATE") or user_state_path("meshproof"))
