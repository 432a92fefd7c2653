"""Who called whom, in which protocol and as whom, by what the servers' proxies logged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from meshproof.analysis.observation import Observation, unless
from meshproof.cluster.logs import whole_logs
from meshproof.cluster.pods import PROXY
from meshproof.mesh.access_log import AccessLog, Acquaintance, Call, acquaintances, seconds_since
from meshproof.mesh.authority import mesh_config, trust_domain
from meshproof.probes.capture import places
from meshproof.suite.tutorial import Tutorial
from meshproof.waiting import LOGS_WRITTEN, converge
from meshproof.wording import number


@dataclass(frozen=True)
class Callers:
    """Calls that were logged, and how many of them each caller made along each arrow."""

    calls: list[Call]
    seen: Counter[Acquaintance]

    @property
    def lines(self) -> list[str]:
        """Each caller and server with its protocol, how often, and as whom."""
        return [
            f"{caller} → {server}, {protocol}: {times} as {identity or 'nobody'}"
            for (caller, server, protocol, identity), times in sorted(self.seen.items())
        ]

    def __str__(self) -> str:
        """Return how many calls over how many arrows."""
        return f"{number(self.seen.total(), 'call')} over {number(len(self.seen), 'arrow')}"


def expected_callers(tutorial: Tutorial, rows: Iterable[Sequence[str]]) -> set[Acquaintance]:
    """Return what rows of caller, server, protocol and identity mean on the tutorial's mesh.

    ``{namespace}`` and ``{domain}`` stand for those of the mesh, and the ingress gateway's
    identity for the one that it has there.
    """
    place = {"namespace": tutorial.namespace, "domain": trust_domain(mesh_config(tutorial.cluster))}
    return {
        (caller, server, protocol, tutorial.cluster.mesh.identity(identity).format(**place))
        for caller, server, protocol, identity in rows
    }


def callers_since(
    tutorial: Tutorial,
    access_log: AccessLog,
    begun: float,
    marker: str,
    least: int,
) -> Callers:
    """Read the calls that were logged since one with a marker in its path, ``least`` of them.

    ``begun`` is when that was made, by `time.monotonic`, and ``least`` what their answers prove:
    that these calls were made is known, and who lacks a log of them is no promise of the
    tutorial's. Raises ``NotConverged`` where the proxies do not log as many, and
    ``EnvironmentBroken`` where their nodes have put away what they logged.
    """
    by_address = {one.address: one.workload for one in places(tutorial.cluster, tutorial.namespace)}
    by_pod = {pod.name: pod.workload for pod in tutorial.pods()}

    def look() -> list[Call]:
        calls = access_log.calls(by_pod, seconds_since(begun))
        # By the proxies' own clocks: from the first of these calls on.
        first = min(call.start for call in calls if marker in call.path)
        return [call for call in calls if call.start >= first]

    logs = dict.fromkeys(by_pod, PROXY)
    with whole_logs(tutorial.cluster, tutorial.namespace, logs, begun):
        calls = converge(
            look,
            until=lambda calls: len(calls) >= least,
            what=f"the proxies have logged {least} calls",
            timeout=LOGS_WRITTEN,
        ).value
    return Callers(calls, acquaintances(calls, by_address, by_pod))


class Made(Protocol):
    """Calls that were made: since when (this machine's clock), with what in the first's path."""

    @property
    def begun(self) -> float:
        """When they were begun, by this machine's clock."""
        ...

    @property
    def marker(self) -> str:
        """What is in the path of the first of them."""
        ...

    @property
    def calls(self) -> int:
        """How many there were at least: each was answered, so that each was made."""
        ...


def callers_seen(
    tutorial: Tutorial, access_log: AccessLog, made: Made, rows: Iterable[Sequence[str]]
) -> Observation:
    """Read the calls that were logged since, and hold them against rows, each an arrow.

    A row is caller, server, protocol and identity, as `expected_callers` reads it. Raises
    ``NotConverged`` where the proxies do not log as many calls.
    """
    expected = expected_callers(tutorial, rows)
    found = callers_since(tutorial, access_log, made.begun, made.marker, made.calls)
    return Observation(
        results=[
            f"{found}; {len(set(found.seen) ^ expected)} by a caller, as an identity or in a "
            "protocol not expected, or missing."
        ],
        details=found.lines,
        texts={"calls by the servers' proxies": "".join(f"{call}\n" for call in found.calls)},
        problems=unless(set(found.seen) == expected, "; ".join(found.lines)),
    )
