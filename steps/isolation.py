"""What analytics 1.0 can still do, and what reaches it, once traffic is locked down (U6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

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

#: Asks by the name of a new Service, and returns the status and the body.
Ask = Callable[[str], tuple[int, str]]
#: Views that must make the count rise while traffic is permitted.
BASELINE_VIEWS = 40


@pytest.fixture
def old_analytics(tutorial: Tutorial) -> PodState:
    """The pod of analytics 1.0."""
    return tutorial.pod_of("voting-analytics", "1.0")


@pytest.fixture
def ask_old(tutorial: Tutorial) -> Iterator[Ask]:
    """Asks analytics 1.0 from an app pod, by a name that leads to it alone."""
    cluster, namespace = tutorial.cluster, tutorial.namespace
    with ExitStack() as services:

        def ask(name: str) -> tuple[int, str]:
            address = services.enter_context(
                service_to(cluster, namespace, name, "voting-analytics", "1.0", 8080)
            )
            app = tutorial.pod_of("voting-app", "1.0").name
            return converge(
                lambda: ask_from_app(cluster, namespace, app, f"http://{address}/analytics"),
                until=lambda answer: answer[0] in (200, 403),
                what=f"{address} leads to analytics 1.0",
                timeout=ROUTE_IN_FORCE,
            ).value

        yield ask


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


@given("an app pod gets an answer from analytics 1.0, asked by a name that leads to it alone")
def _(evidence: Evidence, ask_old: Ask) -> None:
    status, text = ask_old("probe-before")
    evidence.observe(f"before: analytics 1.0 answers an app pod with {status} {text}")
    assert status == 200, f"{status} {text}"


@then(
    "an app pod that asks by a new name is denied with 403, "
    "and the proxy of analytics 1.0 counts it"
)
def _(tutorial: Tutorial, evidence: Evidence, old_analytics: PodState, ask_old: Ask) -> None:
    # A new name is a new connection: one that was open before the policy may outlive it.
    status, text = ask_old("probe-after")
    assert status == 403, f"{status} {text}"
    before = denials(tutorial.cluster, tutorial.namespace, old_analytics.name)
    status, text = ask_old("probe-counted")
    after = denials(tutorial.cluster, tutorial.namespace, old_analytics.name)
    evidence.observe(f"after: {status} {text}; denials counted {before} → {after}")
    assert after == before + 1, f"denials counted {before} → {after}"


@given("analytics 1.0 gets an answer from its storage")
def _(tutorial: Tutorial, evidence: Evidence, old_analytics: PodState) -> None:
    answer = answer_of_redis(tutorial.cluster, tutorial.namespace, old_analytics.name)
    evidence.observe(f"before: Redis answers analytics 1.0 with {answer!r}")
    assert answer == "+PONG", repr(answer)


@then("analytics 1.0 gets no answer from its storage, whose proxy counts the denial")
def _(tutorial: Tutorial, evidence: Evidence, old_analytics: PodState) -> None:
    storage = tutorial.pod_of("voting-storage", "1.0").name
    answer = answer_of_redis(tutorial.cluster, tutorial.namespace, old_analytics.name)
    assert answer == "", f"Redis answers analytics 1.0 with {answer!r}"
    before = denials(tutorial.cluster, tutorial.namespace, storage)
    answer = answer_of_redis(tutorial.cluster, tutorial.namespace, old_analytics.name)
    after = denials(tutorial.cluster, tutorial.namespace, storage)
    evidence.observe(f"after: Redis answers {answer!r}; denials counted {before} → {after}")
    assert after == before + 1, f"denials counted {before} → {after}"
