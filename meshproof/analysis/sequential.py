"""A sequential test of even shares: Wald's, two-sided, with a most that it ends at.

After each sample two likelihood ratios compare an uneven split, either way round, with the
even one. Both small: the shares are even. Their mean large: they are not. docs/sampling.md
has the formulas. How often the test errs and how many samples it takes is computed exactly,
step by step over every difference that the counts of the two kinds can have.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

#: More samples than any run can take.
MOST_SAMPLES = 20_000

Decision = Literal["even", "uneven"]
_Numbers = npt.NDArray[np.int64]
_Chances = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Course:
    """What becomes of the test where the first kind has a certain share.

    ``even[n]`` and ``uneven[n]`` are the chances that it is so decided by just n samples,
    ``undecided`` is that of reaching the most without a decision.
    """

    even: _Chances
    uneven: _Chances
    undecided: float

    @property
    def noticed(self) -> float:
        """How surely the test does not find the shares even: for even ones, a false alarm."""
        return float(self.uneven.sum()) + self.undecided

    @property
    def missed(self) -> float:
        """How often the test finds the shares even."""
        return float(self.even.sum())

    @property
    def expected(self) -> float:
        """How many samples it takes on average."""
        ended = self._ended
        return float(ended @ np.arange(len(ended)))

    def quantile(self, chance: float) -> int:
        """Return the number of samples that is enough with this chance, between 0 and 1."""
        return int(np.searchsorted(np.cumsum(self._ended), chance * (1 - 1e-12)))

    @property
    def _ended(self) -> _Chances:
        ended = self.even + self.uneven
        ended[-1] += self.undecided
        return ended


@dataclass(frozen=True)
class SequentialTest:
    """The test that tells an even split from ``alternative``, the larger share of another.

    It finds that one even with a chance of at most ``beta``, and does not find the even one
    even, by the most samples at the latest, with one of at most ``alpha``. Raises ``ValueError``
    for numbers that cannot be, and where it could take more than `MOST_SAMPLES`.
    """

    alternative: float
    beta: float
    alpha: float

    def __post_init__(self) -> None:
        """Refuse numbers that cannot be."""
        check_inside(beta=self.beta, alpha=self.alpha)
        if not 0.5 < self.alternative < 1:
            raise ValueError(
                f"alternative is {self.alternative:g}; it must be a larger share, "
                "above 0.5 and below 1"
            )

    @cached_property
    def accept_from(self) -> tuple[int, ...]:
        """By the difference between the counts: how many samples show an even split with it.

        With a difference that is not in it no number does.
        """
        return tuple(self._accept[self._accept <= self.most].tolist())

    @cached_property
    def reject_until(self) -> tuple[int, ...]:
        """By the difference between the counts: up to how many samples it shows an uneven split.

        A difference that is not in it shows one whatever their number.
        """
        return tuple(self._reject[self._reject < self.most].tolist())

    @cached_property
    def most(self) -> int:
        """The number of samples that it ends at.

        The least by which an even split is found even but for a chance of ``alpha``.
        """
        return len(self._fair) - 1

    @cached_property
    def _fair(self) -> tuple[tuple[float, float, float], ...]:
        """The steps of an even split, up to the most. Raises ``ValueError`` where it has none."""
        steps, noticed = [], 0.0
        for step in self._steps(0.5):
            steps.append(step)
            _, uneven, undecided = step
            noticed += uneven
            if noticed + undecided <= self.alpha:
                return tuple(steps)
        raise ValueError(
            f"{split(self.alternative)} is too close to even: more than {MOST_SAMPLES} samples"
        )

    def decision(self, first: int, second: int) -> Decision | None:
        """Return what so many of either kind show; None while they leave it open."""
        samples, difference = first + second, abs(first - second)
        if difference < len(self.accept_from) and samples >= self.accept_from[difference]:
            return "even"
        if difference >= len(self.reject_until) or samples <= self.reject_until[difference]:
            return "uneven"
        return None

    def course(self, share: float) -> Course:
        """Return what becomes of it where the first kind has this share, 0 to 1."""
        return _course(self, share)

    @cached_property
    def _accept(self) -> _Numbers:
        """From how many samples on both ratios are at most beta, by the difference."""
        exact = (self._differences * self._odds - 2 * math.log(self.beta)) / self._loss
        return np.asarray(np.ceil(exact), np.int64)

    @cached_property
    def _reject(self) -> _Numbers:
        """Up to how many samples the ratios' mean is at least 1/alpha, by the difference."""
        half = self._differences * self._odds / 2
        mean = np.logaddexp(half, -half) - math.log(2)
        exact = 2 * (mean + math.log(self.alpha)) / self._loss
        return np.asarray(np.maximum(np.floor(exact), -1), np.int64)

    @cached_property
    def _odds(self) -> float:
        return math.log(self.alternative / (1 - self.alternative))

    @cached_property
    def _loss(self) -> float:
        return -math.log(4 * self.alternative * (1 - self.alternative))

    @property
    def _differences(self) -> _Numbers:
        return np.arange(MOST_SAMPLES + 1)

    def _steps(self, share: float) -> Iterator[tuple[float, float, float]]:
        """The chances, by the number of samples: found even or uneven there, or still open."""
        even_below, open_below = (bounds.tolist() for bounds in self._bounds)
        sample = np.array([1 - share, share])
        # open_[i] is the chance of least + i of the first kind, and no decision yet.
        open_, least = np.ones(1), 0
        yield 0.0, 0.0, 1.0
        for samples in range(1, MOST_SAMPLES + 1):
            came = np.convolve(open_, sample)
            even = _nearer(even_below[samples], samples, least, len(came))
            kept = _nearer(open_below[samples], samples, least, len(came))
            chances = (
                float(came[even].sum()),
                float(came[: kept.start].sum() + came[kept.stop :].sum()),
            )
            if kept.start == kept.stop:
                yield *chances, 0.0
                return
            came[even] = 0
            open_ = came[kept]
            least += kept.start
            yield *chances, float(open_.sum())

    @cached_property
    def _bounds(self) -> tuple[_Numbers, _Numbers]:
        """By the number of samples: below which difference it is even, and below which not uneven.

        Where both ratios are small and their mean is large, it is even.
        """
        samples = self._differences
        even_below = np.searchsorted(self._accept, samples, "right")
        return even_below, np.maximum(even_below, np.searchsorted(self._reject, samples, "left"))


