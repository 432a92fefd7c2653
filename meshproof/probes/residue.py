"""What is left of the tutorial once its namespaces are deleted, held against what was before."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from meshproof.analysis.observation import Observation
from meshproof.probes.inventory import Inventory, left_behind
from meshproof.probes.volumes import volumes
from meshproof.suite.tutorial import Tutorial
from meshproof.waiting import VOLUMES_GONE, converge
from meshproof.wording import listed

#: The first stage with a claim for a volume.
WITH_VOLUME = "canary"


def listed_before(before: Inventory, left_out: Sequence[str]) -> Observation:
    """Say what there was, and what is not compared."""
    return Observation(
        baselines=[f"{before.scope}, before: {before}."],
        details=[f"not compared: {listed(left_out, most=len(left_out))}"],
        texts={"the cluster before": before.table()},
    )


def volumes_with(tutorial: Tutorial) -> dict[str, str]:
    """Follow the tutorial to a claim, and return where the volumes of its claims are."""
    tutorial.follow_to(WITH_VOLUME)
    return volumes(tutorial.cluster, tutorial.namespace)


def as_before(before: Inventory, now: Callable[[], Inventory]) -> Observation:
    """Wait until there is again what there was before. Raises ``NotKept`` where there is not."""
    seen = converge(
        lambda: left_behind(before, now()),
        until=lambda lines: not lines,
        what="the cluster is as it was before",
        timeout=VOLUMES_GONE,
        promised=True,
    )
    return Observation(
        results=[
            f"{before.scope} is as it was before, {seen.seconds:.1f} s after the namespaces had "
            "gone."
        ],
        problems=list(seen.value),
    )
