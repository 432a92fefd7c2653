"""What is left of the tutorial once its namespaces are deleted, held against what was before."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from meshproof.analysis.observation import Observation
from meshproof.errors import BrokenWhateverStruck
from meshproof.probes.api_resources import Item
from meshproof.probes.inventory import Inventory, left_behind, staying
from meshproof.probes.volumes import volumes
from meshproof.suite.tutorial import Tutorial
from meshproof.waiting import VOLUMES_GONE, converge
from meshproof.wording import listed

#: The first stage with a claim for a volume.
WITH_VOLUME = "canary"
#: Looks in a row at which something that nobody takes away is there; each lists the whole cluster.
STAYED_LOOKS = 6


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
    """Wait until there is again what there was before, or until something stays that nobody takes.

    Raises ``BrokenWhateverStruck`` then, and ``NotKept`` where what is left might yet go.
    """
    stayed: deque[frozenset[Item]] = deque(maxlen=STAYED_LOOKS)

    def look() -> list[str]:
        try:
            after = now()
        except Exception:
            stayed.clear()  # nobody knows what was there meanwhile
            raise
        stayed.append(staying(before, after))
        return left_behind(before, after)

    def throughout() -> frozenset[Item]:
        return frozenset.intersection(*stayed) if len(stayed) == STAYED_LOOKS else frozenset()

    seen = converge(
        look,
        until=lambda lines: not lines or bool(throughout()),
        what="the cluster is as it was before",
        timeout=VOLUMES_GONE,
        promised=True,
    )
    if seen.value:
        raise BrokenWhateverStruck(listed(f"left behind: {item}" for item in sorted(throughout())))
    return Observation(
        results=[
            f"{before.scope} is as it was before, {seen.seconds:.1f} s after the namespaces had "
            "gone."
        ],
    )
