"""How many samples a claim needs, and what they show: each claim states its error.

“Always”: not one of n responses deviates. One that does is a real deviation, so there
are no false alarms; n follows from the leak rate that is to be noticed. “Evenly”: a
sequential test, which takes no more samples than it needs. Only this one can raise a false
alarm, and all of a full run share `FALSE_ALARM_TOTAL`. docs/sampling.md has the formulas
and the reasons.

Rates, shares, confidences and powers are numbers between 0 and 1. Percentages are shown
rounded so that no claim is called surer than it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from meshproof.analysis.sequential import Decision, SequentialTest, check_inside, even_test, split
from meshproof.analysis.weakening import Weakening
from meshproof.wording import NOTICED, SAMPLES_TAKEN

#: The most that the chance of a false alarm in a full run may be.
FALSE_ALARM_TOTAL = 1e-6
#: Random claims that a full run may make: U2 makes four (the ingress and three app pods),
#: B3 one; the rest is room, so that one more changes no acceptance region.
RANDOM_CLAIMS = 10
#: Uneven splits, by the larger share, for which every even claim tells its power.
ALTERNATIVES = (0.6, 0.9, 0.99)
#: The larger share of the split that an even claim must notice, and how surely.
EVEN_ALTERNATIVE = 0.6
EVEN_POWER = 0.999


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
    check_inside(leak=leak, confidence=confidence)
    exact = math.log1p(-confidence) / math.log1p(-leak)
    # 30 % and 51 % make 2, and in binary fractions 2.0000000000000004.
    return math.ceil(exact * (1 - 1e-12))


def leak_excluded(samples: int, confidence: float) -> float:
    """Return the smallest leak rate that so many responses, all as promised, exclude.

    1 for no samples: they exclude nothing. Raises ``ValueError`` for a negative
    count or a confidence that is not between 0 and 1.
    """
    check_inside(confidence=confidence)
    _check_counts(samples)
    return -math.expm1(math.log1p(-confidence) / samples) if samples else 1.0


def chance_to_notice(samples: int, leak: float) -> float:
    """Return how surely so many independent responses show a leak of this rate at least once.

    Raises ``ValueError`` for a negative count or a rate that is not between 0 and 1.
    """
    check_inside(leak=leak)
    _check_counts(samples)
    return -math.expm1(samples * math.log1p(-leak))


@dataclass(frozen=True)
class AlwaysClaim:
    """All responses are as promised: what was observed, and what it must be able to notice.

    ``leak`` is the rate of deviations that must be noticed with this ``confidence``;
    ``noun`` is what was sampled, in the plural; ``weakening`` says that a full run would have to
    notice more. Raises ``ValueError`` for numbers that cannot be.
    """

    observed: int
    deviations: int
    leak: float
    confidence: float
    noun: str = "responses"
    weakening: Weakening | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that cannot be."""
        check_inside(leak=self.leak, confidence=self.confidence)
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
        from scipy.stats import binomtest  # noqa: PLC0415 - 1.3 s, and few processes ask

        test = binomtest(self.deviations, self.observed, alternative="less")
        return float(test.proportion_ci(self.confidence, method="exact").high)

    def __str__(self) -> str:
        """Return what was seen and how surely it says so, in a line."""
        return _with(self._shown, self.weakening)

    @property
    def _shown(self) -> str:
        seen = f"{self.deviations} of {self.observed} {self.noun} deviated"
        if self.deviations:
            return (
                f"{seen} and none may; the leak is at most {_rounded_up(self.leak_at_most)} "
                f"with {percent(self.confidence)} confidence"
            )
        noticed = _rounded_down(chance_to_notice(self.observed, self.leak))
        leak = f"a leak of {percent(self.leak)}"
        if not self.holds:
            return (
                f"{seen}, too few to say: {leak} {NOTICED} {noticed} "
                f"confidence, by {self.needed} with {percent(self.confidence)}"
            )
        return f"{seen}; {leak} {NOTICED} {noticed} confidence"


