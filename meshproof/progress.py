"""Showing long work: what is running, how long it took, what is next."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

HEARTBEAT_SECONDS = 30.0


def to_stderr(line: str) -> None:
    """Write one line of progress to standard error."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


class Progress:
    """Writes one line when a step starts to take long and one when it ends.

    ``write`` takes a line; a run under pytest gives one that gets past capture.
    """

    def __init__(self, write: Callable[[str], None] = to_stderr) -> None:
        """Begin; elapsed times count from here."""
        self.write = write
        self.started = time.monotonic()

    def note(self, text: str) -> None:
        """Write one line with the time since the beginning, in seconds."""
        self.write(f"[{time.monotonic() - self.started:6.1f} s] {text}")

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Announce a step, say every half minute that it goes on, and say how it ended."""
        begun = time.monotonic()
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(HEARTBEAT_SECONDS):
                self.note(f"  … {title}: still running after {time.monotonic() - begun:.0f} s")

        self.note(f"▸ {title}")
        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        outcome = "✗ failed:"
        try:
            yield
            outcome = "✓"
        finally:
            ended.set()
            thread.join()
            self.note(f"{outcome} {title} ({time.monotonic() - begun:.1f} s)")
