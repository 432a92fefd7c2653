"""The commands of a page of the documents, as they stand on it, and a reader who types them."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

#: Of what a reader types: what tests run as it stands there.
SHELL = "shell"
#: A heading, or a fenced block with its language.
PART = re.compile(
    r"^#+ (?P<heading>[^\n]*)$|^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S
)
#: Of this run's own variables, those that a reader has, too: where things are kept.
PLACES = {"MESHPROOF_CACHE", "MESHPROOF_STATE"}
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


def readers_variables() -> dict[str, str]:
    """The variables of somebody who has chosen nothing by the environment."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in PLACES or not name.startswith("MESHPROOF_")
    }


def printed_by(script: str, folder: Path, variables: Mapping[str, str], *, timeout: float) -> str:
    """Type a page's commands in a folder, and return what was printed.

    Raises ``AssertionError`` with it where a command fails; ``timeout`` is in seconds.
    """
    done = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", script],
        cwd=folder,
        env=dict(variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
