"""What each lane of a run is doing: told by the lanes in files, and read where it is shown.

A lane is a process that runs scenarios one after another. What it writes to its
own output is lost, so that it appends lines of JSON to a file of its own.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from meshproof.progress import Progress

SUFFIX = ".jsonl"


class Kind(StrEnum):
    """What begins or ends."""

    SCENARIO = "scenario"  # its text is the node id
    STEP = "step"  # of the scenario, in Gherkin
    WORK = "work"  # a step of ``Progress``
    WAIT = "wait"  # its text is what has to become so
    NOTE = "note"  # does not end


@dataclass(frozen=True)
class Event:
    """Something that began or ended, at ``at`` seconds of the machine's monotonic clock.

    What ends has the ``number`` with which it began, unique in its lane.
    """

    at: float
    kind: Kind
    number: int
    text: str
    ended: bool = False
    failed: bool = False


_EVENT = TypeAdapter(Event)


class LaneProgress:
    """Writes what a lane does. From any thread; a disk that is full ends no scenario."""

    def __init__(
        self, folder: Path, name: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin the file of lane ``name`` in ``folder``."""
        folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self._clock = clock
        self._numbers = count(1)
        self._file = os.open(
            folder / f"{name}{SUFFIX}", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644
        )

    def begin(self, kind: Kind, text: str) -> int:
        """Say what begins, and return its number."""
        number = next(self._numbers)
        self._tell(Event(self._clock(), kind, number, text))
        return number

    def end(self, kind: Kind, number: int, text: str, *, failed: bool = False) -> None:
        """Say that it ended."""
        self._tell(Event(self._clock(), kind, number, text, ended=True, failed=failed))

    def note(self, text: str) -> None:
        """Say something once."""
        self.begin(Kind.NOTE, text)

    @contextmanager
    def during(self, kind: Kind, text: str) -> Iterator[None]:
        """Say what begins, and that it ended."""
        number = self.begin(kind, text)
        failed = True
        try:
            yield
            failed = False
        finally:
            self.end(kind, number, text, failed=failed)

    def close(self) -> None:
        """Close the file; what is told afterwards is lost."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def _tell(self, event: Event) -> None:
        with suppress(OSError):
            os.write(self._file, _EVENT.dump_json(event) + b"\n")  # one write, so lines stay whole


class LaneSteps(Progress):
    """Progress that is told to a lane; whoever shows the run says what of it is shown."""

    def __init__(self, lane: LaneProgress) -> None:
        """Tell it to ``lane``."""
        super().__init__(lane.note)
        self._lane = lane

    def note(self, text: str) -> None:
        """Say something once."""
        self._lane.note(text)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Say that a step begins, and how it ended."""
        with self._lane.during(Kind.WORK, title):
            yield


class LaneReader:
    """Reads what lanes tell, as they tell it."""

    def __init__(self, folder: Path) -> None:
        """Follow the files in ``folder``, also those that are not there yet."""
        self.folder = folder
        self._read: dict[Path, int] = {}

    def read(self) -> list[tuple[str, Event]]:
        """Return what was told since the last time, as lane and event, in the order of time.

        A line that is not whole yet is left for the next time, one that is no event is left out.
        """
        found = [
            (path.stem, event)
            for path in sorted(self.folder.glob(f"*{SUFFIX}"))
            for event in self._of(path)
        ]
        return sorted(found, key=lambda told: told[1].at)

    def _of(self, path: Path) -> Iterator[Event]:
        with path.open("rb") as file:
            file.seek(self._read.get(path, 0))
            whole, newline, _ = file.read().rpartition(b"\n")
        self._read[path] = self._read.get(path, 0) + len(whole) + len(newline)
        for line in whole.splitlines():
            with suppress(ValidationError):
                yield _EVENT.validate_json(line)


@dataclass
class Lane:
    """What a lane is doing, after the events so far."""

    name: str
    node: str | None = None
    since: float = 0.0
    running: dict[int, Event] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        """Let an event change it."""
        if event.kind is Kind.NOTE:
            return
        if event.kind is Kind.SCENARIO:
            self.running.clear()
            self.node, self.since = (None, 0.0) if event.ended else (event.text, event.at)
        elif event.ended:
            self.running.pop(event.number, None)
        else:
            self.running[event.number] = event

    @property
    def doing(self) -> str:
        """What began last and has not ended, in words; empty where nothing is known."""
        if not self.running:
            return ""
        last = self.running[max(self.running)]
        return f"waiting until {last.text}" if last.kind is Kind.WAIT else last.text
