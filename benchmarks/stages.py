"""Each stage of the tutorial beside bare `kubectl` commands that wait for the Deployments only."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from benchmarks.costs import Cost, measured
from benchmarks.figures import Figure
from meshproof.cluster.cluster import OWNED
from meshproof.environment.environment import Environment
from meshproof.progress import Progress
from meshproof.run.lanes import manifests_of, own_lane
from meshproof.suite.model import Stage
from meshproof.suite.registry import default_suite
from meshproof.suite.tutorial import Tutorial

OURS, BARE = "bench", "bench-bare"
WAIT = "kubectl wait --for=condition=Available deployment --all --timeout=120s --namespace {}"
BARE_IS = "its commands, and kubectl wait for the Deployments"


def measure_stages(environment: Environment, folder: Path, progress: Progress) -> Iterator[Figure]:
    """Follow the tutorial stage by stage, each beside its bare commands in another namespace.

    The two take turns at being first, since what runs second finds the machine warmer.
    """
    ours, bare = (place(environment, name, folder, progress) for name in (OURS, BARE))
    try:
        for number, stage in enumerate(ours.suite.stages):
            with progress.step(f"stage {stage.name}"):
                if number % 2:
                    alone = _bare(bare, stage)
                    followed = _followed(ours, stage)
                else:
                    followed = _followed(ours, stage)
                    alone = _bare(bare, stage)
            yield Figure(
                "stages", stage.name, "s", followed.seconds, alone.seconds, BARE_IS,
                busy=followed.busy, idle=followed.idle,
            )  # fmt: skip
    finally:
        bare.delete(wait=False)
        ours.delete()


def place(environment: Environment, name: str, folder: Path, progress: Progress) -> Tutorial:
    """Return the tutorial in an empty namespace of the benchmark's, with a host of its own."""
    lane, suite = own_lane(name), default_suite()
    found = Tutorial(
        environment.cluster,
        lane.namespace,
        suite,
        ingress=environment.loopback,
        host=lane.host,
        progress=progress,
        manifests=manifests_of(lane, suite.manifests, folder / name),
        pods_since=environment.pods_since,
    )
    found.delete()  # one that a killed benchmark left behind
    return found


def _followed(tutorial: Tutorial, stage: Stage) -> Cost:
    with measured() as cost:
        tutorial.follow_to(stage.name)
    return cost


def _bare(tutorial: Tutorial, stage: Stage) -> Cost:
    lines = stage.command_lines(tutorial.namespace)
    waits = any(" kubernetes/step-" in line and "identities" not in line for line in lines)
    with measured() as cost:
        for line in [*lines, *([WAIT.format(tutorial.namespace)] if waits else [])]:
            tutorial.cluster.command(*shlex.split(line), cwd=tutorial.manifests)
    if stage == tutorial.suite.stages[0]:
        # The harness deletes only what carries its label.
        tutorial.cluster.core.patch_namespace(tutorial.namespace, {"metadata": {"labels": OWNED}})
    return cost
