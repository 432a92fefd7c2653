"""What a cluster and its machine hold between two runs: what grows there ends a soak some day."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from meshproof.cluster.kind import KindCluster
from tests.clusters.by_hand import objects

#: Programs of a cluster, by the names that the kernel keeps of them (15 characters).
PROGRAMS = ("kube-apiserver", "etcd", "kubelet", "containerd", "pilot-discovery", "envoy")
#: A process's name and its resident memory, in kilobytes (proc(5)); the kernel's own have none.
PROCESS = re.compile(r"^Name:\t(.*)\n(?:(?!Name:).*\n)*?VmRSS:\s+(\d+) kB$", re.MULTILINE)
KILOBYTES_PER_MEBIBYTE = 1024
#: What of a node grows: containers with their images, and logs.
KEPT = ("/var/lib/containerd", "/var/log")


@dataclass(frozen=True)
class Held:
    """What is there while no run goes on.

    ``objects`` are those of the API server, as A3 counts them; ``volumes`` the engine's;
    ``memory`` is what the node's programs have resident, in MiB; ``disk`` what its containers,
    images and logs take, in MiB.
    """

    objects: frozenset[tuple[str, str, str, str]]
    volumes: frozenset[str]
    memory: dict[str, int]
    disk: int


def held(cluster: KindCluster) -> Held:
    """Look at what a cluster of one node and its engine hold. Raises ``CommandFailed``."""
    (node,) = [container.name for container in cluster.containers()]
    # A process may end, and a log be rotated, between the listing and the look.
    statuses = cluster.engine.run("exec", node, "sh", "-c", "cat /proc/[0-9]*/status", check=False)
    listed = cluster.engine.run("volume", "ls", "--quiet").stdout
    used = cluster.engine.run("exec", node, "du", "-sxm", *KEPT, check=False)
    return Held(
        frozenset(objects(cluster.cluster)),
        frozenset(listed.split()),
        memory(statuses.stdout),
        sum(int(line.split()[0]) for line in used.stdout.splitlines()),
    )


def memory(statuses: str) -> dict[str, int]:
    """Add up what processes have resident by program, in MiB, from texts of `/proc/*/status`."""
    found: Counter[str] = Counter()
    for name, kilobytes in PROCESS.findall(statuses):
        found[name] += int(kilobytes)
    return {name: found[name] // KILOBYTES_PER_MEBIBYTE for name in PROGRAMS}
