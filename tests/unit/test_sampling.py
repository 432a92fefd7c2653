from __future__ import annotations

import io
import math
import random
import re
from collections.abc import Callable
from contextlib import redirect_stdout
from fractions import Fraction
from functools import cache

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import binom

from meshproof.paths import ROOT
from meshproof.sampling import (
    ALPHA,
    FALSE_ALARM_TOTAL,
    MOST_SAMPLES,
    RANDOM_CLAIMS,
    AlwaysClaim,
    Budget,
    EvenClaim,
    chance_to_notice,
    claim_alpha,
    even_power,
    even_region,
    leak_excluded,
    samples_for_even,
    samples_to_exclude,
)

DOCUMENT = ROOT / "docs" / "sampling.md"
HALF = Fraction(1, 2)
#: What floating point may differ from exact sums, relatively.
ROUNDING = Fraction(1, 10**9)

chances = st.floats(0.0001, 0.9999)
alphas = st.floats(1e-9, 0.5)
small = st.integers(0, 60)


@cache
def weights(samples: int, share: Fraction) -> tuple[Fraction, ...]:
    """The exact probability of each number of responses of the first kind."""
    return tuple(
        math.comb(samples, k) * share**k * (1 - share) ** (samples - k) for k in range(samples + 1)
    )


def outside(samples: int, least: int, most: int, share: Fraction = HALF) -> Fraction:
    chance = weights(samples, share)
    return sum((chance[k] for k in range(samples + 1) if not least <= k <= most), Fraction())


# Always


@pytest.mark.parametrize(
    ("leak", "confidence", "samples"),
    [
        (0.01, 0.999, 688),
        (0.01, 0.99, 459),
        (0.001, 0.999, 6905),
        (0.1, 0.999, 66),
        # By hand: 1 - 0.5² = 0.75, and so on.
        (0.5, 0.75, 2),
        (0.5, 0.7501, 3),
        (0.9, 0.99, 2),
        (0.9, 0.999, 3),
        # Whole numbers, and a hair more when computed in binary fractions.
        (0.3, 0.51, 2),
        (0.2, 0.67232, 5),
        (0.9, 0.9999, 4),
        (0.2, 0.488, 3),
        (0.99, 0.5, 1),
    ],
)
def test_samples_to_exclude_a_leak(leak: float, confidence: float, samples: int) -> None:
    assert samples_to_exclude(leak, confidence) == samples


@given(leak=chances, confidence=chances)
def test_it_is_the_least_number_that_does(leak: float, confidence: float) -> None:
    samples = samples_to_exclude(leak, confidence)
    missed, allowed = 1 - Fraction(leak), 1 - Fraction(confidence)
    assume(samples < 1000)  # exact powers of more take long
    assert missed**samples <= allowed * (1 + ROUNDING)
    assert missed ** (samples - 1) > allowed * (1 - ROUNDING)


@given(leak=chances, more=chances, confidence=chances, surer=chances)
def test_smaller_leaks_and_more_confidence_take_more_samples(
    leak: float, more: float, confidence: float, surer: float
) -> None:
    leak, more = sorted((leak, more))
    confidence, surer = sorted((confidence, surer))
    assert samples_to_exclude(leak, confidence) >= samples_to_exclude(more, confidence)
    assert samples_to_exclude(leak, confidence) <= samples_to_exclude(leak, surer)


@given(leak=chances, confidence=chances)
def test_what_samples_exclude_is_the_inverse(leak: float, confidence: float) -> None:
    samples = samples_to_exclude(leak, confidence)
    assert leak_excluded(samples, confidence) <= leak * (1 + 1e-9)
    assert leak_excluded(samples - 1, confidence) >= leak * (1 - 1e-9)


@given(samples=st.integers(1, 10_000), confidence=chances)
def test_the_leak_excluded_is_noticed_with_that_confidence(samples: int, confidence: float) -> None:
    leak = leak_excluded(samples, confidence)
    assume(leak < 1)
    assert chance_to_notice(samples, leak) == pytest.approx(confidence)


def test_no_samples_exclude_and_notice_nothing() -> None:
    assert leak_excluded(0, 0.999) == 1
    assert chance_to_notice(0, 0.5) == 0


