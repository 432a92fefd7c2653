"""Where a run is: what is done, what each lane is doing, and when it may end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from statistics import median
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from meshproof.progress import HEARTBEAT_SECONDS
from meshproof.run.lane_progress import Event, Kind, Lane

#: A test that takes longer is announced in a log, where all others are only told when they end.
LONG_TEST_SECONDS = 20.0
#: A step (an installation, a stage) that took longer is told when it ends.
LONG_STEP_SECONDS = 10.0
#: This many seconds as expected are put to what was seen, so that the first tests of a run
#: do not swing the estimate.
STEADYING_SECONDS = 20.0
BAR_WIDTH = 24


class Planned(NamedTuple):
    """A test that is going to run: a scenario, or another one, which carries no ids."""

    node: str
    name: str
    ids: tuple[str, ...] = ()
    #: It is going to be skipped, which takes no time.
    left_out: bool = False

    @property
    def title(self) -> str:
        """Its ids and its name."""
        return " ".join([*self.ids, self.name])


class Ending(StrEnum):
    """How a test ended, by the sign that stands for it."""

    PASSED = "✓"
    FAILED = "✗"
    SKIPPED = "○"


STYLES = {Ending.PASSED: "green", Ending.FAILED: "bold red", Ending.SKIPPED: "yellow"}


@dataclass(frozen=True)
class Finished:
    """A test that ended: how, after how many seconds, and what was said of it."""

    planned: Planned
    ending: Ending
    seconds: float
    reason: str = ""


class Line(NamedTuple):
    """A line for log or terminal."""

    text: str
    ending: Ending | None = None


def pace(compared: Sequence[tuple[float, float]]) -> float:
    """Return how much slower than expected a run is, from pairs of actual and expected seconds."""
    actual = sum(seconds for seconds, _ in compared)
    expected = sum(seconds for _, seconds in compared)
    return (actual + STEADYING_SECONDS) / (expected + STEADYING_SECONDS)


def seconds_left(
    waiting: Sequence[float], running: Sequence[tuple[float, float]], *, lanes: int, pace: float
) -> float:
    """Return how many seconds a run goes on for, if its lanes share what is left evenly.

    ``waiting`` are the expected seconds of what has not begun, ``running`` the expected and the
    elapsed seconds of what has. It takes at least as long as the longest of them.
    """
    left = [seconds * pace for seconds in waiting]
    left += [max(expected * pace - elapsed, 0.0) for expected, elapsed in running]
    return max(sum(left) / lanes, *left) if left else 0.0


def in_words(seconds: float) -> str:
    """Return an estimate as no more exact than it is: “45 s”, “150 s”, “12 min”."""
    if seconds >= 600:
        return f"{seconds / 60:.0f} min"
    step = 5 if seconds < 100 else 10
    return f"{max(5, step * round(seconds / step))} s"


class Overview:
    """Keeps where a run is, and puts it into words. All times are of one monotonic clock."""

    def __init__(
        self,
        planned: Sequence[Planned],
        *,
        lanes: int,
        expected: Callable[[str], float | None],
        started: float,
    ) -> None:
        """Begin a run of ``planned`` in so many lanes; ``expected`` gives a node's seconds."""
        self.planned = {one.node: one for one in planned}
        self.number_of_lanes = lanes
        self.started = started
        self.lanes: dict[str, Lane] = {}
        self.finished: dict[str, Finished] = {}
        known = {node: expected(node) for node, one in self.planned.items() if not one.left_out}
        self._expected = {node: value for node, value in known.items() if value is not None}
        self._compared: list[tuple[float, float]] = []
        self._took: list[float] = []
        self._announced: set[str] = set()
        self._told = started
        self._begun: dict[tuple[str, int], float] = {}

    # What happens.

    def take(self, name: str, event: Event) -> list[Line]:
        """Let an event of a lane change it, and return what is to be said of it."""
        lane = self.lanes.setdefault(name, Lane(name))
        lane.take(event)
        if event.kind is Kind.NOTE:
            return [self._line(event.at, f"{self._label(lane)}{event.text}")]
        if event.kind is not Kind.WORK:
            return []
        if not event.ended:
            self._begun[name, event.number] = event.at
            return []
        took = event.at - self._begun.pop((name, event.number), event.at)
        if took < LONG_STEP_SECONDS and not event.failed:
            return []
        sign = Ending.FAILED if event.failed else Ending.PASSED
        said = f"{'failed: ' if event.failed else ''}{event.text} ({took:.1f} s)"
        return [self._line(event.at, f"{self._label(lane)}{sign} {said}")]

    def finish(self, now: float, finished: Finished, *, comparable: float | None) -> Line:
        """Note that a test ended, and return what is to be said of it.

        ``comparable`` are its seconds as they are kept for later runs; None where they say
        nothing, because it did not pass.
        """
        node = finished.planned.node
        self.finished[node] = finished
        if comparable is not None:
            self._took.append(comparable)
            if node in self._expected:
                self._compared.append((comparable, self._expected[node]))
        text = f"{self._done} {finished.ending} {finished.planned.title} ({finished.seconds:.1f} s)"
        if finished.reason:
            text += f": {finished.reason}"
        return self._line(now, text + self._rest(now), finished.ending)

    def gone(self, name: str) -> None:
        """Note that a lane has ended."""
        self.lanes.pop(name, None)

    # What is said of it.

    def due(self, now: float) -> list[Line]:
        """Return what a log is told when nothing else happens: what takes long, and a heartbeat."""
        lines = []
        for lane, planned in self._running():
            why = self._why_announced(planned, lane, now)
            if why and planned.node not in self._announced:
                self._announced.add(planned.node)
                lines.append(self._line(now, f"{self._label(lane)}▸ {planned.title}{why}"))
        if not lines and now - self._told >= HEARTBEAT_SECONDS:
            busy = [text for lane in self._lanes() if (text := self._busy(lane, now))]
            if busy:
                lines.append(
                    self._line(now, f"… {self._done} done · {' · '.join(busy)}{self._rest(now)}")
                )
        return lines

    def left(self, now: float) -> float | None:
        """Return about how many seconds the run goes on for; None where nothing is known."""
        known = [*self._expected.values()] or self._took
        if not known:
            return None
        running = {planned.node: now - lane.since for lane, planned in self._running()}
        usual = median(known)
        return seconds_left(
            [
                self._expected.get(node, usual)
                for node, one in self.planned.items()
                if not one.left_out and node not in self.finished and node not in running
            ],
            [(self._expected.get(node, usual), elapsed) for node, elapsed in running.items()],
            lanes=self.number_of_lanes,
            pace=pace(self._compared),
        )

    def view(self, now: float, clock: datetime) -> RenderableType:
        """Return the view in place: a line a lane, and below them how far the run is."""
        lanes = Table.grid(padding=(0, 1), expand=True)
        if self.number_of_lanes > 1:
            lanes.add_column(style="dim", no_wrap=True)
        lanes.add_column(style="bold", no_wrap=True)
        lanes.add_column(ratio=3, no_wrap=True, overflow="ellipsis")
        lanes.add_column(justify="right", no_wrap=True)
        lanes.add_column(ratio=2, no_wrap=True, overflow="ellipsis", style="cyan")
        for lane in self._lanes():
            planned = self._runs(lane)
            if planned is None and not self._between(lane):
                continue
            cells = [lane.name] if self.number_of_lanes > 1 else []
            if planned is None:
                cells += ["", "", ""]
            else:
                cells += [" ".join(planned.ids), planned.name, f"{now - lane.since:.0f} s"]
            lanes.add_row(*(Text(cell) for cell in [*cells, lane.doing]))
        failed = sum(one.ending is Ending.FAILED for one in self.finished.values())
        left = self.left(now)
        parts = [
            Text(f"{self._done} done"),
            Text(f"{failed} failed", style=STYLES[Ending.FAILED] if failed else ""),
            Text(f"{now - self.started:.0f} s"),
        ]
        if left is not None:
            end = clock + timedelta(seconds=left)
            parts.append(Text(f"about {in_words(left)} left, until {end:%H:%M:%S}"))
        bottom = Table.grid(padding=(0, 1))
        bottom.add_column(width=BAR_WIDTH)
        bottom.add_column(no_wrap=True, overflow="ellipsis")
        total = max(len(self.planned), 1)
        bar = ProgressBar(total=total, completed=len(self.finished), width=BAR_WIDTH)
        bottom.add_row(bar, Text(" · ").join(parts))
        return Group(lanes, bottom)

    def _lanes(self) -> list[Lane]:
        return [self.lanes[name] for name in sorted(self.lanes)]

    def _runs(self, lane: Lane) -> Planned | None:
        """The test that a lane runs; none where its end is known and not yet told by it."""
        if lane.node is None or lane.node in self.finished:
            return None
        return self.planned.get(lane.node)

    @staticmethod
    def _between(lane: Lane) -> bool:
        """Whether a lane does something for the run itself, before, between or after tests."""
        return lane.node is None and bool(lane.doing)

    def _running(self) -> list[tuple[Lane, Planned]]:
        return [(lane, planned) for lane in self._lanes() if (planned := self._runs(lane))]

    def _why_announced(self, planned: Planned, lane: Lane, now: float) -> str:
        expected, elapsed = self._expected.get(planned.node, 0.0), now - lane.since
        if expected >= LONG_TEST_SECONDS:
            return f" (takes about {in_words(expected)})"
        if elapsed < LONG_TEST_SECONDS:
            return ""
        return f", {elapsed:.0f} s" + (f", {lane.doing}" if lane.doing else "")

    def _busy(self, lane: Lane, now: float) -> str:
        planned = self._runs(lane)
        if planned is None:
            return f"{self._label(lane)}{lane.doing}" if self._between(lane) else ""
        doing = f", {lane.doing}" if lane.doing else ""
        return f"{self._label(lane)}{planned.title}, {now - lane.since:.0f} s{doing}"

    def _label(self, lane: Lane) -> str:
        return f"{lane.name}: " if self.number_of_lanes > 1 else ""

    @property
    def _done(self) -> str:
        return f"{len(self.finished)}/{len(self.planned)}"

    def _rest(self, now: float) -> str:
        left = self.left(now)
        if left is None or len(self.finished) == len(self.planned):
            return ""
        return f" · about {in_words(left)} left"

    def _line(self, now: float, text: str, ending: Ending | None = None) -> Line:
        self._told = max(self._told, now)
        return Line(f"[{now - self.started:6.1f} s] {text}", ending)
