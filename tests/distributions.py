"""Distributions to hold simulations and bounds against."""

from __future__ import annotations

from typing import Any


def binomial_distribution() -> Any:
    """SciPy's, imported by who asks: it takes 1.3 s, and each process collects all unit tests."""
    from scipy.stats import binom  # noqa: PLC0415

    return binom
