"""How strong the samples of a run are: what a scenario asks for, and what is sampled for it.

A full run samples what is asked. One with ``--quick`` takes less, down to the bounds of `QUICK`,
and says so in every claim. How surely a claim must hold is weakened here and nowhere else; what
counts as a deviation, and how rare false alarms are, stays as it is. docs/sampling.md has the
reasons.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from meshproof.analysis.sampling import (
    EVEN_POWER,
    AlwaysClaim,
    EvenClaim,
    chance_to_notice,
    percent,
    samples_to_exclude,
)
from meshproof.analysis.sequential import SequentialTest, even_test, split
from meshproof.analysis.weakening import Weakening

#: A chance below this one is written as this one.
RAREST = 1e-6


@dataclass(frozen=True)
class AlwaysDemand:
    """A sample that notices this ``leak`` with this ``confidence``, both between 0 and 1.

    ``weakening`` says what was asked for instead; None where it is just this.
    """

    leak: float
    confidence: float
    weakening: Weakening | None = None

    @property
    def samples(self) -> int:
        """How many responses that takes. Raises ``ValueError`` as `samples_to_exclude` does."""
        return samples_to_exclude(self.leak, self.confidence)

    def claim(self, observed: int, deviations: int, noun: str) -> AlwaysClaim:
        """Claim that none of the observed responses deviate. Raises as `AlwaysClaim` does."""
        return AlwaysClaim(observed, deviations, self.leak, self.confidence, noun, self.weakening)


@dataclass(frozen=True)
class EvenDemand:
    """A sample that tells an even split from ``alternative``, the larger share of another.

    With this ``power``, and at most ``alpha`` as the rate of false alarms. ``weakening`` says what
    was asked for instead; None where it is just this.
    """

    alternative: float
    power: float
    alpha: float
    weakening: Weakening | None = None

    @property
    def test(self) -> SequentialTest:
        """The test that ends the sample. Raises ``ValueError`` as `even_test` does."""
        return even_test(self.alternative, self.power, self.alpha)

    def claim(self, seen: Sequence[str], kinds: tuple[str, str], noun: str) -> EvenClaim:
        """Claim that both kinds come in even shares. Raises as `EvenClaim` does."""
        return EvenClaim(
            seen, kinds, noun, self.alternative, self.power, self.alpha, self.weakening
        )


@dataclass(frozen=True)
class Strength:
    """The most that samples of a run need show, whatever a scenario asks for.

    No leak below ``leak`` need be noticed, no split closer to even than ``alternative`` (the larger
    share), and nothing more surely than with ``confidence`` or ``power``. As they stand here, these
    bounds weaken nothing.
    """

    leak: float = 0.0
    confidence: float = 1.0
    alternative: float = 0.5
    power: float = 1.0

    def always(self, leak: float, confidence: float) -> AlwaysDemand:
        """Return what is sampled where this leak is to be noticed with this confidence.

        Raises ``ValueError`` for numbers that are not between 0 and 1.
        """
        taken = AlwaysDemand(max(leak, self.leak), min(confidence, self.confidence))
        asked = AlwaysDemand(leak, confidence)
        if taken == asked:
            return asked
        missed = 1 - chance_to_notice(taken.samples, leak)
        return AlwaysDemand(taken.leak, taken.confidence, Weakening(
            asked=_always(asked),
            taken=_always(taken),
            misses=f"If {percent(leak)} of all answers were wrong, "
                   f"{_overlooked(missed, 1 - confidence)}.",
        ))  # fmt: skip

    def even(self, alternative: float, alpha: float, power: float = EVEN_POWER) -> EvenDemand:
        """Return what is sampled where even shares are to be told from this alternative.

        ``alpha`` is the rate of false alarms, which is not weakened. Raises ``ValueError`` for
        numbers that cannot be.
        """
        taken = EvenDemand(max(alternative, self.alternative), min(power, self.power), alpha)
        asked = EvenDemand(alternative, power, alpha)
        if taken == asked:
            return asked
        missed = taken.test.course(alternative).missed
        return EvenDemand(taken.alternative, taken.power, alpha, Weakening(
            asked=_even(asked),
            taken=f"{_even(taken)} (about {math.ceil(taken.test.course(0.5).expected)} samples)",
            misses=f"If the shares were {split(alternative)}, {_overlooked(missed, 1 - power)}.",
        ))  # fmt: skip


#: What scenarios ask for is what is sampled.
FULL = Strength()
#: For a look before a merge: 99 samples instead of 688, and about 153 instead of 490. One pod too
#: many (67/33) is still noticed in 998 of 1000 runs; a test of 70/30 would miss it in 38.
QUICK = Strength(leak=0.03, confidence=0.95, alternative=0.65, power=0.99)


class Demands:
    """What a scenario asks for, turned into what is sampled; whatever is weakened is told of."""

    def __init__(self, strength: Strength, tell: Callable[[Weakening], object]) -> None:
        """Sample with ``strength``, and tell ``tell`` of each demand that it weakens."""
        self.strength = strength
        self._tell = tell

    def always(self, leak: float, confidence: float) -> AlwaysDemand:
        """As `Strength.always`."""
        demand = self.strength.always(leak, confidence)
        if demand.weakening:
            self._tell(demand.weakening)
        return demand

    def even(self, alternative: float, alpha: float) -> EvenDemand:
        """As `Strength.even`."""
        demand = self.strength.even(alternative, alpha)
        if demand.weakening:
            self._tell(demand.weakening)
        return demand


def often(chance: float) -> str:
    """Write a chance as so many of 100, or of as many as it takes: “37 of 100”, “1 of 1000”.

    Rounded up, so that nothing is called rarer than it is, but for what is rarer than `RAREST`.
    """
    shown = max(chance, RAREST)
    of = 10 ** max(2, math.floor(-math.log10(shown) + 1e-9))
    return f"{math.ceil(shown * of * (1 - 1e-12))} of {of}"


def _always(demand: AlwaysDemand) -> str:
    leak, confidence = percent(demand.leak), percent(demand.confidence)
    return f"a leak of {leak} to be noticed with {confidence} confidence ({demand.samples} samples)"


def _even(demand: EvenDemand) -> str:
    share, power = split(demand.alternative), percent(demand.power)
    return f"an even split to be told from {share} with a power of {power}"


def _overlooked(quick: float, full: float) -> str:
    return f"{often(quick)} quick runs would not show it, and {often(full)} full ones"