def test_the_chance_to_notice_by_hand() -> None:
    assert chance_to_notice(1, 0.25) == pytest.approx(0.25)
    assert chance_to_notice(2, 0.5) == pytest.approx(0.75)
    assert 1 - chance_to_notice(5, 0.1) == pytest.approx(0.59049)  # the tutorial's five requests


@given(observed=st.integers(1, 200), data=st.data(), confidence=st.floats(0.5, 0.9999))
def test_the_upper_bound_is_the_leak_that_rarely_shows_so_few(
    observed: int, data: st.DataObject, confidence: float
) -> None:
    deviations = data.draw(st.integers(0, observed - 1))
    claim = AlwaysClaim(observed, deviations, 0.01, confidence)
    bound = claim.leak_at_most
    assert deviations / observed < bound
    assert binom.cdf(deviations, observed, bound) == pytest.approx(1 - confidence, rel=1e-6)


@pytest.mark.parametrize("observed", [1, 50, 700])
def test_without_a_deviation_the_upper_bound_is_the_leak_excluded(observed: int) -> None:
    claim = AlwaysClaim(observed, 0, 0.01, 0.999)
    assert claim.leak_at_most == pytest.approx(leak_excluded(observed, 0.999))


def test_the_upper_bound_at_its_ends() -> None:
    assert AlwaysClaim(0, 0, 0.01, 0.999).leak_at_most == 1
    assert AlwaysClaim(7, 7, 0.01, 0.999).leak_at_most == 1


@pytest.mark.parametrize(
    ("observed", "deviations", "holds"),
    [(688, 0, True), (10_000, 0, True), (687, 0, False), (0, 0, False), (10_000, 1, False)],
)
def test_always_holds_without_a_deviation_in_enough_responses(
    observed: int, deviations: int, holds: bool
) -> None:
    assert AlwaysClaim(observed, deviations, 0.01, 0.999).holds is holds


@pytest.mark.parametrize(
    ("observed", "deviations", "line"),
    [
        (
            700,
            0,
            "0 of 700 pages deviated; "
            "a leak of 1 % would have been noticed with 99.91 % confidence",
        ),
        (
            688,
            0,
            "0 of 688 pages deviated; a leak of 1 % would have been noticed with 99.9 % confidence",
        ),
        (
            5000,
            0,
            "0 of 5000 pages deviated; "
            "a leak of 1 % would have been noticed with over 99.99 % confidence",
        ),
        (
            5,
            0,
            "0 of 5 pages deviated, too few to say: a leak of 1 % would have been noticed "
            "with 4.9 % confidence, by 688 with 99.9 %",
        ),
        (
            0,
            0,
            "0 of 0 pages deviated, too few to say: a leak of 1 % would have been noticed "
            "with 0 % confidence, by 688 with 99.9 %",
        ),
        (
            700,
            3,
            "3 of 700 pages deviated and none may; the leak is at most 1.86 % "
            "with 99.9 % confidence",
        ),
    ],
)
def test_an_always_claim_says_how_sure_it_is(observed: int, deviations: int, line: str) -> None:
    assert str(AlwaysClaim(observed, deviations, 0.01, 0.999, "pages")) == line


# Evenly


@given(samples=small, alpha=alphas)
def test_the_region_is_the_shortest_with_this_error(samples: int, alpha: float) -> None:
    least, most = even_region(samples, alpha)
    assert least + most == samples
    assert 0 <= least <= most
    assert outside(samples, least, most) <= Fraction(alpha) * (1 + ROUNDING)
    # One less on either side, and it errs too often.
    assert outside(samples, least + 1, most - 1) > Fraction(alpha) * (1 - ROUNDING)


@pytest.mark.parametrize(
    ("samples", "alpha", "region"),
    [
        (0, 0.5, (0, 0)),
        (1, 0.5, (0, 1)),
        # The two ends of four are 2/16, with their neighbours 10/16.
        (4, 0.125, (1, 3)),
        (4, 0.1249, (0, 4)),
        (4, 0.625, (2, 2)),
        # 2 * 0.5²⁵ is 6e-8, 2 * 0.5²⁴ is 1.2e-7.
        (24, 1e-7, (0, 24)),
        (25, 1e-7, (1, 24)),
        (700, 1e-7, (280, 420)),
        (1763, 1e-7, (770, 993)),
    ],
)
def test_regions_by_hand(samples: int, alpha: float, region: tuple[int, int]) -> None:
    assert even_region(samples, alpha) == region


