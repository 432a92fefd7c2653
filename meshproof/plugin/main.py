"""`meshproof run`: pytest with the documented exit codes, also where it ends before a session.

The verdict sets the session's exit code (meshproof/plugin/reporting.py). What is left to
this file is pytest's own code for bad usage, which means something else here.
"""

import atexit
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import suppress
from typing import NoReturn

import pytest

from meshproof.errors import ExitCode, MeshproofError
from meshproof.interruption import end_with_parent, interruption
from meshproof.process import kill_running
from meshproof.suite.registry import suites

#: Set by tox for what it runs.
IN_TOX = "TOX_ENV_NAME"

#: What pytest's own codes mean where no session ended; any other is a broken environment.
WITHOUT_SESSION: dict[int, ExitCode] = {
    pytest.ExitCode.OK: ExitCode.ACCEPTED,  # --help and --version
    pytest.ExitCode.INTERRUPTED: ExitCode.INTERRUPTED,
    pytest.ExitCode.USAGE_ERROR: ExitCode.USAGE,
}


class SessionOutcome:
    """Carries the exit code of a session out of pytest, and what is left where it is cut off."""

    exit_code: int | None = None
    config: pytest.Config | None = None

    def pytest_addoption(self, parser: pytest.Parser) -> None:
        """Have pytest's help and complaints name the command that was typed."""
        parser.prog = "meshproof run"

    def pytest_configure(self, config: pytest.Config) -> None:
        """Remember who knows what is left."""
        self.config = config

    def left(self) -> str:
        """End what runs, and say what is left."""
        kill_running()
        config = self.config
        if config is None:
            return "Nothing was made."
        from meshproof.plugin.bring_up import BRING_UP  # noqa: PLC0415 - pytest is to rewrite it first
        from meshproof.plugin.lanes import LANES  # noqa: PLC0415

        if LANES in config.stash:
            config.stash[LANES].kill()
        return config.stash[BRING_UP].left() if BRING_UP in config.stash else "Nothing was made."

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Iterator[None]:
        """Read the code once everyone has had a say."""
        yield
        self.exit_code = int(session.exitstatus)


def main(arguments: list[str]) -> int:
    """Run pytest and return the documented exit code."""
    outcome = SessionOutcome()
    interruption.install(left=outcome.left)
    if IN_TOX in os.environ:
        end_with_parent()
    try:
        suites()
        code = int(pytest.main(arguments, plugins=[outcome]))
    except MeshproofError as error:  # a suite's file cannot be read, so that there is no session
        sys.stderr.write(f"meshproof: {error}\n")
        return error.exit_code
    except Exception:  # Python's own exit code for it is 1, which would mean a broken promise
        traceback.print_exc()
        return interruption.exit_code or ExitCode.ENVIRONMENT
    except KeyboardInterrupt:  # before pytest was ready for it
        return interruption.exit_code or ExitCode.INTERRUPTED
    if interruption.exit_code is not None:
        return interruption.exit_code
    if outcome.exit_code is not None:
        return outcome.exit_code
    return WITHOUT_SESSION.get(code, ExitCode.ENVIRONMENT)


def run_and_exit(arguments: list[str]) -> NoReturn:
    """Run pytest, and end this process with the documented exit code."""
    code = main(arguments)
    if interruption.exit_code is not None:
        # Everything is said and taken down: a thread that still waits for an answer need not.
        with suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        atexit._run_exitfuncs()
        os._exit(code)
    sys.exit(code)
