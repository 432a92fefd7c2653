"""Every deliberate breakage turns its expectation red, for its own reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshproof.environment import Environment
from meshproof.errors import ExitCode
from meshproof.mutants import Mutant, all_mutants, broken, mutated_manifests
from meshproof.options import Options
from meshproof.progress import Progress
from meshproof.tutorial.stages import (
    NAMES,
    STAGES,
    applied_files,
    objects_of_stages,
    within_reach,
)
from meshproof.tutorial.tutorial import MANIFESTS, Tutorial
from tests.live.suite_process import run_suite

#: Seconds; a breakage takes 10 to 40, by how much of the tutorial it has to follow.
RUN_TIMEOUT = 300.0


def turn_of(mutant: Mutant) -> tuple[bool, int]:
    """What breakages are ordered by, so that the namespace goes back over few stages in between.

    The first stage that is changed: it goes back to the one before. A1 comes last, as it has a
    namespace of its own, and the way in for it.
    """
    changed = (
        index
        for index, stage in enumerate(STAGES)
        for command in stage.commands
        if set(applied_files(command)) & mutant.files.keys()
    )
    return mutant.expectation == "A1", min(changed, default=0)


MUTANTS = sorted(all_mutants(), key=turn_of)


def tutorial(
    environment: Environment, options: Options, progress: Progress, manifests: Path
) -> Tutorial:
    return Tutorial(
        environment.cluster,
        options.namespace,
        ingress=environment.loopback,
        progress=progress,
        manifests=manifests,
        booted=environment.booted,
    )


@pytest.fixture(scope="module", autouse=True)
def _last_one_mended(
    environment: Environment, options: Options, progress: Progress
) -> Iterator[None]:
    """Take the last breakage away at the end: the namespace goes back to where it begins."""
    yield
    tutorial(environment, options, progress, MANIFESTS).follow_to(NAMES[0])


@pytest.fixture
def manifests(
    mutant: Mutant, environment: Environment, options: Options, progress: Progress, tmp_path: Path
) -> Iterator[Path]:
    """The manifests with a breakage; what their clean-up deleted is put back at the end.

    The next ones would not know that it was deleted, and start over.
    """
    manifests = mutated_manifests(mutant, MANIFESTS, tmp_path / "manifests")
    yield manifests
    left = tutorial(environment, options, progress, manifests)
    wanted = objects_of_stages(options.namespace, manifests)
    before, last = (wanted[name] for name in NAMES[-2:])
    if left.stage() == NAMES[-1] and within_reach(before, last, deleted=True):
        left.follow_to(NAMES[-2])


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_breakage_turns_its_expectation_red(
    mutant: Mutant, environment: Environment, manifests: Path, tmp_path: Path
) -> None:
    reports = tmp_path / "reports"
    selection = [
        "-m",
        mutant.expectation,
        "-k",
        mutant.scenario,
        "-p",
        "no:cacheprovider",
        f"--manifests={manifests}",
        f"--reports={reports}",
        "--no-allure-report",
    ]
    output = tmp_path / "output.txt"
    with broken(environment.cluster, mutant):
        code = run_suite(["features", *selection], output, RUN_TIMEOUT)
    printed = output.read_text()
    signoff = json.loads((reports / "signoff.json").read_text())
    rows = {row["id"]: row for row in signoff["expectations"]}
    row = rows[mutant.expectation]
    failed = [s for s in row["scenarios"] if s["outcome"] == "failed"]
    messages = [s["message"] for s in failed]
    assert code == ExitCode.REJECTED, printed
    assert row["verdict"] == "rejected", printed
    assert any(map(mutant.explains, messages)), f"none says “{mutant.because}”: {messages}"
    evidence = [piece["path"] for s in failed for piece in s["evidence"]]
    caught = [file for file in evidence if "-failure-" in file]
    assert caught and all((reports / file).is_file() for file in caught), failed
