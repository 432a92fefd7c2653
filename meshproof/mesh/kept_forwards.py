"""Port-forwards that are kept from one question to the next.

To open one takes as much of the processors as a proxy's answer (docs/speed.md). What comes over a
kept one is as new: it leads to the same process in the same pod, and ends with either.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from threading import Lock
from typing import TypeAlias

from kubernetes.stream import ws_client

#: How many are kept: each has a thread of the Kubernetes client's, which waits.
MOST = 32

#: The kubeconfig by which a cluster is asked, and a pod's namespace, name and port.
Place: TypeAlias = tuple[Path, str, str, int]


@dataclass(frozen=True)
class Forwarded:
    """A connection to a port of a pod."""

    connection: HTTPConnection
    forward: ws_client.PortForward


class KeptForwards:
    """Connections that nobody uses right now, by where they lead; those used last are kept."""

    def __init__(self, most: int = MOST) -> None:
        """Keep ``most`` at a time."""
        self._most = most
        self._kept: OrderedDict[Place, Forwarded] = OrderedDict()
        self._lock = Lock()

    def take(self, place: Place) -> Forwarded | None:
        """Return the one that is kept for a place, for the caller alone; None where none is."""
        with self._lock:
            return self._kept.pop(place, None)

    def keep(self, place: Place, forwarded: Forwarded) -> None:
        """Keep one, and close the one that was kept for this place, or used longest ago."""
        with self._lock:
            surplus = [self._kept.pop(place)] if place in self._kept else []
            self._kept[place] = forwarded
            while len(self._kept) > self._most:
                surplus.append(self._kept.popitem(last=False)[1])
        for one in surplus:
            one.connection.close()

    def close(self) -> None:
        """Close all that are kept."""
        with self._lock:
            kept = [*self._kept.values()]
            self._kept.clear()
        for one in kept:
            one.connection.close()


KEPT = KeptForwards()
