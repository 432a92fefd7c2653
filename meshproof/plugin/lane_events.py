"""Tells which test and which step a lane runs, and what is waited for."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from pytest_bdd.parser import Step

from meshproof.run.lane_progress import Kind, LaneProgress
from meshproof.waiting import told_to

#: The lane that this process runs.
LANE = pytest.StashKey[LaneProgress]()


def tell_lane(config: pytest.Config, folder: Path) -> None:
    """Have this process tell what it does in a file in ``folder``, until pytest ends."""
    worker: dict[str, Any] = getattr(config, "workerinput", {})
    lane = LaneProgress(folder, str(worker.get("workerid", "main")))
    config.stash[LANE] = lane
    config.add_cleanup(lane.close)
    config.pluginmanager.register(LaneEvents(lane), "meshproof-lane-events")


class LaneEvents:
    """Tells a lane's file which scenario and which step run, and what is waited for."""

    def __init__(self, lane: LaneProgress) -> None:
        """Tell it to ``lane``."""
        self.lane = lane
        self._numbers: dict[str, int] = {}
        self._step: tuple[int, str] | None = None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """Tell of every wait, as long as tests run."""

        def wait(what: str) -> AbstractContextManager[None]:
            return self.lane.during(Kind.WAIT, what)

        with told_to(wait):
            return (yield)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Tell that a scenario, or another test, begins."""
        self._numbers[nodeid] = self.lane.begin(Kind.SCENARIO, nodeid)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Tell that it ended."""
        self.lane.end(Kind.SCENARIO, self._numbers.pop(nodeid, 0), nodeid)

    def pytest_bdd_before_step(self, step: Step) -> None:
        """Tell that a step begins, with its fixtures."""
        text = f"{step.keyword} {step.name}"
        self._step = self.lane.begin(Kind.STEP, text), text

    def pytest_bdd_after_step(self) -> None:
        """Tell that it ended."""
        self._end_step(failed=False)

    def pytest_bdd_step_error(self) -> None:
        """Tell that it failed."""
        self._end_step(failed=True)

    def _end_step(self, *, failed: bool) -> None:
        if self._step:
            number, text = self._step
            self.lane.end(Kind.STEP, number, text, failed=failed)
            self._step = None
