"""Holds what pages show of analytics against what its proxy counts, and asks Redis from it."""

from __future__ import annotations

from meshproof.analysis.observation import Observation, unless
from meshproof.analysis.strength import AlwaysDemand
from meshproof.mesh.proxy_stats import SERVED, ProxyCounts
from meshproof.probes.denials import denials
from meshproof.suite.tutorial import Tutorial
from meshproof.wording import number, quoted
from steps.voting.inside import answer_of_redis
from steps.voting.views import ANYONE, sample_at_once, sample_views
from steps.voting.voting_app import VotingApp

STORAGE = "voting-storage 1.0"


def pages_counted(
    tutorial: Tutorial, counts: ProxyCounts, ingress: VotingApp, workload: str, views: int
) -> Observation:
    """View the page so often, and hold the count of a workload's proxy against what was shown."""
    version, pod = workload.split()[1], tutorial.pod_of(*workload.split()).name
    before = counts.sum([pod], SERVED)
    seen = sample_views(ingress, views)
    rise = counts.sum([pod], SERVED) - before
    expected = sum(1 for view in seen if view.version == version)
    showed = f"{number(expected, 'page')} showed {version}"
    return Observation(
        baselines=[f"While {showed}, its proxy's count rose by {rise}."],
        problems=[
            *unless(expected > 0, f"none of {len(seen)} pages showed {workload}"),
            *unless(rise == expected, f"{showed}, and its proxy's count rose by {rise}"),
        ],
    )


def stands_still(
    tutorial: Tutorial, counts: ProxyCounts, ingress: VotingApp, workload: str, demand: AlwaysDemand
) -> Observation:
    """View the page so often as is demanded, and see that a workload's proxy counts nothing."""
    pod = tutorial.pod_of(*workload.split()).name
    before = counts.sum([pod], SERVED)
    views = sample_at_once(ingress, demand.samples)[ANYONE]
    rise = counts.sum([pod], SERVED) - before
    unserved = [view for view in views if view.status != 200]
    claim = demand.claim(len(views), 0, "pages")
    none_of_them = [f"None of them was answered by {workload}: {claim}."]
    return Observation(
        results=[
            f"While {number(len(views), 'page')} were viewed, {number(rise, 'request')} reached "
            f"{workload}.",
            *(none_of_them if rise == 0 and not unserved else []),
        ],
        problems=[
            *(f"{len(unserved)} of {len(views)} pages were not served, first: {one}"
              for one in unserved[:1]),
            *unless(rise == 0, f"{rise} requests reached {workload}"),
            *unless(claim.holds, str(claim)),
        ],
    )  # fmt: skip


def redis_answers(tutorial: Tutorial, client: str) -> Observation:
    """Ask Redis once from a workload, where it is to answer."""
    answer = _ask_redis(tutorial, client)
    return Observation(
        baselines=[f"Redis answers {client} with {answer or 'nothing'}."],
        problems=unless(answer == "+PONG", f"Redis answers {client} with {quoted(answer)}"),
    )


def redis_denies(tutorial: Tutorial, counts: ProxyCounts, client: str) -> Observation:
    """Ask Redis twice from a workload, where it is to deny both; the second must be counted.

    Without a policy there would be no count of what it denies: the first sees to that.
    """
    if first := _ask_redis(tutorial, client):
        return Observation(problems=[f"Redis answers {client} with {quoted(first)}"])
    before = denials(tutorial, counts, STORAGE)
    answer = _ask_redis(tutorial, client)
    rise = denials(tutorial, counts, STORAGE) - before
    return Observation(
        results=[
            f"Redis answers {client} with {answer or 'nothing'}, and counts "
            f"{number(rise, 'denial')}."
        ],
        problems=[
            *unless(answer == "", f"Redis answers {client} with {quoted(answer)}"),
            *unless(rise == 1, f"denials of Redis counted {before} → {before + rise}"),
        ],
    )


def _ask_redis(tutorial: Tutorial, client: str) -> str:
    """Ask Redis from a workload's pod, on a new connection; what comes back."""
    pod = tutorial.pod_of(*client.split())
    return answer_of_redis(tutorial.cluster, tutorial.namespace, pod.name, pod.app)
