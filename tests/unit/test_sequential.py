from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from meshproof.analysis.sampling import ALPHA
from meshproof.analysis.sequential import SequentialTest, even_test, split
from tests.distributions import binomial_distribution

#: The test that the tutorial's claims are made by.
TUTORIAL = even_test(0.6, 0.999, ALPHA)

alternatives = st.floats(0.7, 0.95)
betas = st.floats(0.01, 0.4)
alphas = st.floats(0.01, 0.4)
shares = st.floats(0, 1)


def ratio(test: SequentialTest, first: int, second: int) -> float:
    """The logarithm of how much likelier these are where the first kind has the larger share."""
    larger, smaller = math.log(2 * test.alternative), math.log(2 - 2 * test.alternative)
    return first * larger + second * smaller


def brute_force(
    test: SequentialTest, share: Fraction
) -> tuple[list[Fraction], list[Fraction], Fraction]:
    """What becomes of every course of the test, by exact fractions and no table of differences."""
    even, uneven = [Fraction()] * (test.most + 1), [Fraction()] * (test.most + 1)
    still = {(0, 0): Fraction(1)}
    for samples in range(1, test.most + 1):
        came: dict[tuple[int, int], Fraction] = {}
        for (first, second), chance in still.items():
            for counts, part in (
                ((first + 1, second), share),
                ((first, second + 1), 1 - share),
            ):
                came[counts] = came.get(counts, Fraction()) + chance * part
        still = {}
        for (first, second), chance in came.items():
            both = ratio(test, first, second), ratio(test, second, first)
            mean = (math.exp(both[0]) + math.exp(both[1])) / 2
            if max(both) <= math.log(test.beta):
                even[samples] += chance
            elif mean >= 1 / test.alpha:
                uneven[samples] += chance
            else:
                still[first, second] = chance
    return even, uneven, sum(still.values(), Fraction())


def drawn(test: SequentialTest, share: float, draw: random.Random) -> tuple[str | None, int]:
    """A simulated run: its decision, and the number of samples that it took."""
    counts = [0, 0]
    for samples in range(1, test.most + 1):
        counts[draw.random() >= share] += 1
        decision = test.decision(*counts)
        if decision:
            return decision, samples
    return None, test.most


# The decisions


@given(alternatives, betas, alphas, st.data())
def test_it_is_decided_by_the_likelihood_ratios(
    alternative: float, beta: float, alpha: float, data: st.DataObject
) -> None:
    test = SequentialTest(alternative, beta, alpha)
    first = data.draw(st.integers(0, test.most))
    second = data.draw(st.integers(0, test.most - first))
    assume(first + second)
    one, other = ratio(test, first, second), ratio(test, second, first)
    mean = np.logaddexp(one, other) - math.log(2)
    even, uneven = max(one, other) - math.log(beta), -math.log(alpha) - mean
    assume(min(abs(even), abs(uneven)) > 1e-9)
    assert test.decision(first, second) == (
        "even" if even < 0 else "uneven" if uneven < 0 else None
    )


@given(alternatives, betas, alphas, st.integers(0, 60), st.integers(0, 60))
def test_which_kind_comes_first_makes_no_difference(
    alternative: float, beta: float, alpha: float, first: int, second: int
) -> None:
    test = SequentialTest(alternative, beta, alpha)
    assert test.decision(first, second) == test.decision(second, first)


@pytest.mark.parametrize(
    ("first", "second", "decision"),
    [
        (0, 0, None),
        (1, 0, None),
        # ½ · 1.2ⁿ is 1e7 at n = 92.2.
        (92, 0, None),
        (93, 0, "uneven"),
        (0, 93, "uneven"),
        # 0.96ⁿ is 0.001 at n = 169.2, for as many pairs.
        (169, 169, None),
        (170, 170, "even"),
        (174, 175, "even"),
        (173, 175, None),
    ],
)
def test_decisions_by_hand(first: int, second: int, decision: str | None) -> None:
    assert TUTORIAL.decision(first, second) == decision


def test_too_few_samples_decide_nothing() -> None:
    for samples in range(93):
        for first in range(samples + 1):
            assert TUTORIAL.decision(first, samples - first) is None


# What it errs, and what it takes, exactly


@settings(max_examples=25)
@given(alternatives, betas, alphas, st.fractions(0, 1, max_denominator=50))
def test_the_course_is_the_sum_over_all_courses(
    alternative: float, beta: float, alpha: float, share: Fraction
) -> None:
    test = SequentialTest(alternative, beta, alpha)
    assume(test.most <= 60)
    even, uneven, undecided = brute_force(test, share)
    course = test.course(float(share))
    assert course.even == pytest.approx([float(chance) for chance in even], abs=1e-12)
    assert course.uneven == pytest.approx([float(chance) for chance in uneven], abs=1e-12)
    assert course.undecided == pytest.approx(float(undecided), abs=1e-12)
    ended = [one + other for one, other in zip(even, uneven, strict=True)]
    ended[-1] += undecided
    expected = sum(number * chance for number, chance in enumerate(ended))
    assert course.expected == pytest.approx(float(expected))
    assert course.missed + course.noticed == pytest.approx(1)


