"""What analytics 1.0 can still do, and what reaches it, once traffic is locked down (U6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from pytest_bdd import given, parsers, then

from meshproof.analysis.strength import Demands
from meshproof.cluster.pods import PodState
from meshproof.mesh.proxy_stats import DENIED, SERVED, ProxyCounts
from meshproof.probes.calls import READY
from meshproof.probes.ingress import Ingress
from meshproof.probes.pod_exec import answer_of_redis, ask_from, ready_endpoints, service_to
from meshproof.probes.views import ANYONE, sample_at_once, sample_views
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial
from meshproof.waiting import ROUTE_IN_FORCE, converge
from meshproof.wording import listed, number, quoted
from steps.sampling import LEAK

#: A workload's app and version.
Workload = tuple[str, str]
#: Asks one workload from another by a new name, and returns the status and the body.
Ask = Callable[[Workload, Workload], tuple[int, str]]
#: Counts what a workload's proxies have denied, by its app and version.
Denials = Callable[[str, str], int]
APP, OLD, NEW = ("voting-app", "1.0"), ("voting-analytics", "1.0"), ("voting-analytics", "1.1")
STORAGE = ("voting-storage", "1.0")
#: Views that must make the count rise while traffic is permitted.
BASELINE_VIEWS = 40


@pytest.fixture
def old_analytics(tutorial: Tutorial) -> PodState:
    """The pod of analytics 1.0."""
    return tutorial.pod_of("voting-analytics", "1.0")


@pytest.fixture
def ask(tutorial: Tutorial) -> Iterator[Ask]:
    """Asks one workload from another, each time by a new name that leads to it alone.

    A new name is a new connection: one that was open before a policy may outlive it.
    """
    cluster, namespace = tutorial.cluster, tutorial.namespace
    with ExitStack() as services:

        def ask(source: Workload, destination: Workload) -> tuple[int, str]:
            name = services.enter_context(
                service_to(cluster, namespace, *destination, {"http": 8080})
            )
            pod, url = tutorial.pod_of(*source), f"http://{name}:8080{READY}"
            return converge(
                lambda: ask_from(cluster, namespace, pod.name, pod.app, url),
                until=lambda answer: answer[0] in (200, 403),
                what=f"{name} leads to {' '.join(destination)}",
                timeout=ROUTE_IN_FORCE,
            ).value

        yield ask


def redis_answers(tutorial: Tutorial, pod: PodState) -> str:
    """Ask Redis from a pod."""
    return answer_of_redis(tutorial.cluster, tutorial.namespace, pod.name, pod.app)


@pytest.fixture
def denials(tutorial: Tutorial, proxy_counts: ProxyCounts) -> Denials:
    """Counts what the proxies of a workload have denied by policy."""

    def denials(app: str, version: str) -> int:
        pods = [pod.name for pod in tutorial.pods() if (pod.app, pod.version) == (app, version)]
        return proxy_counts.sum(pods, DENIED)

    return denials


@given("the proxy of analytics 1.0 counts the requests that it serves")
def _(
    proxy_counts: ProxyCounts, ingress: Ingress, evidence: Evidence, old_analytics: PodState
) -> None:
    before = proxy_counts.sum([old_analytics.name], SERVED)
    views = sample_views(ingress, BASELINE_VIEWS)
    expected = sum(1 for view in views if view.version == "1.0")
    after = proxy_counts.sum([old_analytics.name], SERVED)
    evidence.baseline(
        f"While {number(expected, 'page')} showed 1.0, its proxy's count rose by {after - before}."
    )
    assert expected > 0, f"none of {len(views)} pages showed analytics 1.0"
    assert after - before == expected, (
        f"{number(expected, 'page')} showed 1.0, and its proxy's count rose by {after - before}"
    )


@then("analytics 1.0 is still deployed, and a ready endpoint of its Service")
def _(tutorial: Tutorial, evidence: Evidence, old_analytics: PodState) -> None:
    endpoints = ready_endpoints(tutorial.cluster, tutorial.namespace, "voting-analytics")
    evidence.observe(f"{old_analytics}; ready endpoints: {listed(endpoints)}")
    assert old_analytics.settled, str(old_analytics)
    assert old_analytics.name in endpoints, (
        f"{old_analytics.name} is no ready endpoint; ready endpoints: {listed(endpoints)}"
    )


@then(parsers.parse(f"its proxy's count stands still while pages are viewed, {LEAK}"))
def _(
    proxy_counts: ProxyCounts,
    ingress: Ingress,
    evidence: Evidence,
    demands: Demands,
    old_analytics: PodState,
    leak: float,
    confidence: float,
) -> None:
    demand = demands.always(leak / 100, confidence / 100)
    before = proxy_counts.sum([old_analytics.name], SERVED)
    views = sample_at_once(ingress, demand.samples)[ANYONE]
    after = proxy_counts.sum([old_analytics.name], SERVED)
    evidence.result(
        f"While {number(len(views), 'page')} were viewed, {number(after - before, 'request')} "
        "reached analytics 1.0."
    )
    unserved = [view for view in views if view.status != 200]
    assert all(view.status == 200 for view in views), (
        f"{len(unserved)} of {len(views)} pages were not served, first: {unserved[0]}"
    )
    assert after == before, f"{after - before} requests reached analytics 1.0"
    claim = demand.claim(len(views), 0, "pages")
    evidence.result(f"None of them was answered by analytics 1.0: {claim}.")
    assert claim.holds, str(claim)


@given("an app pod gets an answer from analytics 1.0, asked by a name that leads to it alone")
def _(evidence: Evidence, ask: Ask) -> None:
    status, text = ask(APP, OLD)
    evidence.baseline(f"Analytics 1.0 answers an app pod with {status}: {text}.")
    assert status == 200, f"analytics 1.0 answers an app pod with {status} {text}"


@given("analytics 1.0 gets answers from the app, from analytics 1.1 and from its storage")
def _(tutorial: Tutorial, evidence: Evidence, old_analytics: PodState, ask: Ask) -> None:
    for server in (APP, NEW):
        status, text = ask(OLD, server)
        evidence.baseline(f"{' '.join(server)} answers analytics 1.0 with {status}.")
        assert status == 200, f"{' '.join(server)} answers analytics 1.0 with {status} {text}"
    answer = redis_answers(tutorial, old_analytics)
    evidence.baseline(f"Redis answers analytics 1.0 with {answer or 'nothing'}.")
    assert answer == "+PONG", f"Redis answers analytics 1.0 with {quoted(answer)}"


@then("an app pod that asks by a new name is denied with 403, and 1.0's proxy counts it")
def _(denials: Denials, evidence: Evidence, ask: Ask) -> None:
    denied_with_403(denials, evidence, ask, APP, OLD)


@then("analytics 1.0 gets no answer from any of them, and each one's proxy counts the denial")
def _(
    tutorial: Tutorial, denials: Denials, evidence: Evidence, old_analytics: PodState, ask: Ask
) -> None:
    for server in (APP, NEW):
        denied_with_403(denials, evidence, ask, OLD, server)
    answer = redis_answers(tutorial, old_analytics)
    assert answer == "", f"Redis answers analytics 1.0 with {quoted(answer)}"
    before = denials(*STORAGE)
    answer = redis_answers(tutorial, old_analytics)
    after = denials(*STORAGE)
    evidence.result(
        f"Redis answers analytics 1.0 with {answer or 'nothing'}, and counts "
        f"{number(after - before, 'denial')}."
    )
    assert answer == "", f"Redis answers analytics 1.0 with {quoted(answer)}"
    assert after == before + 1, f"denials of Redis counted {before} → {after}"


def denied_with_403(
    denials: Denials, evidence: Evidence, ask: Ask, source: Workload, destination: Workload
) -> None:
    """Require that one workload denies another, and that its proxies count just that."""

    def denied() -> str:
        status, text = ask(source, destination)
        said = f"{' '.join(destination)} answers {' '.join(source)} with {status} {text}"
        assert status == 403, said
        return said

    denied()  # without a policy there would be no count of what it denies
    before = denials(*destination)
    said = denied()
    after = denials(*destination)
    evidence.result(f"{said}, and its proxy counts {number(after - before, 'denial')}.")
    assert after == before + 1, f"denials of {' '.join(destination)} counted {before} → {after}"
