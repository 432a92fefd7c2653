"""How many runs a soak is."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--runs`."""
    parser.addoption("--runs", type=int, default=10, help="how many runs follow each other")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each run."""
    if "number" in metafunc.fixturenames:
        runs = metafunc.config.getoption("runs")
        metafunc.parametrize("number", range(1, runs + 1), ids=lambda number: f"run {number}")
