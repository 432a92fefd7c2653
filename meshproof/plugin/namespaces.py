"""The namespaces that a run follows its suites' tutorials in."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from meshproof.environment.options import Options
from meshproof.plugin.options import options_of
from meshproof.plugin.scenarios import suites_of
from meshproof.run.lanes import namespaces_of_suites
from meshproof.suite.model import Suite


def tutorials_of(config: pytest.Config) -> tuple[str, ...]:
    """The namespaces that the run follows its suites' tutorials in, the first suite's first."""
    return tuple(namespaces_by_suite(options_of(config), suites_of(config)).values())


def tutorial_of(config: pytest.Config, suite: Suite) -> str:
    """The namespace that the run follows a suite's tutorial in."""
    return namespaces_by_suite(options_of(config), suites_of(config))[suite.name]


def namespaces_by_suite(options: Options, suites: Iterable[Suite]) -> dict[str, str]:
    """The namespace that each suite of a run has, by its name."""
    chosen = options.namespace if "namespace" in options.given else None
    return namespaces_of_suites([suite.name for suite in suites], chosen)
