"""Makes calls, and reads as whom the servers' proxies saw who made them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from meshproof.analysis.observation import Observation, unless
from meshproof.errors import PromiseBroken
from meshproof.mesh.access_log import AccessLog
from meshproof.probes.callers import callers_since, expected_callers
from meshproof.probes.calls import call_all
from meshproof.suite.tutorial import Tutorial
from meshproof.wording import in_turn, number
from steps.voting.names import STORAGES
from steps.voting.voting_app import VotingApp


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
    users: list[dict[str, str]],
) -> Round:
    """View the page as each user, and open a connection from every pod that has a storage.

    Raises ``PromiseBroken`` where one of them is not answered.
    """
    begun, marker = time.monotonic(), f"marker-{uuid.uuid4()}"
    views = [
        ingress.request("GET", f"/?{marker}", headers=user) for user in users for _ in range(count)
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


def callers_seen(
    tutorial: Tutorial, access_log: AccessLog, made: Round, rows: Sequence[Sequence[str]]
) -> Observation:
    """Read the calls that were logged since, and hold them against rows, each an arrow.

    A row is caller, server, protocol and identity, with ``{namespace}`` and ``{domain}`` for those
    of the mesh, and the ingress gateway as the tutorial's mesh has it. Raises ``NotConverged``
    where the proxies do not log as many calls: each was answered, so that each was made.
    """
    expected = expected_callers(tutorial, rows)
    found = callers_since(tutorial, access_log, made.begun, made.marker, made.calls)
    return Observation(
        results=[
            f"{found}; {len(set(found.seen) - expected)} by a caller, as an identity or in a "
            "protocol not expected."
        ],
        details=found.lines,
        texts={"calls by the servers' proxies": "".join(f"{call}\n" for call in found.calls)},
        problems=unless(set(found.seen) == expected, "; ".join(found.lines)),
    )
