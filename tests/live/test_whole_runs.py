"""A handful of runs as whole processes, from the arguments to the exit code and the reports.

One for each way to end on a mesh; the others need none (test_exit_codes.py).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from meshproof.environment import Environment
from meshproof.errors import ExitCode
from meshproof.lanes import Lane
from meshproof.mutants import MUTANTS, mutated_manifests, read_mutant
from meshproof.paths import ROOT
from meshproof.process import run
from meshproof.tutorial.tutorial import MANIFESTS

#: Seconds; a run of one scenario takes some 15.
RUN_TIMEOUT = 300.0


@dataclass(frozen=True)
class Ended:
    """A run that has ended: its exit code, what it printed, and its sign-off."""

    code: int
    printed: str
    signoff: dict[str, Any]


Accept = Callable[..., Ended]


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    return tmp_path / "reports"


@pytest.fixture
def accept(environment: Environment, lane: Lane, reports: Path) -> Accept:
    """Run the suite in a namespace of its own; the way in is left to the lanes."""
    del environment  # it is there, and is not brought up once more

    def accept(*arguments: str) -> Ended:
        own = [f"--namespace={lane.namespace}-whole", f"--reports={reports}", "--no-allure-report"]
        done = run(
            [
                sys.executable,
                "acceptance.py",
                "features",
                "-p",
                "no:cacheprovider",
                *own,
                *arguments,
            ],
            check=False,
            cwd=ROOT,
            timeout=RUN_TIMEOUT,
        )
        signoff = json.loads((reports / "signoff.json").read_text())
        return Ended(done.exit_code, done.transcript(), signoff)

    return accept


def test_what_was_proved_is_accepted(accept: Accept) -> None:
    ended = accept("-m", "D2")
    assert ended.code == ExitCode.ACCEPTED, ended.printed
    assert ended.signoff["verdict"] == "accepted", ended.printed


def test_a_broken_promise_is_rejected_and_what_the_cluster_says_is_kept(
    accept: Accept, reports: Path, tmp_path: Path
) -> None:
    breakage = read_mutant(MUTANTS / "d3-two-app-pods.yaml")
    manifests = mutated_manifests(breakage, MANIFESTS, tmp_path / "manifests")
    ended = accept("-m", "D3", f"--manifests={manifests}")
    assert ended.code == ExitCode.REJECTED, ended.printed
    row = next(row for row in ended.signoff["expectations"] if row["id"] == "D3")
    assert row["verdict"] == "rejected", ended.printed
    (failed,) = (s for s in row["scenarios"] if s["outcome"] == "failed")
    assert breakage.explains(failed["message"]), failed["message"]
    caught = [e["path"] for e in failed["evidence"] if "-failure-" in e["path"]]
    assert caught and all((reports / file).is_file() for file in caught), failed
