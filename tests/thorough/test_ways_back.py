"""Ways back beside the one of ``tests/live/test_stages.py``."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshproof.environment.environment import Environment
from meshproof.progress import Progress
from meshproof.run.lanes import Lane
from tests.ways_back import go_back, tutorial_of

WAYS = [("cleaned-up", "lock-down"), ("lock-down", "exposed")]


@pytest.mark.parametrize(("origin", "target"), WAYS, ids=lambda name: name)
def test_going_back_loses_no_request(
    environment: Environment,
    lane: Lane,
    progress: Progress,
    tmp_path: Path,
    origin: str,
    target: str,
) -> None:
    go_back(tutorial_of(lane, environment, tmp_path, progress), origin, target)
