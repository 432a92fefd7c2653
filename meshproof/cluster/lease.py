"""Who holds what only one run can have: Leases of the cluster, renewed as long as the run lives.

A run that was killed holds what it had until its Lease expires. What a run holds it lends to a run
that it has started, and has again once that one lets go or has expired. The Leases are in istiod's
namespace: a mesh has one, and the way in is the mesh's. Clocks of machines that
share a cluster may differ by less than `DURATION`.
"""

from __future__ import annotations

import json
import os
import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from kubernetes import client
from kubernetes.client.exceptions import ApiException

from meshproof.cluster.cluster import OWNED, OWNED_SELECTOR, RUN, RUN_VARIABLE, Cluster, Owner
from meshproof.errors import EnvironmentBroken

#: Seconds that a Lease lasts, and after which it is renewed: three renewals may fail.
DURATION, RENEWED = 60, 15.0
#: The Lease of the way in for any host.
ANY_HOST = "meshproof-any-host"
#: The annotation of a Lease that is lent: the runs that have it again, one after the other.
LENDERS = "meshproof-lent-by"
#: The annotation that names the run that has started who holds a Lease.
PARENT = "meshproof-started-by"
CONFLICT, MISSING = 409, 404


@dataclass(frozen=True)
class Holder:
    """Who holds something: a run by its id, since when (UTC, ISO 8601), and if it still does."""

    run: str
    since: str
    alive: bool

    def __str__(self) -> str:
        """Return the run and since when."""
        return f"{self.run}, since {self.since}"


def of_namespace(namespace: str) -> str:
    """Return the name of the Lease of a tutorial's namespace."""
    return f"meshproof-in-{namespace}"[:253]


def holder_of(cluster: Cluster, name: str) -> Holder | None:
    """Return who holds a Lease, or held it last; None where there is none."""
    found = _read(cluster, name)
    return None if found is None else _holder(found)


def living(cluster: Cluster) -> list[Holder]:
    """Return the other runs that follow the tutorial on a cluster, in whichever namespace.

    This process's own run, or the one that has started it, is none of them, and neither are those
    that it has started itself.
    """
    own = os.environ.get(RUN_VARIABLE)
    leases = client.CoordinationV1Api(cluster.api)
    place = cluster.mesh.namespace
    listed = leases.list_namespaced_lease(place, label_selector=OWNED_SELECTOR).items
    names = [lease.metadata.name for lease in listed if lease.metadata.name != ANY_HOST]
    found = [lease for name in names if (lease := _read(cluster, name))]
    others = [_holder(lease) for lease in found if _annotation(lease, PARENT) != (own or "-")]
    return [holder for holder in others if holder.alive and holder.run != own]