def test_the_region_of_a_real_sample_errs_as_rarely_as_it_says() -> None:
    for samples in (700, 1763):
        least, most = even_region(samples)
        tail = Fraction(sum(math.comb(samples, k) for k in range(least)), 2**samples)
        next_tail = tail + Fraction(math.comb(samples, least), 2**samples)
        assert 2 * tail <= ALPHA < 2 * next_tail
        assert samples - most == least


@given(samples=st.integers(0, 3000), alpha=alphas, stricter=alphas)
def test_the_region_grows_with_samples_and_with_strictness(
    samples: int, alpha: float, stricter: float
) -> None:
    stricter, alpha = sorted((stricter, alpha))
    least, most = even_region(samples, alpha)
    assert even_region(samples, stricter)[0] <= least
    assert even_region(samples + 1, alpha) in ((least, most + 1), (least + 1, most))


@given(samples=small, alternative=st.floats(0.501, 1), alpha=alphas)
def test_the_power_is_what_lies_outside_of_the_region(
    samples: int, alternative: float, alpha: float
) -> None:
    exact = outside(samples, *even_region(samples, alpha), Fraction(alternative))
    assert even_power(samples, alternative, alpha) == pytest.approx(float(exact), abs=1e-12)


@given(samples=st.integers(0, 500), share=st.floats(0.501, 1), more=st.floats(0.501, 1))
def test_less_even_splits_are_noticed_more_surely(samples: int, share: float, more: float) -> None:
    share, more = sorted((share, more))
    assert even_power(samples, share) <= even_power(samples, more) + 1e-12


def test_one_kind_alone_is_noticed_as_soon_as_it_can_be() -> None:
    assert even_power(24, 1) == 0
    assert even_power(25, 1) == 1
    assert samples_for_even(1) == 25


