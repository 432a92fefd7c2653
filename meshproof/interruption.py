"""Signals that end a run: the first one in order, a second one at once.

SIGINT (Ctrl-C), SIGTERM (a cancelled job) and SIGHUP (a terminal that is closed) mean the same:
what is known is said and written, then what was made is taken down.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from meshproof.errors import EnvironmentBroken

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Seconds within which another signal is the same interrupt twice.
SAME = 1.0
#: tox passes Ctrl-C on, once, to its child, which had it from the terminal already. Seconds within
#: which that is the same interrupt, too: where the machine is busy tox takes a while.
PASSED_ON = 30.0
#: Of Linux's prctl: the signal that this process gets when the one that started it ends.
PR_SET_PDEATHSIG = 1


class Interrupted(EnvironmentBroken):
    """What was waited for is no longer of interest: the run was interrupted."""


class Interruption:
    """How a process was told to end. There is one for each process."""

    def __init__(self) -> None:
        """Nobody has told it to end, and nothing would be left."""
        self.number: signal.Signals | None = None
        #: Set by the first signal.
        self.told = threading.Event()
        self._at = 0.0
        self._stopped = False
        self._poked = False
        self._parent = os.getppid()
        self._by_tox = False
        self._orphan = False
        self._left: Callable[[], str] | None = None
        self._outputs: set[tuple[int, int]] = set()

    def install(self, *, left: Callable[[], str] | None = None) -> None:
        """Take the signals over, in the main thread.

        ``left`` says what a second signal leaves behind. Without it a second one is ignored: it is
        for whoever started this process to end it.
        """
        self._left = left
        self._parent = os.getppid()
        self._by_tox = _is_tox(self._parent)
        self._outputs = {output for each in (1, 2) if (output := _identity(each))}
        for number in SIGNALS:
            # What was started with SIGHUP ignored (nohup) outlives its terminal.
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._receive)

    @property
    def exit_code(self) -> int | None:
        """The exit code of a process that was told to end; None where nobody has."""
        return None if self.number is None else 128 + self.number

    def check(self) -> None:
        """Raise ``Interrupted`` where waiting is no longer of interest."""
        if self._stopped:
            raise Interrupted("The run was interrupted.")

    def resume(self) -> None:
        """Let waiting be of interest again: what takes things down waits, too."""
        self._stopped = False

    def poke(self) -> None:
        """Interrupt the main thread once more, where something has swallowed the interrupt."""
        self._poked = True
        main = threading.main_thread().ident
        if main is not None:
            signal.pthread_kill(main, self.number or signal.SIGINT)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        # The kernel tells of the end of the thread that started this process, and then of the
        # parent's: only with the last of these signals is the reader gone.
        parents = number == signal.SIGTERM and not self._orphan and self._is_orphan()
        self._write_to_nobody_who_is_gone(number)
        if self.number is None:
            self.number, self._at = signal.Signals(number), time.monotonic()
            self._stopped = True
            self.told.set()
            raise KeyboardInterrupt
        if self._poked:
            self._poked = False
            raise KeyboardInterrupt
        since = time.monotonic() - self._at
        if self._by_tox and number == self.number == signal.SIGINT and since < PASSED_ON:
            self._by_tox = False
            return
        if since < SAME or self._left is None or parents:
            return
        said = f"\nmeshproof: ended at once by a second signal. {self._left()}\n"
        try:
            os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, said.encode())
        finally:
            os._exit(128 + number)

    def _is_orphan(self) -> bool:
        """Whether the process that started this one is gone."""
        self._orphan = os.getppid() != self._parent
        return self._orphan

    def _write_to_nobody_who_is_gone(self, number: int) -> None:
        """Write what is said from here on nowhere, where its reader has ended or hung up.

        pytest writes by copies of the descriptors, so each that leads there is led away.
        """
        orphan = self._is_orphan()
        hung_up = number == signal.SIGHUP
        for output in self._outputs:
            for copy in _descriptors_of(output):
                if orphan or (hung_up and os.isatty(copy)) or _is_broken(copy):
                    nowhere = os.open(os.devnull, os.O_WRONLY)
                    os.dup2(nowhere, copy)
                    os.close(nowhere)


def _is_tox(process: int) -> bool:
    """Whether a process is tox, by the command that it was started by."""
    try:
        words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    # The program, or what Python runs: a script or a module.
    return words[1:3] == [b"-m", b"tox"] or b"tox" in [w.rpartition(b"/")[2] for w in words[:2]]


def _identity(descriptor: int) -> tuple[int, int] | None:
    """What tells apart where a descriptor leads; None where nobody reads it: a file or nothing."""
    try:
        found = os.fstat(descriptor)
    except OSError:
        return None
    return None if stat.S_ISREG(found.st_mode) else (found.st_dev, found.st_ino)


def _descriptors_of(output: tuple[int, int]) -> list[int]:
    """Every descriptor of this process that leads to the same."""
    try:
        descriptors = [int(name) for name in os.listdir("/proc/self/fd")]  # noqa: PTH208
    except OSError:
        descriptors = [1, 2]
    return [each for each in descriptors if _identity(each) == output]


def _is_broken(descriptor: int) -> bool:
    """Whether what is written to a descriptor reaches nobody any more."""
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


#: This process's own.
interruption = Interruption()


def end_with_parent() -> None:
    """Have this process told to end (SIGTERM) when the one that started it is gone; Linux alone.

    tox ends at SIGTERM without a word to its child.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
