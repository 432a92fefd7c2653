"""Runs pytest with the documented exit codes, also where pytest ends before a session begins.

The verdict sets the session's exit code (fixtures/reporting.py). What is left to
this file is pytest's own code for bad usage, which means something else here.
"""

import sys
from collections.abc import Iterator

import pytest

from meshproof.errors import ExitCode


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
    code = int(pytest.main(arguments, plugins=[outcome]))
    if outcome.exit_code is not None:
        return outcome.exit_code
    return ExitCode.USAGE if code == pytest.ExitCode.USAGE_ERROR else ExitCode.ENVIRONMENT


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