@pytest.mark.parametrize("alternative", [0.7, 0.8, 0.9, 0.99, 1])
@pytest.mark.parametrize("power", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("alpha", [0.05, 1e-3])
def test_samples_for_even_suffice_and_so_do_all_larger_numbers(
    alternative: float, power: float, alpha: float
) -> None:
    samples = samples_for_even(alternative, power, alpha)
    assert even_power(samples - 1, alternative, alpha) < power
    for larger in range(samples, samples + 200):
        assert even_power(larger, alternative, alpha) >= power


def test_samples_for_even_by_exact_sums() -> None:
    nine_tenths = Fraction(9, 10)

    def powerful(samples: int) -> bool:
        regions = (
            (least, samples - least)
            for least in range(samples // 2, -1, -1)
            if outside(samples, least, samples - least) <= Fraction(1, 1000)
        )
        return outside(samples, *next(regions), nine_tenths) >= Fraction(99, 100)

    wanted = samples_for_even(0.9, 0.99, 0.001)
    assert wanted < 60
    assert not powerful(wanted - 1)
    assert all(powerful(samples) for samples in range(wanted, 100))


def test_samples_that_the_tutorials_claims_take() -> None:
    assert samples_for_even() == samples_for_even(0.6, 0.999, 1e-7) == 1763
    assert samples_for_even(0.9) == 85
    assert samples_for_even(0.99) == 38


def test_too_close_to_even_is_refused_and_not_computed() -> None:
    with pytest.raises(ValueError, match=r"50\.01/49\.99 is too close to even: up to \d+ samples"):
        samples_for_even(0.5001)
    assert samples_for_even(0.52) < MOST_SAMPLES


@given(first=st.integers(0, 300), second=st.integers(0, 300), alpha=alphas)
def test_inside_is_what_the_binomial_test_does_not_reject(
    first: int, second: int, alpha: float
) -> None:
    claim = EvenClaim(first, second, alpha=alpha)
    assume(not math.isclose(claim.p_value, alpha))
    assert claim.inside == (claim.p_value > alpha)


@given(first=st.integers(0, 300), second=st.integers(0, 300))
def test_which_kind_comes_first_makes_no_difference(first: int, second: int) -> None:
    one, other = EvenClaim(first, second), EvenClaim(second, first)
    assert (one.holds, one.inside, one.p_value) == (other.holds, other.inside, other.p_value)


@pytest.mark.parametrize(
    ("first", "second", "inside", "holds"),
    [
        (881, 882, True, True),
        (770, 993, True, True),
        (769, 994, False, False),
        (994, 769, False, False),
        (1763, 0, False, False),
        (350, 350, True, False),  # too few for 60/40
        (0, 0, True, False),
        (1, 0, True, False),
    ],
)
def test_evenly_holds_inside_of_the_region_by_enough_samples(
    first: int, second: int, inside: bool, holds: bool
) -> None:
    claim = EvenClaim(first, second)
    assert (claim.inside, claim.holds) == (inside, holds)


def test_an_even_claim_may_be_made_by_fewer_samples_for_less() -> None:
    assert EvenClaim(42, 43, alternative=0.9).holds
    assert not EvenClaim(42, 42, alternative=0.9).holds


@pytest.mark.parametrize(
    ("claim", "line"),
    [
        (
            EvenClaim(880, 883),
            "A 880, B 883 of 1763: inside 770…993 (even, false alarm ≤ 1e-7); 60/40 would have "
            "been noticed with 99.9 %, 90/10 with over 99.99 %, 99/1 with over 99.99 %",
        ),
        (
            EvenClaim(352, 348, names=("1.0", "1.1")),
            "1.0 352, 1.1 348 of 700: inside 280…420 (even, false alarm ≤ 1e-7), too few to say: "
            "60/40 takes 1763; 60/40 would have been noticed with 48.56 %, "
            "90/10 with over 99.99 %, 99/1 with over 99.99 %",
        ),
        (
            EvenClaim(240, 260, alternative=0.7, alpha=1e-6),
            "A 240, B 260 of 500: inside 196…304 (even, false alarm ≤ 1e-6); 60/40 would have "
            "been noticed with 34.15 %, 70/30 with over 99.99 %, 90/10 with over 99.99 %, "
            "99/1 with over 99.99 %",
        ),
        (
            EvenClaim(0, 0, alternative=0.99),
            "A 0, B 0 of 0: inside 0…0 (even, false alarm ≤ 1e-7), too few to say: 99/1 takes 38; "
            "60/40 would have been noticed with 0 %, 90/10 with 0 %, 99/1 with 0 %",
        ),
        (
            EvenClaim(30, 0),
            "A 30, B 0 of 30: outside 2…28 (even, false alarm ≤ 1e-7); "
            "an even split strays as far with a probability of 1.86e-9",
        ),
        (
            EvenClaim(0, 1763),
            "A 0, B 1763 of 1763: outside 770…993 (even, false alarm ≤ 1e-7); "
            "an even split strays as far with a probability of less than 1e-99",
        ),
    ],
)
def test_an_even_claim_says_how_sure_it_is(claim: EvenClaim, line: str) -> None:
    assert str(claim) == line


# By simulation


def share_outside(share: float, samples: int, alpha: float, runs: int) -> int:
    """How many simulated runs leave the region; the seed is fixed, so always the same."""
    draw = random.Random(2025)
    least, most = even_region(samples, alpha)
    inside = range(least, most + 1)
    counts = (sum(draw.random() < share for _ in range(samples)) for _ in range(runs))
    return sum(count not in inside for count in counts)


def plausible(hits: int, runs: int, chance: float) -> bool:
    """Whether so many hits are within what all but one in a million simulations show."""
    return bool(binom.ppf(5e-7, runs, chance) <= hits <= binom.isf(5e-7, runs, chance))


@pytest.mark.parametrize("share", [0.5, 0.6, 0.7])
def test_simulated_runs_raise_an_alarm_as_often_as_computed(share: float) -> None:
    samples, alpha, runs = 100, 0.05, 4000
    alarms = share_outside(share, samples, alpha, runs)
    least, most = even_region(samples, alpha)
    exact = float(outside(samples, least, most, Fraction(share)))
    assert plausible(alarms, runs, exact)


def test_simulated_leaks_are_noticed_as_often_as_computed() -> None:
    draw, leak, confidence, runs = random.Random(2025), 0.05, 0.9, 4000
    samples = samples_to_exclude(leak, confidence)
    noticed = sum(any(draw.random() < leak for _ in range(samples)) for _ in range(runs))
    assert plausible(noticed, runs, chance_to_notice(samples, leak))


def test_the_best_of_ten_tries_hides_a_wrong_split() -> None:
    # The gateway-api suite asks for 70/30, ±5 points, of 500 requests, and tries ten times.
    once = float(binom.cdf(375, 500, 0.64) - binom.cdf(324, 500, 0.64))
    assert 1 - (1 - once) ** 10 == pytest.approx(0.984, abs=0.0005)


# The budget


@pytest.mark.parametrize("claims", [1, 3, RANDOM_CLAIMS, 1000])
def test_all_claims_together_stay_within_the_total(claims: int) -> None:
    budget = Budget(claims)
    total = sum(budget.draw(f"claim {number}") for number in range(claims))
    assert total == pytest.approx(FALSE_ALARM_TOTAL)
    with pytest.raises(ValueError, match=f"one random claim more than the {claims} declared"):
        budget.draw("another")


def test_a_claim_has_one_try() -> None:
    budget = Budget()
    assert budget.draw("even shares through the ingress") == ALPHA
    with pytest.raises(ValueError, match="a claim has one try in a run"):
        budget.draw("even shares through the ingress")
    assert budget.drawn == ["even shares through the ingress"]


def test_the_total_is_one_in_a_million() -> None:
    assert FALSE_ALARM_TOTAL == 1e-6
    assert claim_alpha(RANDOM_CLAIMS) == ALPHA == pytest.approx(1e-7)


# Bad input


@pytest.mark.parametrize("value", [0, 1, -0.1, 1.1, math.nan, math.inf])
@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("leak", lambda value: samples_to_exclude(value, 0.999)),
        ("confidence", lambda value: samples_to_exclude(0.01, value)),
        ("confidence", lambda value: leak_excluded(700, value)),
        ("leak", lambda value: chance_to_notice(700, value)),
        ("leak", lambda value: AlwaysClaim(700, 0, value, 0.999)),
        ("confidence", lambda value: AlwaysClaim(700, 0, 0.01, value)),
        ("alpha", lambda value: even_region(700, value)),
        ("alpha", lambda value: even_power(700, 0.6, value)),
        ("alpha", lambda value: samples_for_even(0.6, 0.999, value)),
        ("power", lambda value: samples_for_even(0.6, value)),
        ("power", lambda value: EvenClaim(1, 1, power=value)),
        ("alpha", lambda value: EvenClaim(1, 1, alpha=value)),
    ],
)
def test_rates_are_between_0_and_1(
    name: str, call: Callable[[float], object], value: float
) -> None:
    with pytest.raises(ValueError, match=rf"^{name} is .*; it must be between 0 and 1"):
        call(value)


