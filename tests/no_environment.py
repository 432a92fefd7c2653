"""A plugin for the suites that unit tests write: no environment is brought up for them.

Lanes have their run bring one up although the suite's own ``environment`` needs none. With an
engine that answers, it would be a real cluster, of the name that the run around it wants.
"""

from __future__ import annotations

import pytest

from meshproof.plugin.bring_up import BringUp, Ground


def _nothing(self: BringUp) -> Ground:
    return Ground()


@pytest.hookimpl(tryfirst=True)
def pytest_configure() -> None:
    """Have nothing brought up."""
    BringUp._make = _nothing  # type: ignore[method-assign]
