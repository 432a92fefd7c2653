"""The commands of a page of the documents, as they stand on it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: Of what a reader types: what tests run as it stands there.
SHELL = "shell"
#: A heading, or a fenced block with its language.
PART = re.compile(
    r"^#+ (?P<heading>[^\n]*)$|^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S
)
#: Where a line goes on in the next one.
CONTINUED = re.compile(r"\\\n\s*")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page, under the heading that is nearest above it."""

    heading: str
    language: str
    text: str

    @property
    def commands(self) -> list[str]:
        """Its lines; one that goes on in the next is one."""
        return CONTINUED.sub("", self.text).splitlines()


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in their order."""
    heading = ""
    for part in PART.finditer(page.read_text()):
        if part["heading"] is not None:
            heading = part["heading"]
        else:
            yield Block(heading, part["language"], part["text"])


def typed(page: Path, *, without: tuple[str, ...] = ()) -> list[Block]:
    """What is run of a page: its shell blocks, but for those under some headings."""
    return [one for one in blocks(page) if one.language == SHELL and one.heading not in without]
