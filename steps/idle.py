"""Whether anything still reaches the old versions, by what their proxies count (F3)."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_bdd import given, parsers, then

from meshproof.analysis.strength import Demands
from meshproof.mesh.proxy_stats import PASSED_ON, SERVED, ProxyCounts
from meshproof.probes.ingress import FLAG, Ingress, Response
from meshproof.probes.views import WITHOUT_HEADERS, ask_at_once
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial
from meshproof.wording import by_name
from steps.sampling import LEAK

APP = "voting-app 1.0"
#: What tells that each old workload is used, and how much it must rise by for a request while
#: users are served by 1.0: requests, by just so much, or for Redis bytes, by anything (None).
#: Nothing reaches analytics 1.0 since lock-down (U6 has its baseline).
OLD = {
    APP: (SERVED, 1),
    "voting-analytics 1.0": (SERVED, 0),
    "voting-analytics 1.1": (SERVED, 1),
    "voting-storage 1.0": (PASSED_ON, None),
}
BASELINE_REQUESTS = 30


@given("the proxies of the old versions count what users without the flag ask for")
def _(tutorial: Tutorial, proxy_counts: ProxyCounts, ingress: Ingress, evidence: Evidence) -> None:
    before = reached(tutorial, proxy_counts)
    ask(ingress, BASELINE_REQUESTS, WITHOUT_HEADERS)
    rise = risen(before, reached(tutorial, proxy_counts))
    evidence.baseline(
        f"With {BASELINE_REQUESTS} requests by 1.0 the counts rose by: {by_name(rise)}."
    )
    wrong = {
        name: rise[name]
        for name, (_, each) in OLD.items()
        if (rise[name] <= 0 if each is None else rise[name] != each * BASELINE_REQUESTS)
    }
    assert not wrong, (
        f"{BASELINE_REQUESTS} requests by 1.0, and these counts rose by: {by_name(wrong)}"
    )


@then(parsers.parse(f"their counts stand still while users view the page and vote, often {LEAK}"))
def _(
    tutorial: Tutorial,
    proxy_counts: ProxyCounts,
    ingress: Ingress,
    evidence: Evidence,
    demands: Demands,
    leak: float,
    confidence: float,
) -> None:
    demand = demands.always(leak / 100, confidence / 100)
    count = demand.samples
    before = reached(tutorial, proxy_counts)
    asked = ask(ingress, count, {"with the flag": FLAG, "without it": {}})
    rise = risen(before, reached(tutorial, proxy_counts))
    claim = demand.claim(asked, min(rise[APP], asked), "requests to the app")
    each = f"{asked} requests with the flag, and as many without it"
    evidence.result(f"{each}: the counts rose by: {by_name(rise)}; for either: {claim}.")
    assert not any(rise.values()), f"{each}, and these counts rose: {by_name(rise)}"
    assert claim.holds, str(claim)


def reached(tutorial: Tutorial, proxy_counts: ProxyCounts) -> dict[str, int]:
    """What the proxies of each old workload have counted."""
    found, pods = {}, tutorial.pods()
    for workload, (pattern, _) in OLD.items():
        names = [pod.name for pod in pods if pod.workload == workload]
        assert names, f"no pod of {workload}"
        found[workload] = proxy_counts.sum(names, pattern)
    return found


def risen(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """By how much each count rose."""
    return {name: after[name] - before[name] for name in before}


def ask(ingress: Ingress, count: int, users: Mapping[str, dict[str, str]]) -> int:
    """View the page and vote, so often as each of the users, by the headers that they send.

    Returns how many answers each of them got, at least. Raises ``AssertionError`` for one that is
    none of the page.
    """

    def view_or_vote(connection: Ingress, turn: int, headers: dict[str, str]) -> Response:
        if turn % 2 == 0:
            return connection.view(headers=headers)
        return connection.vote("Cats", headers=headers)

    answered = ask_at_once(ingress, count, users, view_or_vote)
    for answers in answered.values():
        for _, asked in answers:
            assert asked.status == 200, str(asked)
    return min(len(answered.get(user, ())) for user in users)
