"""Makes calls, and reads as whom the servers' proxies saw who made them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from meshproof.analysis.observation import Observation
from meshproof.errors import PromiseBroken
from meshproof.probes.calls import call_all
from meshproof.suite.tutorial import Tutorial
from meshproof.wording import in_turn, number
from steps.voting.names import STORAGES
from steps.voting.voting_app import USERS, VotingApp


@dataclass(frozen=True)
class Round:
    """Calls that were made: since when (this machine's clock), and with what in the first."""

    begun: float
    marker: str
    views: int
    connections: int

    @property
    def calls(self) -> int:
        """How many calls that makes: a page is one to the app, and one on to analytics."""
        return 2 * self.views + self.connections

    def told(self) -> Observation:
        """Say how many of each."""
        return Observation(
            details=[
                f"{number(self.views, 'page')} viewed, "
                f"{number(self.connections, 'connection')} to storage"
            ]
        )


def make_calls(
    tutorial: Tutorial,
    ingress: VotingApp,
    count: int,
    kinds: Sequence[str],
) -> Round:
    """View the page as each kind of user, and open a connection from every pod that has a storage.

    Raises ``PromiseBroken`` where one of them is not answered.
    """
    begun, marker = time.monotonic(), f"marker-{uuid.uuid4()}"
    views = [
        ingress.request("GET", f"/?{marker}", headers=USERS[kind])
        for kind in kinds
        for _ in range(count)
    ]
    failed = [str(view) for view in views if view.status != 200]
    if failed:
        raise PromiseBroken(f"{len(failed)} of {len(views)} views failed: {failed[0]}")
    answers = {
        # A connection of its own, as those that are pooled may be from before.
        pod.name: call_all(
            tutorial.cluster, tutorial.namespace, pod.name, pod.app, [STORAGES[pod.workload]]
        )[0]
        for pod in tutorial.pods()
        if pod.workload in STORAGES
    }
    silent = [f"{pod}: {answer}" for pod, answer in answers.items() if not answer.served]
    if silent:
        raise PromiseBroken(f"storage does not answer {in_turn(silent)}")
    return Round(begun, marker, len(views), len(answers))
