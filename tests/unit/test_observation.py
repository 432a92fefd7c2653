from __future__ import annotations

from pathlib import Path

import pytest

from meshproof.analysis.observation import Observation, unless
from meshproof.signoff.evidence import Evidence


def test_what_is_as_promised_has_no_problem() -> None:
    assert not Observation(results=["5 of 5."], problems=unless([1], "nothing was seen")).problem


def test_the_first_problem_is_what_a_failure_says() -> None:
    problems = [*unless(True, "never"), *unless(0, "first"), *unless("", "second")]
    assert Observation(problems=problems).problem == "first"


def test_all_of_an_observation_is_told_in_its_place(tmp_path: Path) -> None:
    evidence = Evidence(tmp_path)
    seen = Observation(["5 of 5."], ["Before: 0 of 5."], ["a detail"], {"all": "5\n"}, ["wrong"])
    assert evidence.tell(seen) is seen
    assert (evidence.results, evidence.baselines) == (["5 of 5."], ["Before: 0 of 5."])
    assert evidence.observations == ["Before: 0 of 5.", "5 of 5.", "a detail"]
    assert [file.read_text() for file in evidence.files] == ["5\n"]


def test_a_problem_is_told_before_it_fails(tmp_path: Path) -> None:
    evidence = Evidence(tmp_path)
    with pytest.raises(AssertionError, match="wrong"):
        evidence.require(Observation(details=["a detail"], problems=["wrong"]))
    assert evidence.observations == ["a detail"]
