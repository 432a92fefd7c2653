"""What the default suite says, for steps that are not yet handed a suite.

Whoever has a `Tutorial` asks its ``suite`` instead; once all do, this module goes.
"""

from __future__ import annotations

from meshproof.suite.model import Stage
from meshproof.suite.registry import default_suite

SUITE = default_suite()
NAMES = SUITE.stage_names


def stage_named(name: str) -> Stage:
    """Return a stage by its name. Raises ``KeyError``, naming the stages, for an unknown one."""
    return SUITE.stage(name)
