"""The voting page, read from its HTML."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lxml import etree, html

from meshproof.errors import PromiseBroken
from meshproof.wording import quoted

#: The elements that say what a page shows, by their ids.
ELEMENTS = ("version", "host", "store", "results")
#: What a feature names in quotes: version "2.0", say.
NAMED_IN_QUOTES = re.compile(r'"([^"]+)"')
SIMPLE = re.compile(r"Cats: (\d+) \| Dogs: (\d+)")
SHARES = re.compile(r"Cats: (\d+)/(\d+) \((\d+)%\) \| Dogs: (\d+)/(\d+) \((\d+)%\)")


def read_text(text: str) -> tuple[str, tuple[int, int]] | None:
    """Tell the version of analytics by its text, and read the counts; None for any other text."""
    simple = SIMPLE.fullmatch(text)
    if simple:
        return "1.0", (int(simple[1]), int(simple[2]))
    shares = SHARES.fullmatch(text)
    if shares and shares[2] == shares[5] and int(shares[1]) + int(shares[4]) == int(shares[2]):
        return "1.1", (int(shares[1]), int(shares[4]))
    return None


class WrongPage(PromiseBroken, ValueError):
    """What was answered is not the voting page."""


@dataclass(frozen=True)
class Page:
    """What a page shows: the app's version, its host, its store and the analytics text (D7)."""

    version: str
    host: str
    store: str
    results: str

    @property
    def analytics(self) -> str | None:
        """The version of analytics, told by the format of its text; None for any other text."""
        read = read_text(self.results)
        return read[0] if read else None

    @property
    def counts(self) -> tuple[int, int] | None:
        """Cats and dogs, or None where the text has neither format."""
        read = read_text(self.results)
        return read[1] if read else None

    def __str__(self) -> str:
        """Return the page in a line."""
        return f"{self.version} on {self.host}, store {self.store}: “{self.results}”"


def parse_page(text: str) -> Page:
    """Read a page. Raises ``WrongPage``, naming what is missing, where it is another page."""
    elements = _elements(text)
    texts = {}
    for name in ELEMENTS:
        if name not in elements:
            begin = quoted(text[:200])
            raise WrongPage(f"not the voting page: it has no “{name}”; it begins with {begin}")
        texts[name] = _text(elements[name])
    return Page(
        version=_after("version:", texts["version"]),
        host=_after("host:", texts["host"]),
        store=_after("store:", texts["store"]),
        results=texts["results"],
    )


def problem_of(text: str) -> str:
    """Return what a page tells its user went wrong, or nothing where it tells of nothing."""
    problem = _elements(text).get("problem")
    return "" if problem is None else _text(problem)


def _text(element: html.HtmlElement) -> str:
    return "".join(map(str, element.itertext())).strip()


def _elements(text: str) -> dict[str | None, html.HtmlElement]:
    try:
        return {each.get("id"): each for each in html.document_fromstring(text).iter()}
    except etree.ParserError:  # of a page that is empty
        return {}


def _after(label: str, text: str) -> str:
    if not text.startswith(label):
        raise WrongPage(f"not the voting page: {quoted(text)} does not begin with “{label}”")
    return text.removeprefix(label).strip()
