"""Steady traffic across the whole rollout, and what became of each vote (A1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from pytest_bdd import given, parsers, then, when

from fixtures.tutorial import Beside
from meshproof.environment import Environment
from meshproof.evidence import Evidence
from meshproof.probes.ingress import FLAG
from meshproof.probes.steady import SteadyTraffic, User, steady_traffic, votes_amiss
from meshproof.probes.stores import Row, mysql_rows, redis_rows
from meshproof.timeline import Timeline
from meshproof.tutorial.stages import NAMES, stage_named
from meshproof.tutorial.tutorial import Tutorial

#: Requests a second, of each user.
PACE = 8.0
#: By what is put behind the user's name: one on a connection that is kept, one on new ones.
CONNECTIONS = {"on a kept connection": False, "on new connections": True}


@dataclass(frozen=True)
class Rollout:
    """A rollout that users lived through: their timeline, and the votes that its stores hold."""

    timeline: Timeline
    stored: dict[str, list[Row]]


@pytest.fixture
def traffic(environment: Environment) -> Iterator[SteadyTraffic]:
    """Steady traffic through the ingress, which ends with the scenario."""
    with steady_traffic(environment.loopback) as traffic:
        yield traffic


@given("the way in through the ingress is free")
def _(tutorial: Tutorial) -> None:
    stage = tutorial.stage()
    if stage and stage_named(stage).served:
        tutorial.follow_to(NAMES[0])


@given(
    parsers.parse('users without the flag, from "{stage}" on, in a namespace of its own'),
    target_fixture="rollout_of_its_own",
)
def _(beside: Beside, traffic: SteadyTraffic, stage: str) -> Tutorial:
    rollout = beside("steady")
    rollout.mark = traffic.step
    rollout.follow_to(stage)
    begin(traffic, "a user without the flag", {})
    return rollout


@when(
    parsers.parse(
        'the tutorial is gone through to its end, with users who have the flag from "{stage}" on'
    ),
    target_fixture="rollout",
)
def _(
    rollout_of_its_own: Tutorial, traffic: SteadyTraffic, evidence: Evidence, stage: str
) -> Rollout:
    tutorial, stored = rollout_of_its_own, {}
    cluster, namespace = tutorial.cluster, tutorial.namespace
    for name in NAMES[NAMES.index("exposed") + 1 :]:
        tutorial.follow_to(name)
        if name == stage:
            begin(traffic, "a user with the flag", FLAG)
        if name == "rolled-out":  # nobody votes there any more, and it is about to go
            pod = tutorial.pod_of("voting-storage", "1.0")
            stored["redis"] = redis_rows(cluster, namespace, pod.name)
    traffic.end()
    pod = tutorial.pod_of("voting-storage", "2.0")
    stored["mysql"] = mysql_rows(cluster, namespace, pod.name)
    timeline = traffic.timeline()
    evidence.text("timeline", timeline.table())
    evidence.text("requests that failed", "".join(f"{line}\n" for line in timeline.failures()))
    evidence.data("timeline", timeline.as_json())
    for line in timeline.summary():
        evidence.observe(line)
    return Rollout(timeline, stored)


@then("no request failed at any step")
def _(rollout: Rollout, evidence: Evidence) -> None:
    timeline = rollout.timeline
    failures = timeline.failures()
    evidence.observe(
        f"{len(timeline.requests)} requests across {len(timeline.steps)} steps, "
        f"{len(failures)} failed"
    )
    assert timeline.requests and not failures, (
        f"{len(failures)} of {len(timeline.requests)} requests failed: {failures[:10]}"
    )


@then("every acknowledged vote is stored exactly once, in the store of the version that said so")
def _(rollout: Rollout, evidence: Evidence) -> None:
    acknowledged = [request for request in rollout.timeline.requests if request.acknowledged]
    wrong = votes_amiss(rollout.timeline, rollout.stored)
    held = {store: len(rows) for store, rows in rollout.stored.items()}
    evidence.observe(f"{len(acknowledged)} votes acknowledged; rows by store: {held}")
    assert all(held.values()), f"a store without votes: {held}"
    assert not wrong, f"{len(wrong)} of {len(acknowledged)} votes are amiss: {wrong[:10]}"


def begin(traffic: SteadyTraffic, name: str, headers: dict[str, str]) -> None:
    """Have two users of a kind begin."""
    for connection, fresh in CONNECTIONS.items():
        traffic.begin(User(f"{name}, {connection}", PACE, headers, fresh))
