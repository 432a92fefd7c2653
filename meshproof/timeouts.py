"""One factor for all deadlines, for ground that is slower than that on which they were measured.

It belongs to the process: waits in threads count, too. What is measured and compared, a page's
time say, is not stretched.
"""

from __future__ import annotations

_factor = 1.0


def stretch(factor: float) -> None:
    """Have every deadline from here on be longer by a factor of 1 or more."""
    global _factor  # noqa: PLW0603 - one for the process
    _factor = factor


def stretched(seconds: float) -> float:
    """Return a deadline, in seconds, as long as it is on this ground."""
    return seconds * _factor


def factor_told() -> str:
    """Return how much longer deadlines are, in words; empty where they are as documented."""
    return "" if _factor == 1 else f"{_factor:g} times as long as documented"
