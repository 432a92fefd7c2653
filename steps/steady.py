"""Steady traffic: what users live through while the tutorial goes on (A1, C1, F3)."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from pytest_bdd import given, parsers, then, when

from fixtures.tutorial import Beside
from meshproof.analysis.timeline import Timeline
from meshproof.cluster.objects import live_objects
from meshproof.probes.ingress import FLAG, Ingress
from meshproof.probes.steady import SteadyTraffic, User, steady_traffic, votes_amiss
from meshproof.probes.stores import Row, in_mysql, in_redis
from meshproof.signoff.evidence import Evidence
from meshproof.suite.transitional import NAMES
from meshproof.suite.tutorial import Tutorial
from meshproof.wording import NAMED, by_name, in_turn, number

#: Requests a second, of each user.
PACE = 8.0
#: By what is put behind the user's name: one on a connection that is kept, one on new ones.
CONNECTIONS = {"on a kept connection": False, "on new connections": True}
#: Requests of each user that must tell of a time between steps, or after the last one.
REQUESTS_OF_EACH = 10
#: Step 2a before step 2b, as the tutorial has it; the third is not the tutorial's.
PUBLISHED = (
    "step-2a-update-voting-app-virtualservice",
    "step-2b-add-routing-for-all-components",
    "step-2c-authorize-components",
)
WITHOUT_FLAG, WITH_FLAG = "a user without the flag", "a user with the flag"


@pytest.fixture
def traffic(ingress: Ingress) -> Iterator[SteadyTraffic]:
    """Steady traffic through the ingress, which ends with the scenario."""
    with steady_traffic(ingress.url, ingress.host) as traffic:
        yield traffic


@pytest.fixture
def timeline(traffic: SteadyTraffic, evidence: Evidence) -> Timeline:
    """What the users lived through: they end here, and all of it is evidence."""
    try:
        # What the last step led to is for users, too.
        traffic.end(after=REQUESTS_OF_EACH)
    finally:
        timeline = traffic.timeline()
        evidence.text("timeline", timeline.table())
        evidence.text("requests that failed", "".join(f"{line}\n" for line in timeline.failures()))
        evidence.data("timeline", timeline.as_json())
        for line in timeline.summary():
            evidence.observe(line)
    return timeline


@given(
    parsers.parse('users without the flag, from "{stage}" on, in a namespace of its own'),
    target_fixture="rollout",
)
def _(beside: Beside, traffic: SteadyTraffic, stage: str) -> Tutorial:
    rollout = beside("steady")
    rollout.mark = traffic.step
    traffic.host = rollout.host
    rollout.follow_to(stage)
    begin(traffic, WITHOUT_FLAG, {})
    return rollout


@given("users without the flag who view the page and vote, again and again")
def _(tutorial: Tutorial, traffic: SteadyTraffic) -> None:
    tutorial.mark = traffic.step
    begin(traffic, WITHOUT_FLAG, {})
    traffic.await_requests()


@given("users with the flag who do the same")
def _(traffic: SteadyTraffic) -> None:
    begin(traffic, WITH_FLAG, FLAG)
    traffic.await_requests()


@when(
    parsers.parse(
        'the tutorial is gone through to its end, with users who have the flag from "{stage}" on'
    ),
    target_fixture="stored",
)
def _(rollout: Tutorial, traffic: SteadyTraffic, stage: str) -> dict[str, list[Row]]:
    """The votes that each store holds, read once nobody votes there any more."""
    stored = {}
    for name in NAMES[NAMES.index("exposed") + 1 :]:
        rollout.follow_to(name)
        if name == stage:
            begin(traffic, WITH_FLAG, FLAG)
        if name == "rolled-out":  # it is about to go
            traffic.await_requests()
            stored["redis"] = in_redis(rollout)
    traffic.end(after=REQUESTS_OF_EACH)
    stored["mysql"] = in_mysql(rollout)
    return stored


@when("traffic is locked down in the published order, step 2a and then step 2b")
def _(tutorial: Tutorial, traffic: SteadyTraffic) -> None:
    step_2a, step_2b, policies = (
        f"kubectl apply -f istio/{file}.yaml --namespace {tutorial.namespace}" for file in PUBLISHED
    )
    apply(tutorial, "2a", step_2a)
    with traffic.step("2a alone: users go on"):
        traffic.await_requests(REQUESTS_OF_EACH)
    apply(tutorial, "2b", step_2b)
    traffic.await_requests(REQUESTS_OF_EACH)
    # Not the tutorial's: with them it is a stage again, from which there is a way back.
    apply(tutorial, "2c", policies)


@then(parsers.parse("every request between step 2a and step 2b got a {status:d}"))
def _(timeline: Timeline, evidence: Evidence, status: int) -> None:
    begin, end = timeline.entered("2a alone")
    requests = timeline.between(begin, end)
    served = [str(request) for request in requests if request.status != status]
    failed = timeline.failed
    evidence.result(
        f"{len(requests) - len(served)} of {len(requests)} requests in the {end - begin:.1f} s "
        f"between the steps got {status}; in all {len(failed)} failed, from {failed[0].at:.1f} s "
        f"to {failed[-1].end:.1f} s."
        if failed
        else f"None of {len(requests)} requests failed."
    )
    assert requests and not served, (
        f"{len(served)} of {len(requests)} did not: {in_turn(served, most=NAMED)}"
    )


@then("no request failed that ended before step 2a or began after step 2b")
def _(timeline: Timeline, evidence: Evidence) -> None:
    begin, end = timeline.entered("2a")[0], timeline.entered("2b")[1]
    before, after = timeline.between(0, begin), timeline.between(end, math.inf)
    failed = [str(request) for request in (*before, *after) if request.problem]
    evidence.result(
        f"{len(failed)} of {len(before)} requests before step 2a and {len(after)} after step 2b "
        "failed."
    )
    assert before and after, f"{len(before)} requests before step 2a, {len(after)} after step 2b"
    assert not failed, f"{number(len(failed), 'request')} failed: {in_turn(failed, most=NAMED)}"


@then("no request failed at any step")
def _(timeline: Timeline, evidence: Evidence) -> None:
    failures, count = timeline.failures(), len(timeline.requests)
    evidence.result(
        f"{len(failures)} of {count} requests failed, in {number(len(timeline.steps), 'step')}."
    )
    assert count and not failures, (
        f"{len(failures)} of {count} requests failed: {in_turn(failures, most=NAMED)}"
    )


@then(parsers.parse('every page that they got was version "{version}"'))
def _(timeline: Timeline, version: str) -> None:
    others = [str(request) for request in timeline.requests if request.version != version]
    assert not others, (
        f"{len(others)} of {len(timeline.requests)} were another: {in_turn(others, most=NAMED)}"
    )


@then(
    parsers.parse(
        'users without the flag got only "{old}" until "{stage}" was begun, and only "{new}" '
        "once it was there"
    )
)
def _(timeline: Timeline, evidence: Evidence, old: str, stage: str, new: str) -> None:
    begin, end = timeline.entered(stage)
    for version, requests in (
        (old, timeline.between(0, begin)),
        (new, timeline.between(end, math.inf)),
    ):
        plain = [request for request in requests if request.user.startswith(WITHOUT_FLAG)]
        others = [str(request) for request in plain if request.version != version]
        evidence.result(
            f"{len(others)} of {len(plain)} pages without the flag were another version than "
            f"{version}."
        )
        assert plain and not others, (
            f"{len(others)} of {len(plain)} were another: {in_turn(others, most=NAMED)}"
        )


@then("every acknowledged vote is stored exactly once, in the store of the version that said so")
def _(timeline: Timeline, stored: dict[str, list[Row]], evidence: Evidence) -> None:
    acknowledged = [request for request in timeline.requests if request.acknowledged]
    wrong = votes_amiss(timeline, stored)
    held = {store: len(rows) for store, rows in stored.items()}
    evidence.result(
        f"Of {len(acknowledged)} acknowledged votes {len(wrong)} are not stored exactly once; "
        f"rows: {by_name(held)}."
    )
    assert all(held.values()), f"a store without votes: {by_name(held)}"
    assert not wrong, (
        f"{len(wrong)} of {len(acknowledged)} votes are amiss: {in_turn(wrong, most=NAMED)}"
    )


def apply(tutorial: Tutorial, step: str, line: str) -> None:
    """Run a command, and wait until the proxies have loaded what it changed."""
    before = live_objects(tutorial.cluster, tutorial.namespace)
    with tutorial.mark(f"{step}: {line}"):
        tutorial.run(line)
    with tutorial.mark(f"{step}: wait for the proxies"):
        tutorial.await_change(before, live_objects(tutorial.cluster, tutorial.namespace))


def begin(traffic: SteadyTraffic, name: str, headers: dict[str, str]) -> None:
    """Have two users of a kind begin."""
    for connection, fresh in CONNECTIONS.items():
        traffic.begin(User(f"{name}, {connection}", PACE, headers, fresh))