@dataclass(frozen=True)
class EvenClaim:
    """Two kinds of responses come in even shares: the kind of each, in the order they came.

    Responses of neither kind are an `AlwaysClaim`'s to judge. The claim must be able to
    notice the split ``alternative`` (the larger share) with this ``power``; ``alpha`` is
    its false-alarm rate; ``weakening`` says that a full run would have to notice more. Raises
    ``ValueError`` for numbers that cannot be, for a response of neither kind, and where sampling
    went on after it was decided.
    """

    seen: Sequence[str]
    kinds: tuple[str, str] = ("A", "B")
    noun: str = ""
    alternative: float = EVEN_ALTERNATIVE
    power: float = EVEN_POWER
    alpha: float = ALPHA
    weakening: Weakening | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not set(self.seen) <= set(self.kinds):
            raise ValueError(f"not all of {set(self.seen)} is one of {self.kinds}")
        test, first = self.test, 0
        for number, kind in enumerate(self.seen):
            if number == test.most or test.decision(first, number - first):
                raise ValueError(f"{len(self.seen)} samples, though {number} had decided")
            first += kind == self.kinds[0]

    @property
    def test(self) -> SequentialTest:
        """The test that decides."""
        return even_test(self.alternative, self.power, self.alpha)

    @property
    def counts(self) -> tuple[int, int]:
        """How many responses of each kind came."""
        first = sum(kind == self.kinds[0] for kind in self.seen)
        return first, len(self.seen) - first

    @property
    def decision(self) -> Decision | None:
        """What the responses show; None for too few, and for the most that leave it open."""
        return self.test.decision(*self.counts)

    @property
    def holds(self) -> bool:
        """Whether they show even shares."""
        return self.decision == "even"

    def __str__(self) -> str:
        """Return what was seen and how surely it says so, in a line."""
        line = f"{self.noun} {self._seen}: {self._shown}; {even_figures(self.test)}".strip()
        return _with(line, self.weakening)

    @property
    def _seen(self) -> str:
        counted = (f"{kind} {count}" for kind, count in zip(self.kinds, self.counts, strict=True))
        return f"{', '.join(counted)} of {len(self.seen)}"

    @property
    def _shown(self) -> str:
        if self.decision:
            return f"{'not even' if self.decision == 'uneven' else 'even'}, decided by the last"
        if len(self.seen) == self.test.most:
            return "undecided by the most samples, which does not hold"
        return "undecided, too few to say"


def even_figures(test: SequentialTest) -> str:
    """Say in a line how surely a test tells an even split, and how many samples it takes."""
    even = test.course(0.5)
    powers = ", ".join(
        f"{split(share)} with {_rounded_down(test.course(share).noticed)}"
        for share in sorted({*ALTERNATIVES, test.alternative})
    )
    return (
        f"{SAMPLES_TAKEN} {math.ceil(even.expected)} samples on average, with 99.9 % at most "
        f"{even.quantile(0.999)}, and never more than {test.most}; it is not found even with "
        f"{_scientific(even.noticed)} (false alarm); noticed are {powers}"
    )


def _with(line: str, weakening: Weakening | None) -> str:
    return f"{line}; {weakening}" if weakening else line


def _check_counts(*counts: int) -> None:
    if min(counts) < 0:
        raise ValueError(f"a count cannot be {min(counts)}")


def percent(stated: float) -> str:
    """Write a rate, a share or a confidence, between 0 and 1, as a percentage."""
    return f"{100 * stated:g} %"


def _rounded_down(chance: float) -> str:
    if chance > 0.9999:
        return "over 99.99 %"  # nothing sampled is certain
    return percent(math.floor(10_000 * chance) / 10_000)


def _rounded_up(rate: float) -> str:
    return percent(math.ceil(10_000 * rate) / 10_000)


def _scientific(chance: float) -> str:
    # Four digits, the last rounded up.
    unit = Decimal(10) ** (Decimal(chance).adjusted() - 3)
    digits = Decimal(chance).quantize(unit, ROUND_CEILING)
    return f"{digits.normalize():e}".replace("e-0", "e-")
