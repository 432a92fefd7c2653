"""Sampling page views beside wrk, which asks the same page over as many connections."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from benchmarks.costs import measured
from benchmarks.figures import Figure
from benchmarks.stages import place
from meshproof.engine.machine import this_machine
from meshproof.engine.packages import install_packages
from meshproof.environment.environment import Environment
from meshproof.errors import EnvironmentBroken
from meshproof.process import run
from meshproof.progress import Progress
from steps.voting.views import AT_ONCE, sample_at_once, sample_views
from steps.voting.voting_app import VotingApp

#: Page views of a turn, and seconds of one of wrk's: about as long.
VIEWS, SECONDS = 700, 5
#: Turns of each.
TURNS = 5
#: What wrk prints: `Requests/sec:    303.11`, and of answers other than 2xx and 3xx a line more.
RATE = re.compile(r"^Requests/sec:\s+([\d.]+)", re.MULTILINE)
REFUSED = re.compile(r"^\s*Non-2xx or 3xx responses: (\d+)", re.MULTILINE)


def measure_sampling(
    environment: Environment, folder: Path, progress: Progress
) -> Iterator[Figure]:
    """Sample the page of stage “updated”, on one connection and on as many as samples take.

    Ours and wrk take turns. Raises ``EnvironmentBroken`` where the page is not served.
    """
    if not shutil.which("wrk"):
        install_packages(
            ("wrk",), why="The benchmark of sampling",
            machine=this_machine(), allowed=True, progress=progress,
        )  # fmt: skip
    tutorial = place(environment, "bench", folder, progress)
    try:
        tutorial.follow_to("updated")
        ingress = VotingApp.at(environment.loopback, host=tutorial.host)
        ways: tuple[tuple[int, Callable[[], object]], ...] = (
            (1, lambda: sample_views(ingress, VIEWS)),
            (AT_ONCE, lambda: sample_at_once(ingress, VIEWS)),
        )
        for connections, sample in ways:
            yield _figure(ingress, connections, sample, progress)
    finally:
        tutorial.delete()


def _figure(
    ingress: VotingApp, connections: int, sample: Callable[[], object], progress: Progress
) -> Figure:
    ours, bare, busy = [], [], []
    with progress.step(f"page views on {connections} connection(s), {TURNS} turns"):
        wrk(ingress, connections)  # the first requests wait for connections between proxies
        for _ in range(TURNS):
            with measured() as cost:
                sample()
            ours.append(VIEWS / cost.seconds)
            busy.append(cost.busy)
            bare.append(wrk(ingress, connections))
    return Figure(
        "sampling", f"page views on {connections} connection(s)", "1/s",
        median(ours), median(bare), "wrk", busy=median(busy), runs=TURNS,
    )  # fmt: skip


def wrk(ingress: VotingApp, connections: int) -> float:
    """Return how many pages a second wrk gets; ``EnvironmentBroken`` where one is refused."""
    done = run(
        ["wrk", f"-c{connections}", "-t1", f"-d{SECONDS}s", "-H", f"Host: {ingress.host}",
         ingress.url + "/"],
        timeout=60,
    )  # fmt: skip
    rate = RATE.search(done.stdout)
    if not rate or REFUSED.search(done.stdout):
        raise EnvironmentBroken("wrk was not served every page.", done.transcript())
    return float(rate[1])
