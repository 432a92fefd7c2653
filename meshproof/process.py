"""Running other programs, so that what was run and what it said is never lost."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meshproof.errors import EnvironmentBroken
from meshproof.timeouts import stretched

LAST_LINES = 15
#: Seconds that a command that is given up has to take its own things down.
GRACE = 1.0
#: What kubectl and istioctl say where no API server took the command and answered it.
UNREACHABLE = re.compile(
    r"^(The connection to the server \S+ was refused|Unable to connect to the server:"
    r"|error: You must be logged in to the server"
    r"|Error from server \((Timeout|ServiceUnavailable)\)|Error: .*\bdial tcp\b)",
    re.MULTILINE,
)

_running: set[subprocess.Popen[Any]] = set()
_running_lock = threading.Lock()


@dataclass(frozen=True)
class Completed:
    """A command that has ended. ``started`` is seconds since the epoch, ``duration`` seconds."""

    argv: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str
    started: float
    duration: float

    @property
    def command_line(self) -> str:
        """The command as a user would type it."""
        return shlex.join(self.argv)

    @property
    def ok(self) -> bool:
        """Whether it ended with exit code 0."""
        return self.exit_code == 0

    def transcript(self) -> str:
        """The command, its output and its exit code, as evidence."""
        parts = [f"$ {self.command_line}", self.stdout.rstrip("\n"), self.stderr.rstrip("\n")]
        body = "\n".join(part for part in parts if part)
        return f"{body}\n[exit code {self.exit_code}, {self.duration:.2f} s]\n"


class CommandFailed(EnvironmentBroken):
    """A command ended with an exit code other than 0, or not in time."""

    def __init__(self, sentence: str, completed: Completed) -> None:
        """Keep the whole command beside the sentence."""
        super().__init__(sentence, completed.transcript())
        self.completed = completed

    @property
    def by_itself(self) -> bool:
        """Whether the command itself said no: it was not ended from outside, and was answered."""
        done = self.completed
        return done.exit_code > 0 and not UNREACHABLE.search(done.stderr)


def run(
    argv: Sequence[str | Path],
    *,
    timeout: float = 60.0,
    check: bool = True,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Completed:
    """Run a command to its end and return what it printed.

    ``timeout`` is in seconds; ``env`` is added to this process's environment. A command that is
    given up, in time or by an interrupt, ends with everything that it has started.
    Raises ``CommandFailed`` where the exit code is not 0 (unless ``check`` is off) or the time
    ran out, ``EnvironmentBroken`` where there is no such program.
    """
    words, timeout = tuple(str(word) for word in argv), stretched(timeout)
    started, clock = time.time(), time.monotonic()
    try:
        with _session(
            words,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env={**os.environ, **(env or {})},
            cwd=cwd,
        ) as child:
            stdout, stderr = child.communicate(stdin, timeout)
    except FileNotFoundError as error:
        raise EnvironmentBroken(
            f"The program “{words[0]}” is not there; "
            "`meshproof doctor` says what this machine lacks."
        ) from error
    except subprocess.TimeoutExpired as error:
        partial = Completed(
            words, -1, _text(error.stdout), _text(error.stderr), started, time.monotonic() - clock
        )
        raise CommandFailed(
            f"“{words[0]}” did not end within {timeout:g} s and was stopped.", partial
        ) from error
    completed = Completed(
        words, child.returncode, stdout, stderr, started, time.monotonic() - clock
    )
    if check and not completed.ok:
        raise CommandFailed(
            f"“{Path(words[0]).name}” failed with exit code {completed.exit_code}.", completed
        )
    return completed


def run_logged(
    argv: Sequence[str | Path],
    *,
    log: Path,
    timeout: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: Path | None = None,
) -> None:
    """Run a long command with all that it prints appended to ``log``.

    Raises ``EnvironmentBroken`` with the log's name and last lines where it
    fails or takes longer than ``timeout`` seconds; it ends then as one of `run` does.
    """
    words, timeout = [str(word) for word in argv], stretched(timeout)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as sink:
        sink.write(f"$ {shlex.join(words)}\n")
        sink.flush()
        source = stdin.open("rb") if stdin else None
        try:
            with _session(
                words,
                stdin=source or subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                cwd=cwd,
            ) as child:
                code = child.wait(timeout)
            ending = None if code == 0 else f"exit code {code}"
        except FileNotFoundError as error:
            raise EnvironmentBroken(f"The program “{words[0]}” is not there.") from error
        except subprocess.TimeoutExpired:
            ending = f"not finished within {timeout:g} s"
        finally:
            if source:
                source.close()
    if ending:
        raise EnvironmentBroken(
            f"“{Path(words[0]).name}” failed ({ending}); the whole log is {log}.", last_lines(log)
        )


def end_running() -> int:
    """End every command that runs, in whichever thread, with all that it has started.

    Whoever waits for one is told that it failed. Returns how many there were.
    """
    with _running_lock:
        running = list(_running)
    for child in running:
        _signal(child, signal.SIGTERM)
    end = time.monotonic() + GRACE
    for child in running:
        # Who waits for it in its own thread may have been first: then there is none to wait for.
        with suppress(subprocess.TimeoutExpired):
            child.wait(max(end - time.monotonic(), 0))
        _signal(child, signal.SIGKILL)
    return len(running)


def kill_running() -> None:
    """End every command that runs at once; of use to a process that is about to end itself.

    Takes no lock: it may be called by a signal's handler.
    """
    for child in tuple(_running):
        _signal(child, signal.SIGKILL)


@contextmanager
def _session(words: Sequence[str], **how: Any) -> Iterator[subprocess.Popen[Any]]:
    """Start a command in a session of its own, which ends whole where its context is left early.

    A signal to this process's group, such as Ctrl-C, does not reach it: it is given up in order.
    """
    # Started under the lock: whoever ends what runs would miss what runs and is not known yet.
    with _running_lock:
        started = subprocess.Popen(words, start_new_session=True, **how)
        _running.add(started)
    with started as child:
        try:
            yield child
        except BaseException:
            _end(child)
            raise
        finally:
            with _running_lock:
                _running.discard(child)


def _end(child: subprocess.Popen[Any]) -> None:
    """End a command and whatever it has started: asked first, then killed."""
    _signal(child, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        child.wait(GRACE)
    _signal(child, signal.SIGKILL)


def _signal(child: subprocess.Popen[Any], number: signal.Signals) -> None:
    """Send a signal to all of a command's session: its id outlives the command that had it."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)


def last_lines(log: Path, count: int = LAST_LINES) -> str:
    """Return the last ``count`` lines of a log file."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-count:])


def _text(output: str | bytes | None) -> str:
    return output.decode(errors="replace") if isinstance(output, bytes) else (output or "")
