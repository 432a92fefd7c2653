"""Make docs/steps.md from the code: `python -m steps`."""

from __future__ import annotations

from meshproof.paths import ROOT
from steps.catalogue import page

PAGE = ROOT / "docs" / "steps.md"

if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
