"""What a run holds on a cluster that others may use too: its namespaces, and the way in."""

from __future__ import annotations

from collections.abc import Callable

from meshproof.cluster.cluster import Cluster, Owner
from meshproof.cluster.lease import ANY_HOST, Holder, Leases, of_namespace
from meshproof.cluster.objects import namespaces_of, take_over
from meshproof.errors import EnvironmentBroken
from meshproof.mesh.way_in import Occupant, occupants_of
from meshproof.progress import Progress
from meshproof.run.lanes import Lane, lane_number, own_lane
from meshproof.waiting import WAY_IN_FREE, converge


class Claims:
    """A run's namespaces and the way in for any host, held until they are released."""

    def __init__(
        self, owner: Callable[[], Owner], progress: Progress, *, may_put_off: bool
    ) -> None:
        """``owner`` says whose they are, once it is known which suites the run is of.

        ``may_put_off`` says whether scenarios for any host may come last, as long as another run
        has the way in; what lanes run is planned before.
        """
        self._owner = owner
        self._progress = progress
        self.may_put_off = may_put_off
        #: Whether a scenario needs the way in for any host.
        self.needs_any_host = False
        self.has_any_host = False
        #: The first suite's lane that the run begins with, and the one that it has now.
        self._lanes: list[Lane] = []
        self._leases: Leases | None = None

    @property
    def lanes(self) -> list[Lane]:
        """The lanes that the first suite has had so far in this process; its own now is the last.

        Which suites there are is known once all is collected.
        """
        if not self._lanes:
            self._lanes = [lane_number(0, self._owner().namespace)]
        return self._lanes

    def claim(self, cluster: Cluster) -> None:
        """Hold the namespaces and the way in for any host, and take over what is in the former.

        Where another run has that way in, it is waited for, or put off (``may_put_off``): users
        come in by a host of this run's own until `await_any_host`. Raises ``EnvironmentBroken``
        where another run follows a tutorial in one of them, and ``NotConverged`` where one
        has the way in for too long.
        """
        owner = self._owner()
        self._leases = leases = Leases(cluster, owner)
        for namespace in owner.tutorials:
            if other := leases.claim(of_namespace(namespace)):
                raise EnvironmentBroken(
                    f"Another run follows the tutorial in namespace {namespace} ({other}): give "
                    "this one its own with --namespace, or wait until it ends."
                )
        taken = self._taken(leases) if self.may_put_off else None
        if isinstance(taken, Occupant) and self.needs_any_host:
            raise EnvironmentBroken(str(taken))
        if taken:
            self._lanes = [own_lane(owner.namespace)]
            self._progress.note(
                f"the way in for any host is taken ({taken}): users of this run come in by "
                f"{self.lanes[-1].host}, and what is published for any host is proved last"
            )
        else:
            self.await_any_host()
        take_over(cluster)

    def await_any_host(self) -> None:
        """Have the way in for any host; where another run has it, wait until that lets go of it.

        Raises ``NotConverged`` where it has it for too long, and ``EnvironmentBroken`` where
        somebody's Gateway is for any host whom no run waits for.
        """
        leases = self._leases
        if leases is None or self.has_any_host:  # nothing was brought up, or it is had already
            return
        if other := leases.claim(ANY_HOST):
            self._progress.note(
                f"another run has the way in for any host ({other}): waiting for it"
            )
            converge(
                lambda: leases.claim(ANY_HOST),
                until=lambda holder: holder is None,
                what="the way in for any host is free",
                timeout=WAY_IN_FREE,
            )
        if occupant := self._taken(leases):
            raise EnvironmentBroken(str(occupant))
        self.has_any_host = True
        if self.lanes[-1].host:
            self.lanes.append(lane_number(0, self._owner().namespace))

    def release(self) -> None:
        """Let go of all that is held; nothing happens where nothing is."""
        if self._leases:
            self._leases.release()

    def _taken(self, leases: Leases) -> Holder | Occupant | None:
        """Claim the way in for any host, and return who has it instead."""
        if holder := leases.claim(ANY_HOST):
            return holder
        mine = [
            name for one in self._owner().tutorials for name in namespaces_of(leases.cluster, one)
        ]
        selector = leases.cluster.mesh.gateway.selector
        return next(iter(occupants_of(leases.cluster, selector, mine)), None)