@given(alternatives, betas, alphas)
def test_it_errs_no_more_often_than_it_may(alternative: float, beta: float, alpha: float) -> None:
    test = SequentialTest(alternative, beta, alpha)
    assert test.course(0.5).noticed <= alpha
    for share in (alternative, 1 - alternative):
        assert test.course(share).missed <= beta * (1 + 1e-9)


@given(alternatives, betas, alphas)
def test_its_most_is_the_least_that_will_do(alternative: float, beta: float, alpha: float) -> None:
    test = SequentialTest(alternative, beta, alpha)
    even = test.course(0.5)
    # With one sample less, whatever the last decided would be open still.
    assert even.noticed + even.even[-1] > alpha


@given(alternatives, betas, alphas, shares)
def test_either_kind_may_have_the_larger_share(
    alternative: float, beta: float, alpha: float, share: float
) -> None:
    test = SequentialTest(alternative, beta, alpha)
    one, other = test.course(share), test.course(1 - share)
    assert one.noticed == pytest.approx(other.noticed, abs=1e-9)
    assert one.expected == pytest.approx(other.expected)


@given(alternatives, betas, alphas, st.floats(0.5, 1), st.floats(0.5, 1))
def test_less_even_splits_are_noticed_more_surely(
    alternative: float, beta: float, alpha: float, share: float, more: float
) -> None:
    test = SequentialTest(alternative, beta, alpha)
    share, more = sorted((share, more))
    assert test.course(share).noticed <= test.course(more).noticed + 1e-9


@given(alternatives, betas, alphas, st.floats(0.01, 0.99))
def test_a_quantile_is_the_least_number_that_is_enough_so_often(
    alternative: float, beta: float, alpha: float, chance: float
) -> None:
    course = SequentialTest(alternative, beta, alpha).course(0.5)
    ended = course.even + course.uneven
    ended[-1] += course.undecided
    number = course.quantile(chance)
    assert ended[: number + 1].sum() >= chance * (1 - 1e-9)
    assert ended[:number].sum() < chance


def test_the_tutorials_test() -> None:
    even, uneven = TUTORIAL.course(0.5), TUTORIAL.course(0.6)
    assert TUTORIAL.most == 3587
    assert even.noticed == pytest.approx(9.9916e-8, rel=1e-4)
    assert even.noticed <= ALPHA
    assert even.undecided == pytest.approx(7.862e-9, rel=1e-3)
    assert even.expected == pytest.approx(489.16, abs=0.01)
    assert even.quantile(0.999) == 1481
    assert uneven.noticed == pytest.approx(0.999446, abs=1e-6)
    assert uneven.expected == pytest.approx(838.40, abs=0.01)
    assert TUTORIAL.course(0.9).missed == pytest.approx(2.0254e-77, rel=1e-4)
    assert TUTORIAL.course(0.99).missed < 1e-200


def test_one_kind_alone_is_noticed_as_soon_as_it_can_be() -> None:
    for share in (0, 1):
        course = TUTORIAL.course(share)
        assert (course.noticed, course.expected) == (1, 93)


# By simulation


@pytest.mark.parametrize("share", [0.5, 0.75, 0.65])
def test_simulated_runs_end_as_computed(share: float) -> None:
    test, draw, runs = even_test(0.75, 0.9, 0.05), random.Random(2025), 3000
    ended = [drawn(test, share, draw) for _ in range(runs)]
    course = test.course(share)
    found = Counter(decision for decision, _ in ended)["even"]
    # Within what all but one in a million simulations show.
    binom = binomial_distribution()
    low, high = binom.ppf(5e-7, runs, course.missed), binom.isf(5e-7, runs, course.missed)
    assert low <= found <= high
    mean = sum(samples for _, samples in ended) / runs
    assert mean == pytest.approx(course.expected, rel=0.1)


# Bad input


@pytest.mark.parametrize("value", [0, 1, -0.1, 1.1, math.nan, math.inf])
@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("power", lambda value: even_test(0.6, value, 0.1)),
        ("beta", lambda value: SequentialTest(0.6, value, 0.1)),
        ("alpha", lambda value: SequentialTest(0.6, 0.1, value)),
    ],
)
def test_rates_are_between_0_and_1(
    name: str, call: Callable[[float], object], value: float
) -> None:
    with pytest.raises(ValueError, match=rf"^{name} is .*; it must be between 0 and 1"):
        call(value)


@pytest.mark.parametrize("alternative", [0.5, 0.4, 0, -1, 1, 1.01, math.nan])
def test_an_alternative_is_a_larger_share(alternative: float) -> None:
    with pytest.raises(ValueError, match="it must be a larger share"):
        even_test(alternative, 0.999, 0.1)


def test_too_close_to_even_is_refused() -> None:
    with pytest.raises(ValueError, match=r"50\.1/49\.9 is too close to even: more than 20000"):
        _ = even_test(0.501, 0.999, 0.1).most


def test_a_split_is_written_by_both_shares() -> None:
    assert split(0.6) == "60/40"
