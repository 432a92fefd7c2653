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
from meshproof.paths import ROOT
from meshproof.progress import Progress
from meshproof.tutorial.stages import NAMES
from meshproof.tutorial.tutorial import Tutorial
from tests.live.suite_process import run_suite

#: Seconds; a breakage takes 10 to 40, by how much of the tutorial it has to follow.
RUN_TIMEOUT = 300.0


@pytest.fixture(scope="module", autouse=True)
def _last_one_mended(
    environment: Environment, options: Options, progress: Progress
) -> Iterator[None]:
    """Take the last breakage away at the end: the namespace goes back to where it begins."""
    yield
    Tutorial(
        environment.cluster,
        options.namespace,
        ingress=environment.loopback,
        progress=progress,
        booted=environment.booted,
    ).follow_to(NAMES[0])


@pytest.mark.parametrize("mutant", all_mutants(), ids=lambda mutant: mutant.name)
def test_a_breakage_turns_its_expectation_red(
    mutant: Mutant, environment: Environment, tmp_path: Path
) -> None:
    manifests = mutated_manifests(mutant, ROOT / "manifests", tmp_path / "manifests")
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
