"""Runs pytest with the documented exit codes, also where pytest ends before a session begins.

The verdict sets the session's exit code (fixtures/reporting.py). What is left to
this file is pytest's own code for bad usage, which means something else here.
"""

import sys
import traceback
from collections.abc import Iterator

import pytest

from meshproof.errors import ExitCode

#: What pytest's own codes mean where no session ended; any other is a broken environment.
WITHOUT_SESSION: dict[int, ExitCode] = {
    pytest.ExitCode.OK: ExitCode.ACCEPTED,  # --help and --version
    pytest.ExitCode.INTERRUPTED: ExitCode.INTERRUPTED,
    pytest.ExitCode.USAGE_ERROR: ExitCode.USAGE,
}


class SessionOutcome:
    """Carries the exit code of a session out of pytest."""

    exit_code: int | None = None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Iterator[None]:
        """Read the code once everyone has had a say."""
        yield
        self.exit_code = int(session.exitstatus)


def main(arguments: list[str]) -> int:
    """Run pytest and return the documented exit code."""
    outcome = SessionOutcome()
    try:
        code = int(pytest.main(arguments, plugins=[outcome]))
    except Exception:  # Python's own exit code for it is 1, which would mean a broken promise
        traceback.print_exc()
        return ExitCode.ENVIRONMENT
    if outcome.exit_code is not None:
        return outcome.exit_code
    return WITHOUT_SESSION.get(code, ExitCode.ENVIRONMENT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
