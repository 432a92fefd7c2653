"""F3's claim: how many requests of each kind of user it rests on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from meshproof.analysis.sampling import samples_to_exclude
from meshproof.analysis.strength import FULL, Demands
from meshproof.signoff.evidence import Evidence
from steps.voting import idle_counts as idle

NEEDED = samples_to_exclude(0.01, 0.999)
ANSWER = SimpleNamespace(status=200)


def look(monkeypatch: pytest.MonkeyPatch, folder: Path, answered: Callable[[int], int]) -> Evidence:
    """Look at old workloads that count nothing, while users get so many answers."""

    def at_once(
        ingress: object, count: int, users: Mapping[str, object], ask: object
    ) -> dict[str, list[tuple[float, Any]]]:
        # The last kind of user gets what is said, the others all that they ask for.
        *others, last = users
        return {
            **{user: [(0.0, ANSWER)] * count for user in others},
            last: [(0.0, ANSWER)] * answered(count),
        }

    monkeypatch.setattr(idle, "ask_at_once", at_once)
    monkeypatch.setattr(idle, "reached", lambda *_: dict.fromkeys(idle.OLD, 0))
    evidence = Evidence(folder)
    demands: Any = Demands(FULL, evidence.weaken)
    nobody: Any = None
    demand = demands.always(0.01, 0.999)
    evidence.require(idle.counts_stand_still(nobody, nobody, nobody, demand))
    return evidence


def test_as_many_of_each_kind_of_user_as_notice_the_leak_are_enough(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (result,) = look(monkeypatch, tmp_path, lambda count: count).results
    assert f"{NEEDED} requests" in result
    assert f"0 of {NEEDED} requests to the app deviated" in result


@pytest.mark.parametrize("missing", [1, NEEDED // 2, NEEDED])
def test_fewer_of_one_kind_of_user_are_too_few(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, missing: int
) -> None:
    with pytest.raises(AssertionError, match="too few to say"):
        look(monkeypatch, tmp_path, lambda count: count - missing)
