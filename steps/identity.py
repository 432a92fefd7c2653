"""Who the servers' proxies saw calling (T3)."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass

from pytest_bdd import parsers, then, when

from meshproof.mesh.access_log import AccessLog, Call, acquaintances, seconds_since
from meshproof.mesh.authority import mesh_config, trust_domain
from meshproof.probes.calls import call_all
from meshproof.probes.capture import places
from meshproof.probes.ingress import FLAG, Ingress
from meshproof.signoff.evidence import Evidence
from meshproof.suite.transitional import STORAGES
from meshproof.suite.tutorial import Tutorial
from meshproof.waiting import LOGS_WRITTEN, converge
from meshproof.wording import in_turn, number


@dataclass(frozen=True)
class Round:
    """Calls that were made: since when (this machine's clock), with what in the first, how many."""

    begun: float
    marker: str
    calls: int


@when(
    parsers.parse(
        "the page is viewed {count:d} times, "
        "and every app pod and analytics 1.1 open a connection to storage"
    ),
    target_fixture="made",
)
def _(tutorial: Tutorial, ingress: Ingress, evidence: Evidence, count: int) -> Round:
    return make_calls(tutorial, ingress, evidence, count, [{}])


@when(
    parsers.parse(
        "the page is viewed {count:d} times without the flag and as often with it, "
        "and every pod that has a storage opens a connection to it"
    ),
    target_fixture="made",
)
def _(tutorial: Tutorial, ingress: Ingress, evidence: Evidence, count: int) -> Round:
    return make_calls(tutorial, ingress, evidence, count, [{}, FLAG])


def make_calls(
    tutorial: Tutorial,
    ingress: Ingress,
    evidence: Evidence,
    count: int,
    users: list[dict[str, str]],
) -> Round:
    """View the page as each user, and open a connection from every pod that has a storage."""
    begun, marker = time.monotonic(), f"marker-{uuid.uuid4()}"
    views = [
        ingress.request("GET", f"/?{marker}", headers=user) for user in users for _ in range(count)
    ]
    failed = [str(view) for view in views if view.status != 200]
    assert not failed, f"{len(failed)} of {len(views)} views failed: {failed[0]}"
    answers = {
        # A connection of its own, as those that are pooled may be from before.
        pod.name: call_all(
            tutorial.cluster, tutorial.namespace, pod.name, pod.app, [STORAGES[pod.workload]]
        )[0]
        for pod in tutorial.pods()
        if pod.workload in STORAGES
    }
    silent = [f"{pod}: {answer}" for pod, answer in answers.items() if not answer.served]
    assert not silent, f"storage does not answer {in_turn(silent)}"
    evidence.observe(
        f"{number(len(views), 'page')} viewed, {number(len(answers), 'connection')} to storage"
    )
    # A page is one call to the app, and one from there to analytics.
    return Round(begun, marker, 2 * len(views) + len(answers))


@then("the servers' proxies saw these callers, and no others")
def _(
    made: Round,
    tutorial: Tutorial,
    access_log: AccessLog,
    evidence: Evidence,
    datatable: list[list[str]],
) -> None:
    place = {"namespace": tutorial.namespace, "domain": trust_domain(mesh_config(tutorial.cluster))}
    expected = {
        (caller, server, protocol, identity.format(**place))
        for caller, server, protocol, identity in datatable[1:]
    }
    where = places(tutorial.cluster, tutorial.namespace)
    by_address = {place.address: place.workload for place in where}
    by_pod = {pod.name: pod.workload for pod in tutorial.pods()}

    def look() -> list[Call]:
        calls = access_log.calls(by_pod, seconds_since(made.begun))
        # By the proxies' own clocks: from the first of these calls on.
        begun = min(call.start for call in calls if made.marker in call.path)
        return [call for call in calls if call.start >= begun]

    calls = converge(
        look,
        until=lambda calls: len(calls) >= made.calls,
        what=f"the proxies have logged {made.calls} calls",
        timeout=LOGS_WRITTEN,
    ).value
    seen = acquaintances(calls, by_address, by_pod)
    lines = [
        f"{caller} → {server}, {protocol}: {number} as {identity or 'nobody'}"
        for (caller, server, protocol, identity), number in sorted(seen.items())
    ]
    evidence.text("calls by the servers' proxies", "".join(f"{call}\n" for call in calls))
    evidence.result(
        f"{number(sum(seen.values()), 'call')} over {number(len(seen), 'arrow')}; "
        f"{len(set(seen) - expected)} by a caller, as an identity or in a protocol not expected."
    )
    for line in lines:
        evidence.observe(line)
    assert set(seen) == expected, "; ".join(lines)
