"""What this release of the suite covers, as its pyproject.toml declares it."""

from __future__ import annotations

import tomllib

from meshproof.expectations import SECTIONS
from meshproof.paths import ROOT


def declared_sections() -> tuple[str, ...]:
    """Return the covered sections, in the specification's order.

    Raises ``ValueError`` for one that the specification does not have.
    """
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["meshproof"]
    unknown = set(table["sections"]) - set(SECTIONS)
    if unknown:
        raise ValueError(f"pyproject.toml declares unknown sections: {', '.join(sorted(unknown))}")
    return tuple(section for section in SECTIONS if section in table["sections"])
