"""Whole runs of all suites, one after another on one cluster: each accepted, and nothing stays.

What each took, and what the cluster held after it, is a table: ``soak.md`` in `reports/soak/`,
beside each run's own folder.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from getpass import getuser
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from benchmarks.costs import Cost, measured, processors
from meshproof.cluster.kind import KindCluster
from meshproof.errors import EnvironmentBroken
from meshproof.paths import PROJECT
from meshproof.process import run_logged
from meshproof.progress import Progress
from tests.clusters.by_hand import RUN_TIMEOUT, kind_cluster, signoff_of
from tests.soak.growth import PROGRAMS, Held, held
from tests.whole_runs import MESHPROOF, run_of

#: The cluster is made for the soak, and has its name.
CLUSTER = "soak"
WHERE = f"--cluster-name={CLUSTER}"
REPORTS = PROJECT / "reports" / "soak"
#: Seconds until a cluster is there, also where everything must be built first.
UP_TIMEOUT = 3600.0


@dataclass
class Soak:
    """The cluster, what it held before the first run, and the rows of the table."""

    cluster: KindCluster
    progress: Progress
    before: Held
    rows: list[str] = field(default_factory=list)

    def note(self, number: int, verdict: str, cost: Cost, after: Held) -> None:
        """Add a run to the table, which is written anew each time: a soak may be cut short."""
        memory = [f"{after.memory[name]} MiB" for name in PROGRAMS]
        busy = f"{cost.busy / (cost.seconds * processors()):.0%}"
        cells = [f"{number}", verdict, f"{cost.seconds:.0f} s", busy, *memory, f"{after.disk} MiB"]
        self.rows.append(f"| {' | '.join(cells)} |")
        heads = ["run", "verdict", "took", "processors", *PROGRAMS, "node's disk"]
        table = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}", *self.rows]
        (REPORTS / "soak.md").write_text("\n".join(table) + "\n")


@pytest.fixture(scope="module")
def soak(progress: Progress) -> Iterator[Soak]:
    """A cluster that is made for the soak, and deleted after it."""
    shutil.rmtree(REPORTS, ignore_errors=True)
    REPORTS.mkdir(parents=True)
    log = REPORTS / "cluster.log"

    def call(command: str) -> None:
        run_logged([sys.executable, *MESHPROOF, command, WHERE], log=log, timeout=UP_TIMEOUT)

    try:
        with progress.step(f"cluster {CLUSTER}, logged in {log}"):
            call("down")  # what a soak has left that was killed
            call("up")
        cluster = kind_cluster(CLUSTER, progress)
        yield Soak(cluster, progress, held(cluster))
    finally:
        call("down")


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for temporary files, with a path as short as that of the usual one."""
    with TemporaryDirectory(prefix="soak-") as folder:
        yield Path(folder)


def test_a_run_is_accepted_and_leaves_what_was_there(
    soak: Soak, number: int, temporary: Path
) -> None:
    reports = REPORTS / f"{number}"
    command = [sys.executable, *run_of("features", reports, WHERE, "--keep")]
    log, variables = reports.with_suffix(".log"), {"TMPDIR": str(temporary)}
    failed = ""
    with soak.progress.step(f"run {number}, logged in {log}"), measured() as cost:
        try:
            run_logged(command, log=log, timeout=RUN_TIMEOUT, cwd=PROJECT, env=variables)
        except EnvironmentBroken as error:
            failed = f"{error}\n{error.details}"
    signoff = signoff_of(reports) if (reports / "signoff.json").exists() else {}
    verdict, after = signoff.get("verdict", "none"), held(soak.cluster)
    soak.note(number, verdict, cost, after)
    assert not failed, failed
    outcomes = {one["outcome"] for row in signoff["expectations"] for one in row["scenarios"]}
    assert (verdict, outcomes) == ("accepted", {"passed"})
    assert after.objects == soak.before.objects
    assert after.volumes == soak.before.volumes
    # Where pytest keeps the folders of the last runs.
    assert [one.name for one in temporary.iterdir() if one.name != f"pytest-of-{getuser()}"] == []
