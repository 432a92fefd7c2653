"""What this release of the suite covers, as its pyproject.toml declares it."""

from __future__ import annotations

import tomllib
from typing import Any

from meshproof.expectations import IDS, SECTIONS
from meshproof.paths import ROOT


def declared_sections() -> tuple[str, ...]:
    """Return the sections that are covered whole, in the specification's order.

    Raises ``ValueError`` for one that the specification does not have.
    """
    return _declared("sections", tuple(SECTIONS))


def declared_expectations() -> tuple[str, ...]:
    """Return the single expectations that are covered beside those sections.

    Raises ``ValueError`` for one that the specification does not have.
    """
    return _declared("expectations", IDS)


def _declared(key: str, known: tuple[str, ...]) -> tuple[str, ...]:
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"][
        "meshproof"
    ]
    unknown = set(table[key]) - set(known)
    if unknown:
        raise ValueError(f"pyproject.toml declares unknown {key}: {', '.join(sorted(unknown))}")
    return tuple(name for name in known if name in table[key])
