"""Whether anything still reaches the old versions, by what their proxies count (F3)."""

from __future__ import annotations

from collections.abc import Mapping

from meshproof.analysis.observation import Observation, unless
from meshproof.analysis.strength import AlwaysDemand
from meshproof.errors import PromiseBroken
from meshproof.mesh.proxy_stats import PASSED_ON, SERVED, ProxyCounts
from meshproof.suite.tutorial import Tutorial
from meshproof.wording import by_name
from steps.voting.views import WITHOUT_HEADERS, ask_at_once
from steps.voting.voting_app import FLAG, Response, VotingApp

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


def counts_rise(
    tutorial: Tutorial, proxy_counts: ProxyCounts, ingress: VotingApp, requests: int
) -> Observation:
    """Ask so often without the flag, and hold the counts against what those requests reach."""
    before = reached(tutorial, proxy_counts)
    ask(ingress, requests, WITHOUT_HEADERS)
    rise = risen(before, reached(tutorial, proxy_counts))
    wrong = {
        name: rise[name]
        for name, (_, each) in OLD.items()
        if (rise[name] <= 0 if each is None else rise[name] != each * requests)
    }
    return Observation(
        baselines=[f"With {requests} requests by 1.0 the counts rose by: {by_name(rise)}."],
        problems=unless(
            not wrong, f"{requests} requests by 1.0, and these counts rose by: {by_name(wrong)}"
        ),
    )


def counts_stand_still(
    tutorial: Tutorial, proxy_counts: ProxyCounts, ingress: VotingApp, demand: AlwaysDemand
) -> Observation:
    """Ask so often as is demanded, with the flag and without it; the counts are to stand still."""
    before = reached(tutorial, proxy_counts)
    asked = ask(ingress, demand.samples, {"with the flag": FLAG, "without it": {}})
    rise = risen(before, reached(tutorial, proxy_counts))
    claim = demand.claim(asked, min(rise[APP], asked), "requests to the app")
    each = f"{asked} requests with the flag, and as many without it"
    return Observation(
        results=[f"{each}: the counts rose by: {by_name(rise)}; for either: {claim}."],
        problems=[
            *unless(not any(rise.values()), f"{each}, and these counts rose: {by_name(rise)}"),
            *unless(claim.holds, str(claim)),
        ],
    )


def reached(tutorial: Tutorial, proxy_counts: ProxyCounts) -> dict[str, int]:
    """What the proxies of each old workload have counted. Raises ``PromiseBroken``."""
    found, pods = {}, tutorial.pods()
    for workload, (pattern, _) in OLD.items():
        names = [pod.name for pod in pods if pod.workload == workload]
        if not names:
            raise PromiseBroken(f"no pod of {workload}")
        found[workload] = proxy_counts.sum(names, pattern)
    return found


def risen(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """By how much each count rose."""
    return {name: after[name] - before[name] for name in before}


def ask(ingress: VotingApp, count: int, users: Mapping[str, dict[str, str]]) -> int:
    """View the page and vote, so often as each of the users, by the headers that they send.

    Returns how many answers each of them got, at least. Raises ``PromiseBroken`` for one that is
    none of the page.
    """

    def view_or_vote(connection: VotingApp, turn: int, headers: dict[str, str]) -> Response:
        if turn % 2 == 0:
            return connection.view(headers=headers)
        return connection.vote("Cats", headers=headers)

    answered = ask_at_once(ingress, count, users, view_or_vote)
    for answers in answered.values():
        for _, asked in answers:
            if asked.status != 200:
                raise PromiseBroken(str(asked))
    return min(len(answered.get(user, ())) for user in users)
