"""Make docs/steps.md from the code: `python -m meshproof.steps`."""

from __future__ import annotations

from meshproof.paths import PROJECT
from meshproof.steps.catalogue import page

PAGE = PROJECT / "docs" / "steps.md"

if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
