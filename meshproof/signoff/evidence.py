"""Evidence: files that show what was seen, one folder a scenario."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from meshproof.analysis.observation import Observation
from meshproof.analysis.weakening import Weakening
from meshproof.errors import PromiseBroken
from meshproof.process import Completed

SLUG_LENGTH = 80
#: Gets the name, the file and its media type as each piece is written.
Listener = Callable[[str, Path, str], None]


def slug(text: str) -> str:
    """Return a file name of a text: lower case, words joined by hyphens, at most 80 characters.

    What is cut off is replaced by a digest, so that long texts with the same beginning differ.
    """
    words = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if len(words) <= SLUG_LENGTH:
        return words
    digest = hashlib.sha256(words.encode()).hexdigest()[:8]
    return f"{words[: SLUG_LENGTH - 9].rstrip('-')}-{digest}"


def folder_name(ids: Sequence[str], test: str) -> str:
    """Return the folder of a scenario's evidence: its first id, and what its test is called.

    A scenario that proves nothing, in a suite of tests, has no id.
    """
    return "-".join((*ids[:1], slug(test.removeprefix("test_"))))


@dataclass(frozen=True)
class Kept:
    """A piece of evidence as it was written: ``size`` in bytes, ``sha256`` in hexadecimal."""

    name: str
    path: Path
    media_type: str
    size: int
    sha256: str


class Evidence:
    """What one scenario leaves behind: files, and observations in a line each.

    ``observations`` are all of these lines; ``results`` and ``baselines`` those of them that say
    what was found and what it was held against. They are sentences for people: no notation of a
    programming language. ``weakened`` are the kinds of samples that were weaker than asked for.
    """

    def __init__(self, folder: Path, listener: Listener = lambda *_: None) -> None:
        """``folder`` is made when the first piece is written."""
        self.folder = folder
        self.pieces: list[Kept] = []
        self.observations: list[str] = []
        self.results: list[str] = []
        self.baselines: list[str] = []
        self.weakened: list[Weakening] = []
        self._listener = listener

    @property
    def files(self) -> list[Path]:
        """The files, in the order in which they were written."""
        return [piece.path for piece in self.pieces]

    def command(self, done: Completed) -> None:
        """Keep a command with its output."""
        self.text(" ".join(done.argv[:4]), done.transcript())

    def text(self, name: str, content: str) -> Path:
        """Keep a text."""
        return self._keep(name, content.encode(), ".txt", "text/plain")

    def data(self, name: str, content: str) -> Path:
        """Keep what a machine reads (JSON)."""
        return self._keep(name, content.encode(), ".json", "application/json")

    def picture(self, name: str, png: bytes) -> Path:
        """Keep a picture (PNG)."""
        return self._keep(name, png, ".png", "image/png")

    def packets(self, name: str, pcap: bytes) -> Path:
        """Keep captured packets (pcap)."""
        return self._keep(name, pcap, ".pcap", "application/vnd.tcpdump.pcap")

    def result(self, sentence: str) -> None:
        """Keep what the scenario found, in a sentence with its numbers: the line that is signed."""
        self.results.append(sentence)
        self.observations.append(sentence)

    def baseline(self, sentence: str) -> None:
        """Keep what it was before, or without what is tested: what a result is held against."""
        self.baselines.append(sentence)
        self.observations.append(sentence)

    def observe(self, line: str) -> None:
        """Keep a detail of what was observed, in a line for whoever reads on."""
        self.observations.append(line)

    def tell(self, seen: Observation) -> Observation:
        """Keep all of an observation, and return it."""
        for name, content in seen.texts.items():
            self.text(name, content)
        for sentence in seen.baselines:
            self.baseline(sentence)
        for sentence in seen.results:
            self.result(sentence)
        for line in seen.details:
            self.observe(line)
        return seen

    def require(self, seen: Observation) -> None:
        """Keep an observation without which nothing that follows says anything.

        Raises ``PromiseBroken`` where it has a problem.
        """
        if self.tell(seen).problem:
            raise PromiseBroken(seen.problem)

    def weaken(self, weakening: Weakening) -> None:
        """Keep that a kind of sample was weaker than the scenario asks for, each kind once."""
        if weakening not in self.weakened:
            self.weakened.append(weakening)

    def _keep(self, name: str, data: bytes, suffix: str, media_type: str) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{len(self.pieces) + 1:02d}-{slug(name)}{suffix}"
        path.write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        self.pieces.append(Kept(name, path, media_type, len(data), digest))
        self._listener(name, path, media_type)
        return path
