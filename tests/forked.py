"""Python programs in processes of their own, forked from one that has imported what they need.

Most of what a run of a suite takes, as unit tests start dozens, is imports of libraries. Of the
project nothing is imported beforehand: some of it looks at where it is, and pytest changes plugins
as it imports them.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import runpy
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

LIBRARIES = (
    "click",
    "cryptography.x509",
    "gherkin.parser",
    "jinja2",
    "kubernetes.client",
    "kubernetes.config",
    "lxml.html",
    "mako.lookup",
    "numpy",
    "platformdirs",
    "playwright.sync_api",
    "pydantic.fields",
    "pydantic_settings",
    "requests",
    "rich.console",
    "securesystemslib.signer",
    "tenacity",
    "yaml",
)

#: Seconds; a run takes some, and a busy machine is no failure.
AT_MOST = 600.0

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload([*LIBRARIES])


class Forked:
    """A program that runs as `python` with these arguments would, in a session of its own.

    What it says, errors too, comes by ``stdout``. It is asked and told what a ``Popen`` is.
    """

    def __init__(self, typed: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> None:
        """``typed`` is `-m`, a module and its arguments, or a file of ``cwd`` and its arguments."""
        reader, writer = _forks.Pipe(duplex=False)
        # What a daemon starts would be refused, and a program may start others.
        self._process = _forks.Process(target=_be, args=([*typed], str(cwd), {**env}, writer))
        self._process.start()
        writer.close()
        self.stdout = os.fdopen(os.dup(reader.fileno()), "rb", buffering=0)
        reader.close()

    @property
    def pid(self) -> int:
        """The id of its process, which leads its session."""
        assert self._process.pid
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Its exit code, or None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Return its exit code, or None while it runs."""
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to it alone, unless it has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit code once it has ended. Raises ``TimeoutExpired``."""
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("python", timeout or 0)
        return self.returncode

    def communicate(self, timeout: float = AT_MOST) -> tuple[str, None]:
        """Return what it says until it has ended. Raises ``TimeoutExpired``."""
        said, end = b"", time.monotonic() + timeout
        with selectors.DefaultSelector() as ready, self.stdout:
            ready.register(self.stdout, selectors.EVENT_READ)
            while ready.select(max(0.0, end - time.monotonic())):
                if not (more := self.stdout.read(65536)):
                    break
                said += more
        try:
            self.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired as error:
            raise subprocess.TimeoutExpired("python", timeout, said) from error
        return said.decode(errors="replace"), None

    def kill(self) -> None:
        """End it with all that it has started."""
        if self.returncode is None:
            os.killpg(self.pid, signal.SIGKILL)
            self.wait()


def _be(typed: Sequence[str], cwd: str, env: Mapping[str, str], said: Connection) -> None:
    """Become the program. This is in the process that was forked for it."""
    os.setsid()
    # As `nohup` may have it around the tests.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    for number in (sys.stdout.fileno(), sys.stderr.fileno()):
        os.dup2(said.fileno(), number)
    said.close()
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.path[:0] = [cwd, *filter(None, env.get("PYTHONPATH", "").split(os.pathsep))]
    try:
        if typed[0] == "-m":
            sys.argv = [*typed[1:]]
            runpy.run_module(typed[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = [*typed]
            runpy.run_path(typed[0], run_name="__main__")
    finally:
        # Whoever is forked ends without them.
        atexit._run_exitfuncs()


def ran(
    typed: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout: float = AT_MOST
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, and return its exit code and what it said.

    ``timeout`` is in seconds. Raises ``TimeoutExpired``.
    """
    program = Forked(typed, cwd=cwd, env=env)
    try:
        said, _ = program.communicate(timeout)
    finally:
        program.kill()
    return subprocess.CompletedProcess([*typed], program.wait(), said)
