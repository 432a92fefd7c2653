"""What a cluster holds, all of it or what is one run's, and how that differs from before (A3).

Of a cluster that is not the suite's own only what can be attributed to the run is counted: others
come and go there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from meshproof.cluster.cluster import Cluster
from meshproof.engine.engine import Engine
from meshproof.probes.api_resources import Item, list_objects
from meshproof.probes.attribution import VOLUME, of_others, of_this_run
from meshproof.probes.volumes import STAYED, folders, in_nodes, nodes_of, volumes
from meshproof.waiting import VOLUMES_GONE, converge

#: What an inventory counts, as the beginning of a sentence.
WHOLE = "The whole cluster"
ATTRIBUTABLE = (
    "What is attributable to this run (its namespaces with all in them, objects anywhere with its "
    "id, and the volumes of its claims, {folders} their folders)"
)
WITHOUT = "but, as no engine here holds the nodes, not"


@dataclass(frozen=True)
class Inventory:
    """What a cluster holds: its objects, of how many kinds, and its volumes' folders.

    A folder is given as its node and its path. ``scope`` says what is counted, as the beginning of
    a sentence.
    """

    items: frozenset[Item]
    kinds: int
    folders: frozenset[tuple[str, str]]
    scope: str = WHOLE

    def __str__(self) -> str:
        """Return the numbers."""
        objects = f"{len(self.items)} objects of {self.kinds} kinds"
        return f"{objects}, {len(self.folders)} folders of volumes"

    def table(self) -> str:
        """Return everything, one in a line."""
        lines = [f"{item}, {item.uid}" for item in sorted(self.items)]
        lines += [f"folder {path} on {node}" for node, path in sorted(self.folders)]
        return "\n".join(lines) + "\n"


def take(
    cluster: Cluster,
    engine: Engine | None,
    *,
    whole: bool = True,
    seen: Mapping[str, str] | None = None,
) -> Inventory:
    """Look at everything that a cluster holds, but for what other runs made.

    Unless ``whole``, at what is attributable to this run alone; ``seen`` are volumes that its
    claims had, by name, with their paths. Raises ``EnvironmentBroken`` where the whole is looked
    at and the nodes are no containers of an engine: their folders cannot be looked at then. Raises
    ``ApiException``.
    """
    kinds, listed = list_objects(cluster)
    if whole:
        others = of_others(cluster)
        return Inventory(
            frozenset(item for item in listed if not others.made(item)),
            kinds,
            frozenset(one for one in folders(cluster, engine) if one[1] not in others.folders),
        )
    own = of_this_run(cluster, seen or {})
    nodes = nodes_of(cluster)
    holder = engine if engine and engine.has_containers(nodes) else None
    return Inventory(
        frozenset(item for item in listed if own.made(item)),
        kinds,
        in_nodes(holder, nodes, STAYED, sorted(own.folders)) if holder else frozenset(),
        ATTRIBUTABLE.format(folders="with" if holder else WITHOUT),
    )


def take_at_rest(
    cluster: Cluster, engine: Engine | None, *names: str, whole: bool = True
) -> Inventory:
    """Look as `take` does once no volume of these tutorials goes, and nothing comes or goes.

    Raises as `take` does, and ``NotConverged``.
    """
    looks: list[Inventory] = []

    def look() -> bool:
        # Asked for first: one that went between the two would be listed, and missed in the end.
        going = volumes(cluster, *names, going=True)
        looks.append(take(cluster, engine, whole=whole))
        return not going and looks[-2:] == [looks[-1]] * 2

    converge(look, until=bool, what="the cluster is at rest", timeout=VOLUMES_GONE)
    return looks[-1]


def left_behind(before: Inventory, after: Inventory) -> list[str]:
    """Say how a cluster differs from what it was; empty where it is the same.

    An object with another uid is another one: the first is gone, and a second was left behind.
    """
    new = sorted(after.items - before.items)
    gone = sorted(before.items - after.items)
    lines = [f"left behind: {item}" for item in new] + [f"gone: {item}" for item in gone]
    lines += [f"left behind: {p} on {n}" for n, p in sorted(after.folders - before.folders)]
    return lines + [f"gone: {p} on {n}" for n, p in sorted(before.folders - after.folders)]


def staying(before: Inventory, after: Inventory) -> frozenset[Item]:
    """Return what came since and nobody takes away: the harness's, of the whole cluster, in place.

    What is in a namespace goes with it, a volume goes after its claim, what is owned goes with its
    owner, and what others made there may go as it came.
    """
    return frozenset(
        item
        for item in after.items - before.items
        if item.owned and not item.namespace and not item.going and item.kind != VOLUME
    )
