"""What a run in several lanes says beforehand of what the kernel of this machine gives."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from meshproof.engine.machine import Machine
from meshproof.plugin import lanes
from meshproof.plugin.bring_up import BRING_UP
from meshproof.progress import Progress


class Config:
    """Of a run in four lanes, each of which a worker has taken, as when tests are collected."""

    def __init__(self) -> None:
        self.stash = {BRING_UP: SimpleNamespace(begin=lambda: None)}

    def getoption(self, name: str) -> int:
        assert name == "numprocesses"
        return 4


@pytest.mark.parametrize(
    ("own", "limit", "told"), [(True, 177, True), (True, 178, False), (False, 177, False)]
)
def test_too_little_inotify_for_all_lanes_is_told_before_anything_is_brought_up(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, own: bool, limit: int, told: bool
) -> None:
    said: list[str] = []
    here = replace(machine, inotify_instances=limit, inotify_held=0)
    monkeypatch.setattr(lanes, "this_machine", lambda: here)
    monkeypatch.setattr(lanes, "options_of", lambda _: None)
    monkeypatch.setattr(lanes, "is_own", lambda _: own)
    monkeypatch.setattr(lanes, "progress_of", lambda _: Progress(said.append))
    monkeypatch.setattr(lanes, "work_of", lambda *_: SimpleNamespace(needs_environment=True))
    run = lanes.Lanes(cast("pytest.Config", Config()))
    run.free.clear()
    session: Any = SimpleNamespace(perform_collect=lambda: None, items=[object()])
    run.pytest_collection(session)
    assert [("178" in line and "4 lanes" in line) for line in said] == [True] * told