@pytest.mark.parametrize("alternative", [0.5, 0.4, 0, -1, 1.01, math.nan])
@pytest.mark.parametrize(
    "call",
    [
        lambda alternative: even_power(700, alternative),
        samples_for_even,
        lambda alternative: EvenClaim(1, 1, alternative=alternative),
    ],
)
def test_an_alternative_is_a_larger_share(
    call: Callable[[float], object], alternative: float
) -> None:
    with pytest.raises(ValueError, match="it must be a larger share"):
        call(alternative)


@pytest.mark.parametrize(
    "call",
    [
        lambda: leak_excluded(-1, 0.999),
        lambda: chance_to_notice(-1, 0.01),
        lambda: AlwaysClaim(-1, -1, 0.01, 0.999),
        lambda: AlwaysClaim(700, -1, 0.01, 0.999),
        lambda: even_region(-1),
        lambda: even_power(-1, 0.6),
        lambda: EvenClaim(-1, 1),
        lambda: EvenClaim(1, -1),
    ],
)
def test_counts_are_not_negative(call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="a count cannot be -1"):
        call()


def test_no_more_deviations_than_responses() -> None:
    with pytest.raises(ValueError, match="8 deviations in 7 pages"):
        AlwaysClaim(7, 8, 0.01, 0.999, "pages")


@pytest.mark.parametrize("claims", [0, -1])
def test_a_budget_is_for_at_least_one_claim(claims: int) -> None:
    for make in (claim_alpha, Budget):
        with pytest.raises(ValueError, match="at least one claim"):
            make(claims)


# The document


def test_the_documents_tables_are_what_its_commands_print() -> None:
    text = DOCUMENT.read_text()
    programs = re.findall(
        r"```sh\npython - <<'EOF'\n(.*?)^EOF\n```\n\n((?:\|[^\n]*\n)+)", text, re.S | re.M
    )
    assert len(programs) == text.count("<<'EOF'") > 0
    for program, table in programs:
        printed = io.StringIO()
        with redirect_stdout(printed):
            exec(program, {})  # noqa: S102
        assert printed.getvalue() == table
