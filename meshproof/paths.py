"""Where Meshproof keeps things outside the checkout."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path, user_state_path

#: The checkout: manifests, images and supply are read from here.
ROOT = Path(__file__).resolve().parent.parent


def cache_dir() -> Path:
    """What can be built again: artefacts, Go's build cache, logs (``MESHPROOF_CACHE``)."""
    return Path(os.environ.get("MESHPROOF_CACHE") or user_cache_path("meshproof"))


def state_dir() -> Path:
    """What belongs to running clusters: kubeconfigs, engine's files (``MESHPROOF_STATE``)."""
    return Path(os.environ.get("MESHPROOF_STATE") or user_state_path("meshproof"))
