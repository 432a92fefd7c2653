"""What analytics 1.0 can still do, and what reaches it, once traffic is locked down (U6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from pytest_bdd import given, parsers, then

from meshproof.evidence import Evidence
from meshproof.probes.counts import denials, requests_served
from meshproof.probes.ingress import Ingress
from meshproof.probes.inside import answer_of_redis, ask_from_app, ready_endpoints, service_to
from meshproof.probes.views import sample_views
from meshproof.tutorial.pods import PodState
from meshproof.tutorial.tutorial import Tutorial
from meshproof.waiting import ROUTE_IN_FORCE, converge

#: Asks, and returns the status and the body.
Asking = Callable[[], tuple[int, str]]
PROBE_NAME = "probe-analytics-1-0"
#: Views that must make the count rise while traffic is permitted.
BASELINE_VIEWS = 40


@pytest.fixture
def old_analytics(tutorial: Tutorial) -> PodState:
    """The pod of analytics 1.0."""
    return tutorial.pod_of("voting-analytics", "1.0")


@pytest.fixture
def old_by_name(tutorial: Tutorial) -> Iterator[str]:
    """The address of a Service that leads to analytics 1.0 alone."""
    cluster, namespace = tutorial.cluster, tutorial.namespace
    service = service_to(cluster, namespace, PROBE_NAME, "voting-analytics", "1.0", 8080)
    with service as address:
        yield address


@given("the proxy of analytics 1.0 counts the requests that it serves")
def _(tutorial: Tutorial, ingress: Ingress, evidence: Evidence, old_analytics: PodState) -> None:
    before = requests_served(tutorial.cluster, tutorial.namespace, old_analytics.name)
    views = sample_views(ingress, BASELINE_VIEWS)
    expected = sum(1 for view in views if view.version == "1.0")
    after = requests_served(tutorial.cluster, tutorial.namespace, old_analytics.name)
    evidence.observe(f"baseline: {expected} pages of 1.0, the count rose from {before} to {after}")
    assert expected > 0, f"none of {len(views)} pages showed analytics 1.0"
    assert after - before == expected


@then("analytics 1.0 is still deployed, and a ready endpoint of its Service")
def _(tutorial: Tutorial, evidence: Evidence, old_analytics: PodState) -> None:
    endpoints = ready_endpoints(tutorial.cluster, tutorial.namespace, "voting-analytics")
    evidence.observe(f"{old_analytics}; ready endpoints: {endpoints}")
    assert old_analytics.settled, str(old_analytics)
    assert old_analytics.name in endpoints


@then(parsers.parse("its proxy's count stands still while {count:d} pages are viewed"))
def _(
    tutorial: Tutorial,
    ingress: Ingress,
    evidence: Evidence,
    old_analytics: PodState,
    count: int,
) -> None:
    before = requests_served(tutorial.cluster, tutorial.namespace, old_analytics.name)
    views = sample_views(ingress, count)
    after = requests_served(tutorial.cluster, tutorial.namespace, old_analytics.name)
    evidence.observe(f"{len(views)} pages viewed, the count went from {before} to {after}")
    assert all(view.status == 200 for view in views)
    assert after == before, f"{after - before} requests reached analytics 1.0"


@given(
    "a Service of the harness leads to analytics 1.0 alone, and answers an app pod",
    target_fixture="ask_old",
)
def _(tutorial: Tutorial, evidence: Evidence, old_by_name: str) -> Asking:
    cluster, namespace = tutorial.cluster, tutorial.namespace
    app = tutorial.pod_of("voting-app", "1.0").name

    def ask() -> tuple[int, str]:
        return ask_from_app(cluster, namespace, app, f"http://{old_by_name}/analytics")

    answered = converge(
        ask,
        until=lambda answer: answer[0] == 200,
        what="analytics 1.0 answers by a name of its own",
        timeout=ROUTE_IN_FORCE,
    ).value
    evidence.observe(f"before: {old_by_name} answers {app} with {answered}")
    return ask


@then("the app pod's same request is denied with 403, and the proxy of analytics 1.0 counts it")
def _(tutorial: Tutorial, evidence: Evidence, old_analytics: PodState, ask_old: Asking) -> None:
    before = denials(tutorial.cluster, tutorial.namespace, old_analytics.name)
    status, text = ask_old()
    after = denials(tutorial.cluster, tutorial.namespace, old_analytics.name)
    evidence.observe(f"after: {status} {text}; denials counted {before} → {after}")
    assert status == 403, f"{status} {text}"
    assert after == before + 1, f"denials counted {before} → {after}"


@given("analytics 1.0 gets an answer from its storage")
def _(tutorial: Tutorial, evidence: Evidence, old_analytics: PodState) -> None:
    answer = answer_of_redis(tutorial.cluster, tutorial.namespace, old_analytics.name)
    evidence.observe(f"before: Redis answers analytics 1.0 with {answer!r}")
    assert answer == "+PONG", repr(answer)


@then("analytics 1.0 gets no answer from its storage, whose proxy counts the denial")
def _(tutorial: Tutorial, evidence: Evidence, old_analytics: PodState) -> None:
    storage = tutorial.pod_of("voting-storage", "1.0").name
    before = denials(tutorial.cluster, tutorial.namespace, storage)
    answer = answer_of_redis(tutorial.cluster, tutorial.namespace, old_analytics.name)
    after = denials(tutorial.cluster, tutorial.namespace, storage)
    evidence.observe(f"after: Redis answers {answer!r}; denials counted {before} → {after}")
    assert answer == "", f"Redis answers analytics 1.0 with {answer!r}"
    assert after == before + 1, f"denials counted {before} → {after}"