def _nearer(difference: int, samples: int, least: int, length: int) -> slice:
    """Where, among so many numbers of the first kind from ``least``, counts differ by less."""
    start = min(max((samples - difference) // 2 + 1 - least, 0), length)
    stop = min(max((samples + difference + 1) // 2 - least, start), length)
    return slice(start, stop)


@lru_cache(maxsize=64)
def _course(test: SequentialTest, share: float) -> Course:
    even, uneven = np.zeros(test.most + 1), np.zeros(test.most + 1)
    undecided = 0.0
    steps = test._fair if share == 0.5 else test._steps(share)
    for number, step in zip(range(test.most + 1), steps, strict=False):
        even[number], uneven[number], undecided = step
    return Course(even, uneven, undecided)


@lru_cache(maxsize=64)
def even_test(alternative: float, power: float, alpha: float) -> SequentialTest:
    """Return the test that notices this alternative with this power. Raises as it does."""
    check_inside(power=power)
    return SequentialTest(alternative, 1 - power, alpha)


def check_inside(**values: float) -> None:
    """Refuse, by a ``ValueError``, a value that is not between 0 and 1, both excluded."""
    for name, value in values.items():
        if not 0 < value < 1:
            raise ValueError(f"{name} is {value:g}; it must be between 0 and 1, both excluded")


def split(share: float) -> str:
    """Write a split by its larger share: 60/40 for 0.6."""
    return f"{100 * share:g}/{100 * (1 - share):g}"
