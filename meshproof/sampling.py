"""How many samples a claim needs, and what they show: each claim states its error.

“Always”: not one of n responses deviates. One that does is a real deviation, so there
are no false alarms; n follows from the leak rate that is to be noticed. “Evenly”: an
exact two-sided binomial test. Only this one can raise a false alarm, and all of a full
run share `FALSE_ALARM_TOTAL`. docs/sampling.md has the formulas and the reasons.

Rates, shares, confidences and powers are numbers between 0 and 1. Percentages are shown
rounded so that no claim is called surer than it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.stats import binom, binomtest

#: The most that the chance of a false alarm in a full run may be.
FALSE_ALARM_TOTAL = 1e-6
#: Random claims that a full run may make: U2 makes four (the ingress and three app pods),
#: B3 one; the rest is room, so that one more changes no acceptance region.
RANDOM_CLAIMS = 10
#: Uneven splits, by the larger share, for which every even claim tells its power.
ALTERNATIVES = (0.6, 0.9, 0.99)
#: More samples than any run can take.
MOST_SAMPLES = 1_000_000

_Counts: TypeAlias = npt.NDArray[np.int64]
_Chances: TypeAlias = npt.NDArray[np.float64]


def claim_alpha(claims: int) -> float:
    """Return the false-alarm rate that each of so many random claims may have.

    By the union bound, so the claims need not be independent of one another.
    Raises ``ValueError`` for less than one claim.
    """
    if claims < 1:
        raise ValueError(f"a budget is for at least one claim, not for {claims}")
    return FALSE_ALARM_TOTAL / claims


#: The false-alarm rate of one random claim.
ALPHA = claim_alpha(RANDOM_CLAIMS)


class Budget:
    """The false alarms of one run, handed out to its random claims by name, once each."""

    def __init__(self, claims: int = RANDOM_CLAIMS) -> None:
        """``claims`` is how many are declared. Raises ``ValueError`` for less than one."""
        self.claims = claims
        self.alpha = claim_alpha(claims)
        self.drawn: list[str] = []

    def draw(self, claim: str) -> float:
        """Return the false-alarm rate of a claim.

        Raises ``ValueError`` where the claim was tried before, or more claims are made
        than were declared: the run's total would no longer hold.
        """
        if claim in self.drawn:
            raise ValueError(f"“{claim}” was sampled before: a claim has one try in a run")
        if len(self.drawn) == self.claims:
            raise ValueError(f"“{claim}” is one random claim more than the {self.claims} declared")
        self.drawn.append(claim)
        return self.alpha


def samples_to_exclude(leak: float, confidence: float) -> int:
    """Return how many independent responses, all as promised, exclude a leak of this rate or more.

    Raises ``ValueError`` where one of them is not between 0 and 1, both excluded.
    """
    _check_inside(leak=leak, confidence=confidence)
    exact = math.log1p(-confidence) / math.log1p(-leak)
    # 30 % and 51 % make 2, and in binary fractions 2.0000000000000004.
    return math.ceil(exact * (1 - 1e-12))


def leak_excluded(samples: int, confidence: float) -> float:
    """Return the smallest leak rate that so many responses, all as promised, exclude.

    1 for no samples: they exclude nothing. Raises ``ValueError`` for a negative
    count or a confidence that is not between 0 and 1.
    """
    _check_inside(confidence=confidence)
    _check_counts(samples)
    return -math.expm1(math.log1p(-confidence) / samples) if samples else 1.0


def chance_to_notice(samples: int, leak: float) -> float:
    """Return how surely so many independent responses show a leak of this rate at least once.

    Raises ``ValueError`` for a negative count or a rate that is not between 0 and 1.
    """
    _check_inside(leak=leak)
    _check_counts(samples)
    return -math.expm1(samples * math.log1p(-leak))


@dataclass(frozen=True)
class AlwaysClaim:
    """All responses are as promised: what was observed, and what it must be able to notice.

    ``leak`` is the rate of deviations that must be noticed with this ``confidence``;
    ``noun`` is what was sampled, in the plural. Raises ``ValueError`` for numbers that
    cannot be.
    """

    observed: int
    deviations: int
    leak: float
    confidence: float
    noun: str = "responses"

    def __post_init__(self) -> None:
        """Refuse numbers that cannot be."""
        _check_inside(leak=self.leak, confidence=self.confidence)
        _check_counts(self.observed, self.deviations)
        if self.deviations > self.observed:
            raise ValueError(f"{self.deviations} deviations in {self.observed} {self.noun}")

    @property
    def needed(self) -> int:
        """How many responses notice the leak with the confidence."""
        return samples_to_exclude(self.leak, self.confidence)

    @property
    def holds(self) -> bool:
        """Whether nothing deviated, in enough responses to say so."""
        return self.deviations == 0 and self.observed >= self.needed

    @property
    def leak_at_most(self) -> float:
        """The upper bound of the leak rate with the confidence (Clopper and Pearson)."""
        if self.observed == 0:
            return 1.0
        test = binomtest(self.deviations, self.observed, alternative="less")
        return float(test.proportion_ci(self.confidence, method="exact").high)

    def __str__(self) -> str:
        """Return what was seen and how surely it says so, in a line."""
        seen = f"{self.deviations} of {self.observed} {self.noun} deviated"
        if self.deviations:
            return (
                f"{seen} and none may; the leak is at most {_rounded_up(self.leak_at_most)} "
                f"with {_percent(self.confidence)} confidence"
            )
        noticed = _rounded_down(chance_to_notice(self.observed, self.leak))
        leak = f"a leak of {_percent(self.leak)}"
        if not self.holds:
            return (
                f"{seen}, too few to say: {leak} would have been noticed with {noticed} "
                f"confidence, by {self.needed} with {_percent(self.confidence)}"
            )
        return f"{seen}; {leak} would have been noticed with {noticed} confidence"


def even_region(samples: int, alpha: float = ALPHA) -> tuple[int, int]:
    """Return the least and the most of either kind that an even split may show.

    The shortest symmetric region that a truly even split leaves with a probability of
    at most ``alpha``. With few samples it is all there is, and the test cannot fail.
    Raises ``ValueError`` for a negative count or an alpha that is not between 0 and 1.
    """
    _check_inside(alpha=alpha)
    _check_counts(samples)
    least = int(_least(np.array([samples]), alpha)[0])
    return least, samples - least


def even_power(samples: int, alternative: float, alpha: float = ALPHA) -> float:
    """Return how surely so many samples show that a split is not even.

    ``alternative`` is the larger share of the split that it is instead: 0.6 for 60/40.
    Raises ``ValueError`` where it is not above 0.5 and at most 1, for a negative
    count, or for an alpha that is not between 0 and 1.
    """
    _check_inside(alpha=alpha)
    _check_alternative(alternative)
    _check_counts(samples)
    return float(_power(np.array([samples]), alternative, alpha)[0])


def samples_for_even(alternative: float = 0.6, power: float = 0.999, alpha: float = ALPHA) -> int:
    """Return how many samples notice this alternative with this power; so do all larger numbers.

    (The power of an exact test does not rise with every sample, but falls a little
    where the region grows, so the least number that will do may be some less.)
    Raises ``ValueError`` as `even_power` does, for a power that is not between 0 and 1,
    and where it could take more than `MOST_SAMPLES`.
    """
    _check_inside(power=power, alpha=alpha)
    _check_alternative(alternative)
    # By Hoeffding's inequality the region is within n/2 ± √(n ln(2/alpha) / 2), and the
    # alternative is missed with at most 1 - power once its mean is √(n ln(1/(1-power)) / 2)
    # beyond that. So this many, and any larger number, are enough.
    roots = math.sqrt(math.log(2 / alpha)) + math.sqrt(-math.log1p(-power))
    enough = (roots / (alternative - 0.5)) ** 2 / 2
    if enough > MOST_SAMPLES:
        raise ValueError(f"{_split(alternative)} is too close to even: up to {enough:.0f} samples")
    samples = np.arange(math.ceil(enough) + 1)
    too_few = np.flatnonzero(_power(samples, alternative, alpha) < power)
    return int(too_few[-1]) + 1


@dataclass(frozen=True)
class EvenClaim:
    """Two kinds of responses come in even shares: how many of each came.

    Responses of neither kind are an `AlwaysClaim`'s to judge. The claim must be able to
    notice the split ``alternative`` (the larger share) with this ``power``; ``alpha`` is
    its false-alarm rate. Raises ``ValueError`` for numbers that cannot be.
    """

    first: int
    second: int
    names: tuple[str, str] = ("A", "B")
    alternative: float = 0.6
    power: float = 0.999
    alpha: float = ALPHA

    def __post_init__(self) -> None:
        """Refuse numbers that cannot be."""
        _check_counts(self.first, self.second)
        _check_inside(power=self.power, alpha=self.alpha)
        _check_alternative(self.alternative)

    @property
    def observed(self) -> int:
        """How many responses of either kind came."""
        return self.first + self.second

    @property
    def region(self) -> tuple[int, int]:
        """The least and the most of either kind that an even split may show."""
        return even_region(self.observed, self.alpha)

    @property
    def inside(self) -> bool:
        """Whether the shares are within the region."""
        least, most = self.region
        return least <= self.first <= most

    @property
    def enough(self) -> bool:
        """Whether so many samples notice the alternative with the power."""
        return self.power_against(self.alternative) >= self.power

    @property
    def holds(self) -> bool:
        """Whether the shares are even, by enough samples to say so."""
        return self.inside and self.enough

    @property
    def p_value(self) -> float:
        """How often a truly even split strays at least as far from the middle."""
        return float(binomtest(self.first, self.observed).pvalue) if self.observed else 1.0

    def power_against(self, alternative: float) -> float:
        """Return how surely this split would have been noticed."""
        return even_power(self.observed, alternative, self.alpha)

    def __str__(self) -> str:
        """Return what was seen and how surely it says so, in a line."""
        least, most = self.region
        seen = f"{self.names[0]} {self.first}, {self.names[1]} {self.second} of {self.observed}"
        limits = f"{least}…{most} (even, false alarm ≤ {_scientific(self.alpha)})"
        if not self.inside:
            return (
                f"{seen}: outside {limits}; an even split strays as far "
                f"with a probability of {_scientific(self.p_value)}"
            )
        powers = ", ".join(
            f"{_split(share)} with {_rounded_down(self.power_against(share))}"
            for share in sorted({*ALTERNATIVES, self.alternative})
        ).replace(" with", " would have been noticed with", 1)
        if not self.enough:
            needed = samples_for_even(self.alternative, self.power, self.alpha)
            limits += f", too few to say: {_split(self.alternative)} takes {needed}"
        return f"{seen}: inside {limits}; {powers}"


def _least(samples: _Counts, alpha: float) -> _Counts:
    least = np.asarray(binom.ppf(alpha / 2, samples, 0.5), np.int64)
    # Where the tail up to it has exactly its half of alpha, it may be left out as well.
    return least + np.asarray(2 * binom.cdf(least, samples, 0.5) <= alpha, np.int64)


def _power(samples: _Counts, alternative: float, alpha: float) -> _Chances:
    least = _least(samples, alpha)
    below = np.asarray(binom.cdf(least - 1, samples, alternative), np.float64)
    return below + np.asarray(binom.sf(samples - least, samples, alternative), np.float64)


def _check_inside(**values: float) -> None:
    for name, value in values.items():
        if not 0 < value < 1:
            raise ValueError(f"{name} is {value:g}; it must be between 0 and 1, both excluded")


def _check_alternative(alternative: float) -> None:
    if not 0.5 < alternative <= 1:
        raise ValueError(
            f"alternative is {alternative:g}; it must be a larger share, above 0.5 and at most 1"
        )


def _check_counts(*counts: int) -> None:
    if min(counts) < 0:
        raise ValueError(f"a count cannot be {min(counts)}")


def _split(share: float) -> str:
    return f"{100 * share:g}/{100 * (1 - share):g}"


def _percent(stated: float) -> str:
    return f"{100 * stated:g} %"


def _rounded_down(chance: float) -> str:
    if chance > 0.9999:
        return "over 99.99 %"  # nothing sampled is certain
    return _percent(math.floor(10_000 * chance) / 10_000)


def _rounded_up(rate: float) -> str:
    return _percent(math.ceil(10_000 * rate) / 10_000)


def _scientific(chance: float) -> str:
    # Far below, floating point has only zero left, and nothing is that improbable.
    return f"{chance:.3g}".replace("e-0", "e-") if chance >= 1e-99 else "less than 1e-99"
