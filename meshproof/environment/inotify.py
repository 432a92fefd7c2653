"""Whether the kernel lets nodes and proxies watch as many files as they do."""

from __future__ import annotations

from meshproof.engine.machine import Machine
from meshproof.environment.finding import Finding

#: Of inotify, for each node, and for two at least: one node with the tutorial on it has 63
#: instances (30 are root's) and 700 watches. The kernel's own limit of 128 instances does for two.
INSTANCES_NEEDED, WATCHES_NEEDED = 64, 4096
#: What kind's documents advise to set; more nodes may need more.
INSTANCES_ADVISED, WATCHES_ADVISED = 512, 524288
#: Instances that the proxies of a run hold: 23 proxies had 68 while both suites ran in one process.
PROXIES_NEED = 70
#: Instances that those of each further lane hold: twelve proxies at once, and three each.
LANE_NEEDS = 36


def inotify_finding(machine: Machine, nodes: int) -> Finding:
    """Say whether nodes may watch as many files as they do; too few and they fail to start."""
    counted = max(nodes, 2)
    for name, limit, each in (
        ("instances", machine.inotify_instances, INSTANCES_NEEDED),
        ("watches", machine.inotify_watches, WATCHES_NEEDED),
    ):
        if 0 <= limit < each * counted:
            needed = each * counted
            return Finding(
                "inotify",
                f"fs.inotify.max_user_{name} is {limit}, and {needed} are needed: "
                f"{_advice(counted)}",
                doubtful=True,
            )
    return proxies_finding(machine)


def proxies_finding(machine: Machine, *, lanes: int = 1) -> Finding:
    """Say whether proxies that run here leave enough for a run's, which else end as they start.

    The run is one in so many ``lanes``.
    """
    limit, held = machine.inotify_instances, machine.inotify_held
    needed = PROXIES_NEED + LANE_NEEDS * (lanes - 1)
    if 0 <= limit < held + needed:
        run, ways = "a run", "or end other runs and clusters"
        if lanes > 1:
            run = f"a run in {lanes} lanes"
            ways = "end other runs and clusters, or ask for fewer lanes"
        return Finding(
            "inotify",
            f"proxies that run here hold {held} of the {limit} instances of inotify that "
            f"fs.inotify.max_user_instances gives their user, and those of {run} need up to "
            f"{needed}: {_advice(2)}, {ways}",
            doubtful=True,
        )
    return Finding("inotify", "enough")


def _advice(nodes: int) -> str:
    instances = max(INSTANCES_ADVISED, INSTANCES_NEEDED * nodes)
    return (
        f"run `sysctl -w fs.inotify.max_user_instances={instances} "
        f"fs.inotify.max_user_watches={WATCHES_ADVISED}` as root"
    )
