"""What a piece of work cost: seconds by the clock, and seconds of the machine's processors."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

STAT = Path("/proc/stat")
#: Which columns of the first line of `/proc/stat` (proc(5)) are not work: idle and iowait.
NOT_WORK = (3, 4)


@dataclass
class Cost:
    """``seconds`` by the clock; ``busy``, the seconds that all processors worked meanwhile.

    Both are 0 until the work is done. What else the machine did counts as well.
    """

    seconds: float = 0.0
    busy: float = 0.0

    @property
    def idle(self) -> float:
        """Seconds in which a processor had nothing to do, of all that there were."""
        return max(self.seconds * processors() - self.busy, 0.0)


def processors() -> int:
    """How many processors this machine has."""
    return os.cpu_count() or 1


def busy_seconds(stat: str) -> float:
    """Return how long all processors have worked, from the text of `/proc/stat`.

    Guests' time is counted once: the kernel has it in user time already.
    """
    columns = [int(column) for column in stat.split("\n", 1)[0].split()[1:9]]
    ticks = sum(ticks for at, ticks in enumerate(columns) if at not in NOT_WORK)
    return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def measured() -> Iterator[Cost]:
    """Measure what is done in this context; the cost is there once it has ended."""
    cost = Cost()
    begun, worked = time.monotonic(), busy_seconds(STAT.read_text())
    try:
        yield cost
    finally:
        cost.seconds = time.monotonic() - begun
        cost.busy = busy_seconds(STAT.read_text()) - worked
