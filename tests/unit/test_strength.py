"""How strong samples are: just as asked, or with --quick weaker, and never silently."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshproof.analysis.sampling import ALPHA, Budget, samples_to_exclude
from meshproof.analysis.strength import FULL, QUICK, RAREST, AlwaysDemand, Demands, Strength, often
from meshproof.analysis.weakening import Weakening
from meshproof.paths import PROJECT
from meshproof.signoff.evidence import Evidence
from meshproof.steps.catalogue import VOCABULARY
from steps.voting.samples import demand_each

chances = st.floats(0.001, 0.999)
strengths = st.builds(Strength, chances, chances)
#: Functions that say how much is sampled. What a step samples is for demands to say.
COUNTS = re.compile(r"\b(samples_to_exclude|even_test|SequentialTest|AlwaysClaim|EvenClaim)\(")


# Always.


@given(leak=chances, confidence=chances)
def test_a_full_run_samples_what_is_asked(leak: float, confidence: float) -> None:
    assert FULL.always(leak, confidence) == AlwaysDemand(leak, confidence)


def test_a_full_run_tells_even_shares_as_it_is_asked_to() -> None:
    demand = FULL.even(0.8, 0.001, power=0.999)
    assert (demand.alternative, demand.power, demand.alpha) == (0.8, 0.999, 0.001)
    assert demand.weakening is None


@given(strength=strengths, leak=chances, confidence=chances)
def test_a_weaker_sample_is_never_longer_and_always_says_so(
    strength: Strength, leak: float, confidence: float
) -> None:
    demand = strength.always(leak, confidence)
    assert demand.samples <= samples_to_exclude(leak, confidence)
    assert demand.leak >= leak
    assert demand.confidence <= confidence
    as_asked = (demand.leak, demand.confidence) == (leak, confidence)
    assert (demand.weakening is None) is as_asked


@given(strength=strengths, leak=chances, confidence=chances)
def test_nothing_is_weakened_further_than_the_bounds(
    strength: Strength, leak: float, confidence: float
) -> None:
    demand = strength.always(leak, confidence)
    assert demand.leak in (leak, strength.leak)
    assert demand.confidence in (confidence, strength.confidence)


def test_a_quick_run_takes_99_samples_instead_of_688_and_says_what_they_overlook() -> None:
    demand = QUICK.always(0.01, 0.999)
    assert (demand.leak, demand.confidence, demand.samples) == (0.03, 0.95, 99)
    assert round(0.99**99, 2) == 0.37
    assert demand.weakening == Weakening(
        asked="a leak of 1 % to be noticed with 99.9 % confidence (688 samples)",
        taken="a leak of 3 % to be noticed with 95 % confidence (99 samples)",
        misses="If 1 % of all answers were wrong, 37 of 100 quick runs would not show it, "
        "and 1 of 1000 full ones.",
    )


@pytest.mark.parametrize(
    ("observed", "deviations", "holds"), [(99, 0, True), (98, 0, False), (99, 1, False)]
)
def test_its_claim_is_judged_like_any_other(observed: int, deviations: int, holds: bool) -> None:
    assert QUICK.always(0.01, 0.999).claim(observed, deviations, "pages").holds is holds


@pytest.mark.parametrize("deviations", [0, 2])
def test_its_claim_says_what_was_taken_and_what_a_full_run_asks_for(deviations: int) -> None:
    line = str(QUICK.always(0.01, 0.999).claim(99, deviations, "pages"))
    assert line.startswith(f"{deviations} of 99 pages deviated")
    assert line.endswith(
        "; weakened by --quick, a full run asks for a leak of 1 % to be noticed with 99.9 % "
        "confidence (688 samples)"
    )
    assert "--quick" not in str(FULL.always(0.01, 0.999).claim(688, deviations, "pages"))


# Evenly.


def test_a_quick_run_tells_65_35_from_even_and_says_what_that_overlooks() -> None:
    demand = QUICK.even(0.6, ALPHA)
    assert (demand.alternative, demand.power) == (0.65, 0.99)
    assert demand.weakening == Weakening(
        asked="an even split to be told from 60/40 with a power of 99.9 %",
        taken="an even split to be told from 65/35 with a power of 99 % (about 153 samples)",
        misses="If the shares were 60/40, 21 of 100 quick runs would not show it, "
        "and 1 of 1000 full ones.",
    )


def test_its_false_alarms_are_as_rare_as_a_full_runs() -> None:
    demand = QUICK.even(0.6, ALPHA)
    assert demand.alpha == ALPHA
    assert demand.test.course(0.5).noticed <= ALPHA


def test_one_pod_too_many_is_still_noticed() -> None:
    assert QUICK.even(0.6, ALPHA).test.course(2 / 3).noticed > 0.998


def test_an_even_claim_is_judged_by_the_test_that_ended_its_sample() -> None:
    demand = QUICK.even(0.6, 0.001)
    seen: list[str] = []
    while not demand.test.decision(seen.count("A"), seen.count("B")):
        seen.append("AB"[len(seen) % 2])
    claim = demand.claim(seen, ("A", "B"), "analytics")
    assert claim.holds
    assert claim.test == demand.test
    assert str(claim).endswith(
        "; weakened by --quick, a full run asks for an even split to be told from 60/40 with a "
        "power of 99.9 %"
    )


def test_what_asks_for_less_is_not_weakened() -> None:
    assert QUICK.always(0.1, 0.9).weakening is None
    assert QUICK.even(0.9, 0.001, power=0.9).weakening is None


# What is told.


def test_each_kind_that_is_weakened_is_told_of_once_in_the_evidence(tmp_path: Path) -> None:
    evidence = Evidence(tmp_path)
    demands = Demands(QUICK, evidence.weaken)
    always, even = demands.always(0.01, 0.999).weakening, demands.even(0.9, 0.001).weakening
    demands.always(0.01, 0.999)
    assert always and even
    assert evidence.weakened == [always, even]


def test_a_full_run_has_nothing_to_tell(tmp_path: Path) -> None:
    evidence = Evidence(tmp_path)
    demands = Demands(FULL, evidence.weaken)
    assert demands.always(0.01, 0.999).samples == 688
    assert demands.even(0.9, 0.001).alternative == 0.9
    assert evidence.weakened == []


def test_a_pod_of_another_name_is_no_other_claim(tmp_path: Path) -> None:
    demands, budget = Demands(FULL, Evidence(tmp_path).weaken), Budget()
    demand_each("app pod", ["app-x1", "app-x2"], demands, budget, 0.9)
    assert budget.drawn == [f"even shares, from app pod {place} of 2" for place in (1, 2)]
    with pytest.raises(ValueError, match="a claim has one try in a run"):
        demand_each("app pod", ["app-y1", "app-y2"], demands, budget, 0.9)


def test_no_step_says_by_itself_how_much_is_sampled() -> None:
    for step in [*VOCABULARY.rglob("*.py"), *(PROJECT / "steps").rglob("*.py")]:
        assert not COUNTS.search(step.read_text()), step.name


# Chances in words.


@pytest.mark.parametrize(
    ("chance", "words"),
    [
        (1.0, "100 of 100"),
        (0.3697, "37 of 100"),
        (0.01, "1 of 100"),
        (0.0099, "1 of 100"),
        (1 - 0.999, "1 of 1000"),
        (0.0005537, "1 of 1000"),
        (0.0, "1 of 1000000"),
    ],
)
def test_a_chance_is_so_many_of_a_hundred_or_more(chance: float, words: str) -> None:
    assert often(chance) == words


@given(st.floats(0, 1))
def test_nothing_is_called_rarer_than_it_is(chance: float) -> None:
    hits, of = map(int, often(chance).split(" of "))
    assert Fraction(hits, of) >= Fraction(chance) * (1 - Fraction(1, 10**9))
    assert 1 <= hits <= of
    if chance > RAREST:
        assert Fraction(hits - 1, of) < Fraction(chance)
