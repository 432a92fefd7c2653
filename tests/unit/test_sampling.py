from __future__ import annotations

import io
import math
import random
import re
from collections.abc import Callable
from contextlib import redirect_stdout
from fractions import Fraction
from functools import partial

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from meshproof.analysis.sampling import (
    ALPHA,
    FALSE_ALARM_TOTAL,
    RANDOM_CLAIMS,
    AlwaysClaim,
    Budget,
    EvenClaim,
    chance_to_notice,
    claim_alpha,
    even_figures,
    leak_excluded,
    samples_to_exclude,
)
from meshproof.analysis.sequential import even_test
from meshproof.paths import PROJECT
from tests.distributions import binomial_distribution

DOCUMENT = PROJECT / "docs" / "sampling.md"
#: What floating point may differ from exact sums, relatively.
ROUNDING = Fraction(1, 10**9)

chances = st.floats(0.0001, 0.9999)


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
    binom = binomial_distribution()
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


FIGURES = (
    "an even split takes 490 samples on average, with 99.9 % at most 1481, and never more than "
    "3587; it is not found even with 9.992e-8 (false alarm); noticed are 60/40 with 99.94 %, "
    "90/10 with over 99.99 %, 99/1 with over 99.99 %"
)


def undecided_to_the_end() -> list[str]:
    """A sequence that keeps away from every decision up to the most samples."""
    test, seen, first = even_test(0.6, 0.999, ALPHA), [], 0
    for number in range(test.most):
        even_next = test.decision(first + 1, number - first) is None
        ahead = first - (number - first) < 92 + (number - 93) // 10
        seen.append("A" if even_next and ahead else "B")
        first += seen[-1] == "A"
    return seen


@pytest.mark.parametrize(
    ("seen", "decision"),
    [
        (["A", "B"] * 170, "even"),
        (["A", "B"] * 169, None),
        (["A"] * 92, None),
        (["A"] * 93, "uneven"),
        (["B"] * 93, "uneven"),
        ([], None),
    ],
)
def test_evenly_holds_where_it_is_so_decided(seen: list[str], decision: str | None) -> None:
    claim = EvenClaim(seen)
    assert (claim.decision, claim.holds) == (decision, decision == "even")


def test_the_most_samples_without_a_decision_do_not_hold() -> None:
    claim = EvenClaim(undecided_to_the_end())
    assert (len(claim.seen), claim.decision, claim.holds) == (3587, None, False)
    assert "of 3587: undecided by the most samples, which does not hold; " in str(claim)
    with pytest.raises(ValueError, match="3588 samples, though 3587 had decided"):
        EvenClaim([*claim.seen, "A"])


@given(st.lists(st.sampled_from("AB"), max_size=60))
def test_a_claim_is_decided_by_its_last_sample_or_not_at_all(seen: list[str]) -> None:
    test = even_test(0.9, 0.99, 0.01)
    claim_of = partial(EvenClaim, alternative=0.9, power=0.99, alpha=0.01)
    decisions = [
        test.decision(seen[:number].count("A"), seen[:number].count("B"))
        for number in range(len(seen) + 1)
    ]
    ended = next((n for n, one in enumerate(decisions) if one or n == test.most), len(seen))
    claim = claim_of(seen[:ended])
    assert claim.decision == decisions[ended]
    assert claim.counts == (seen[:ended].count("A"), seen[:ended].count("B"))
    if ended < len(seen):
        with pytest.raises(ValueError, match=f"{len(seen)} samples, though {ended} had decided"):
            claim_of(seen)


def test_a_response_of_neither_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="is one of"):
        EvenClaim(["A", "C"])


@pytest.mark.parametrize(
    ("claim", "line"),
    [
        (
            EvenClaim(["1.0", "1.1"] * 170, ("1.0", "1.1"), "analytics"),
            f"analytics 1.0 170, 1.1 170 of 340: even, decided by the last; {FIGURES}",
        ),
        (
            EvenClaim(["A", "B"] * 100),
            f"A 100, B 100 of 200: undecided, too few to say; {FIGURES}",
        ),
        (EvenClaim(["B"] * 93), f"A 0, B 93 of 93: not even, decided by the last; {FIGURES}"),
        (
            EvenClaim([], alternative=0.7, alpha=1e-6),
            "A 0, B 0 of 0: undecided, too few to say; "
            + even_figures(even_test(0.7, 0.999, 1e-6)),
        ),
    ],
)
def test_an_even_claim_says_how_sure_it_is(claim: EvenClaim, line: str) -> None:
    assert str(claim) == line


def test_an_alternative_of_its_own_is_told_beside_the_others() -> None:
    assert "60/40 with" in (line := even_figures(even_test(0.7, 0.999, 1e-6)))
    assert "70/30 with 99." in line


# By simulation


def plausible(hits: int, runs: int, chance: float) -> bool:
    """Whether so many hits are within what all but one in a million simulations show."""
    binom = binomial_distribution()
    return bool(binom.ppf(5e-7, runs, chance) <= hits <= binom.isf(5e-7, runs, chance))


def test_simulated_leaks_are_noticed_as_often_as_computed() -> None:
    draw, leak, confidence, runs = random.Random(2025), 0.05, 0.9, 4000
    samples = samples_to_exclude(leak, confidence)
    noticed = sum(any(draw.random() < leak for _ in range(samples)) for _ in range(runs))
    assert plausible(noticed, runs, chance_to_notice(samples, leak))


def test_the_best_of_ten_tries_hides_a_wrong_split() -> None:
    # The gateway-api suite asks for 70/30, ±5 points, of 500 requests, and tries ten times.
    binom = binomial_distribution()
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
        ("power", lambda value: EvenClaim([], power=value)),
        ("alpha", lambda value: EvenClaim([], alpha=value)),
    ],
)
def test_rates_are_between_0_and_1(
    name: str, call: Callable[[float], object], value: float
) -> None:
    with pytest.raises(ValueError, match=rf"^{name} is .*; it must be between 0 and 1"):
        call(value)


@pytest.mark.parametrize(
    "call",
    [
        lambda: leak_excluded(-1, 0.999),
        lambda: chance_to_notice(-1, 0.01),
        lambda: AlwaysClaim(-1, -1, 0.01, 0.999),
        lambda: AlwaysClaim(700, -1, 0.01, 0.999),
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
