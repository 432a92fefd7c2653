"""The voting page, read from its HTML."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bs4 import BeautifulSoup

COUNTS = re.compile(r"Cats: (\d+) \| Dogs: (\d+)")


@dataclass(frozen=True)
class Page:
    """What a page shows: the app's version, its host, its store and the analytics text (D7)."""

    version: str
    host: str
    store: str
    results: str

    @property
    def counts(self) -> tuple[int, int] | None:
        """Cats and dogs where the text is in analytics 1.0's format, else None."""
        found = COUNTS.fullmatch(self.results)
        return (int(found[1]), int(found[2])) if found else None

    def __str__(self) -> str:
        """Return the page in a line."""
        return f"{self.version} on {self.host}, store {self.store}: “{self.results}”"


def parse_page(html: str) -> Page:
    """Read a page. Raises ``ValueError``, naming what is missing, where it is another page."""
    soup = BeautifulSoup(html, "html.parser")
    texts = {}
    for name in ("version", "host", "store", "results"):
        element = soup.find(id=name)
        if element is None:
            raise ValueError(f"not the voting page: it has no “{name}”; it begins {html[:200]!r}")
        texts[name] = element.get_text().strip()
    return Page(
        version=_after("version:", texts["version"]),
        host=_after("host:", texts["host"]),
        store=_after("store:", texts["store"]),
        results=texts["results"],
    )


def _after(label: str, text: str) -> str:
    if not text.startswith(label):
        raise ValueError(f"not the voting page: {text!r} does not begin with {label!r}")
    return text.removeprefix(label).strip()