class Leases:
    """What a run holds, until it lets go of it."""

    def __init__(self, cluster: Cluster, owner: Owner) -> None:
        """Nothing is held."""
        self.cluster = cluster
        self.owner = owner
        #: What is held, by name, and the runs that lend it, in the order in which it goes back.
        self.held: dict[str, tuple[str, ...]] = {}
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def claim(self, name: str) -> Holder | None:
        """Hold a Lease; where another run that lives does, return it, and hold nothing.

        Raises ``ApiException``.
        """
        for _ in range(3):  # somebody may be faster, or let go meanwhile
            found = _read(self.cluster, name)
            lenders = self.held.get(name, ())
            if found is not None:
                holder = _holder(found)
                if holder.alive and holder.run not in (self.owner.run, self.owner.parent):
                    return holder
                if holder.alive and holder.run == self.owner.parent:
                    lenders = (holder.run, *_lenders(found))
            try:
                self._write(name, found, lenders)
            except ApiException as error:
                if error.status != CONFLICT:
                    raise
                continue
            self.held[name] = lenders
            self._keep()
            return None
        place = self.cluster.mesh.namespace
        raise EnvironmentBroken(
            f"The Lease {name} in {place} changes hands faster than it is read."
        )

    def release(self) -> None:
        """Let go of everything; nothing is raised where the cluster is gone."""
        self._ended.set()
        if self._thread:
            self._thread.join()
        for name, lenders in sorted(self.held.items()):
            with suppress(Exception):
                found = _read(self.cluster, name)
                if not found or _holder(found).run != self.owner.run:
                    continue
                if not lenders:
                    drop(self.cluster, name)
                else:
                    self._write(name, found, lenders[1:], run=lenders[0])
        self.held.clear()

    def renew(self) -> None:
        """Renew what is held. One that another run has taken over is held no more.

        One that is lent is left to who has it as long as that one lives.
        """
        for name, lenders in tuple(self.held.items()):
            found = _read(self.cluster, name)
            if found and (holder := _holder(found)).run != self.owner.run:
                if self.owner.run not in _lenders(found):
                    del self.held[name]
                    continue
                if holder.alive:
                    continue
            with suppress(ApiException):
                self._write(name, found, lenders)

    def _keep(self) -> None:
        def renewing() -> None:
            while not self._ended.wait(RENEWED):
                with suppress(Exception):  # the next one may get through
                    self.renew()

        if self._thread is None:
            self._thread = threading.Thread(target=renewing, daemon=True)
            self._thread.start()

    def _write(
        self,
        name: str,
        found: dict[str, Any] | None,
        lenders: tuple[str, ...],
        run: str | None = None,
    ) -> None:
        run = run or self.owner.run
        now = datetime.now(UTC)
        same = found is not None and _holder(found).run == run
        spec = {
            "holderIdentity": run,
            "leaseDurationSeconds": DURATION,
            "acquireTime": found["spec"]["acquireTime"] if same and found else _time(now),
            "renewTime": _time(now),
        }
        lent = {LENDERS: " ".join(lenders)} if lenders else {}
        mine = run == self.owner.run
        started = {PARENT: self.owner.parent} if mine and self.owner.parent else {}
        metadata: dict[str, Any] = {
            "name": name,
            "labels": OWNED,
            "annotations": {**self.owner.annotations, RUN: run, **lent, **started},
        }
        leases, place = client.CoordinationV1Api(self.cluster.api), self.cluster.mesh.namespace
        if found is None:
            leases.create_namespaced_lease(place, {"metadata": metadata, "spec": spec})
            return
        metadata["resourceVersion"] = found["metadata"]["resourceVersion"]
        leases.replace_namespaced_lease(name, place, {"metadata": metadata, "spec": spec})


def drop(cluster: Cluster, name: str) -> None:
    """Delete a Lease, whoever holds it; nothing happens where there is none."""
    try:
        leases = client.CoordinationV1Api(cluster.api)
        leases.delete_namespaced_lease(name, cluster.mesh.namespace)
    except ApiException as error:
        if error.status != MISSING:
            raise


def _read(cluster: Cluster, name: str) -> dict[str, Any] | None:
    leases = client.CoordinationV1Api(cluster.api)
    try:
        # As it is sent: the client would write its times in another way than it reads them.
        place = cluster.mesh.namespace
        answer = leases.read_namespaced_lease(name, place, _preload_content=False)
    except ApiException as error:
        if error.status == MISSING:
            return None
        raise
    found: dict[str, Any] = json.loads(answer.data)
    return found


def _lenders(lease: dict[str, Any]) -> tuple[str, ...]:
    return tuple(_annotation(lease, LENDERS).split())


def _annotation(lease: dict[str, Any], name: str) -> str:
    return (lease["metadata"].get("annotations") or {}).get(name) or ""


def _holder(lease: dict[str, Any]) -> Holder:
    spec = lease["spec"]
    renewed = datetime.fromisoformat(spec["renewTime"])
    lasts = timedelta(seconds=spec.get("leaseDurationSeconds") or DURATION)
    alive = datetime.now(UTC) < renewed + lasts
    return Holder(spec["holderIdentity"], spec["acquireTime"][:19] + "Z", alive)


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
