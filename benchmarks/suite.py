"""The whole suite and breakages, as their own processes, and each scenario's cost."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lxml import etree

from benchmarks.costs import Cost, measured
from benchmarks.figures import Figure
from benchmarks.scenario_costs import BUSY, SECONDS
from meshproof.errors import EnvironmentBroken
from meshproof.paths import PROJECT
from meshproof.process import Completed, run
from meshproof.progress import Progress

#: Seconds that a whole run may take.
TIMEOUT = 3600.0
#: One breakage of each kind: of routes, of policies, of labels, of pods, of what is left behind.
BREAKAGES = ("u5-wrong-label", "t1-permissive", "c3-order-swapped", "d4-no-sidecar", "f2-old-route")


@dataclass(frozen=True)
class Test:
    """A test of a JUnit report: its name as pytest's id ends, its cost, whether it passed."""

    name: str
    cost: Cost
    passed: bool


def read_tests(junit: bytes) -> Iterator[Test]:
    """Read the tests of a JUnit report that have a cost."""
    for case in etree.fromstring(junit).iter("testcase"):
        told = {str(each.get("name")): str(each.get("value")) for each in case.iter("property")}
        if SECONDS in told and BUSY in told:
            cost = Cost(float(told[SECONDS]), float(told[BUSY]))
            passed = not any(case.find(tag) is not None for tag in ("failure", "error", "skipped"))
            yield Test(f"{case.get('name')}", cost, passed)


def measure_suite(reports: Path, progress: Progress, *, cluster: str) -> Iterator[Figure]:
    """Run the suite in two lanes, and in one, which also tells what each scenario costs.

    Raises ``EnvironmentBroken`` where the verdict is not accepted: nothing is known of a suite
    that ends early.
    """
    for part, lanes in (("suite in two lanes", "-n2"), ("suite", "-n0")):
        with progress.step(f"the suite, {part}"), measured() as cost:
            folder = reports / part.replace(" ", "-")
            _accepted(_acceptance(["features", lanes], folder, cluster=cluster))
        yield Figure(
            "suite", part, "s", cost.seconds, busy=cost.busy, idle=cost.idle,
        )  # fmt: skip
    for test in read_tests((folder / "junit.xml").read_bytes()):
        yield _of(test, "scenarios")


def measure_breakages(reports: Path, progress: Progress, *, cluster: str) -> Iterator[Figure]:
    """Run one breakage of each kind in one process, with the scenarios' green baseline."""
    files = [f"manifests/voting/breakages/{name}.yaml" for name in BREAKAGES]
    with progress.step(f"{len(files)} breakages"):
        folder = reports / "breakages"
        done = _acceptance([*files, f"--junit-xml={folder / 'junit.xml'}"], folder, cluster=cluster)
    if not done.ok:
        raise EnvironmentBroken("Not every breakage ended as it must.", done.transcript())
    for test in read_tests((folder / "junit.xml").read_bytes()):
        yield _of(test, "breakages")


def _of(test: Test, part: str) -> Figure:
    cost = test.cost
    return Figure(part, test.name, "s", cost.seconds, busy=cost.busy, idle=cost.idle)


def _acceptance(arguments: Sequence[str], reports: Path, *, cluster: str) -> Completed:
    reports.mkdir(parents=True, exist_ok=True)
    return run(
        [sys.executable, "-m", "meshproof", "run", *arguments, "-p", "benchmarks.scenario_costs",
         "--reports", reports, "--cluster-name", cluster, "--keep", "--no-allure-report"],
        timeout=TIMEOUT, check=False, cwd=PROJECT,
    )  # fmt: skip


def _accepted(done: Completed) -> None:
    if not done.ok:
        said = re.findall(r"^Verdict: (\S+)", done.stdout, re.MULTILINE)
        raise EnvironmentBroken(
            f"The suite was not accepted (verdict: {said[-1] if said else 'none'}).",
            done.transcript()[-4000:],
        )
