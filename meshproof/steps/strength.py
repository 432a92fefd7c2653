"""How sure a scenario is: what its samples must be able to notice."""

from __future__ import annotations

from pytest_bdd import given, parsers

from meshproof.analysis.strength import AlwaysDemand, Demands


@given(
    parsers.parse(
        "a sample size that detects {leak:g} % wrong answers with a probability of {confidence:g} %"
    ),
    target_fixture="demand",
)
def samples_that_notice_a_leak(demands: Demands, leak: float, confidence: float) -> AlwaysDemand:
    """Sample so much that such a leak would almost surely be seen; with --quick less."""
    return demands.always(leak / 100, confidence / 100)


@given(
    parsers.parse(
        "a sequential hypothesis test that distinguishes even shares from {most:d}/{least:d}"
    ),
    target_fixture="alternative",
)
def samples_that_tell_even_shares(most: int, least: int) -> float:
    """Sample until a sequential test has told even shares from these."""
    return most / (most + least)
