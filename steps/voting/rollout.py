"""What users live through while the tutorial goes on, held against what they are to get."""

from __future__ import annotations

import math

from meshproof.analysis.observation import Observation, unless
from meshproof.analysis.timeline import Timeline
from meshproof.cluster.objects import live_objects
from meshproof.probes.steady import REQUESTS_OF_EACH, SteadyTraffic, User
from meshproof.suite.tutorial import Tutorial
from meshproof.wording import NAMED, by_name, in_turn, number
from steps.voting.flag_cookie import WITH
from steps.voting.stored_rows import Row, in_mysql, in_redis
from steps.voting.voters import views_and_votes, votes_amiss
from steps.voting.voting_app import USERS

#: Requests a second, of each user.
PACE = 8.0
#: By what is put behind the user's name: one on a connection that is kept, one on new ones.
CONNECTIONS = {"on a kept connection": False, "on new connections": True}
#: Step 2a before step 2b, as the tutorial has it; the third is not the tutorial's.
PUBLISHED = (
    "step-2a-update-voting-app-virtualservice",
    "step-2b-add-routing-for-all-components",
    "step-2c-authorize-components",
)


def to_the_end(rollout: Tutorial, traffic: SteadyTraffic, stage: str) -> dict[str, list[Row]]:
    """Go on to the tutorial's end, with users who have the flag from a stage on.

    Returns the votes that each store holds, read once nobody votes there any more.
    """
    stored, names = {}, rollout.suite.stage_names
    for name in names[names.index("exposed") + 1 :]:
        rollout.follow_to(name)
        if name == stage:
            begin(traffic, WITH)
        if name == "rolled-out":  # it is about to go
            traffic.await_requests()
            stored["redis"] = in_redis(rollout)
    traffic.ended()
    stored["mysql"] = in_mysql(rollout)
    return stored


def lock_down_as_published(tutorial: Tutorial, traffic: SteadyTraffic) -> None:
    """Apply step 2a and then step 2b, with users who go on between them and after."""
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


def outage_between(timeline: Timeline, status: int) -> Observation:
    """Hold the requests between step 2a and step 2b against a status."""
    begin, end = timeline.entered("2a alone")
    requests, failed = timeline.between(begin, end), timeline.failed
    served = [str(request) for request in requests if request.status != status]
    return Observation(
        results=[
            f"{len(requests) - len(served)} of {len(requests)} requests in the {end - begin:.1f} s "
            f"between the steps got {status}; in all {len(failed)} failed, from "
            f"{failed[0].at:.1f} s to {failed[-1].end:.1f} s."
            if failed
            else f"None of {len(requests)} requests failed."
        ],
        problems=unless(
            requests and not served,
            f"{len(served)} of {len(requests)} did not: {in_turn(served, most=NAMED)}",
        ),
    )


def served_around(timeline: Timeline) -> Observation:
    """Hold the requests that ended before step 2a or began after step 2b against failures."""
    begin, end = timeline.entered("2a")[0], timeline.entered("2b")[1]
    before, after = timeline.between(0, begin), timeline.between(end, math.inf)
    failed = [str(request) for request in (*before, *after) if request.problem]
    return Observation(
        results=[
            f"{len(failed)} of {len(before)} requests before step 2a and {len(after)} after step "
            "2b failed."
        ],
        problems=[
            *unless(
                before and after,
                f"{len(before)} requests before step 2a, {len(after)} after step 2b",
            ),
            *unless(
                not failed,
                f"{number(len(failed), 'request')} failed: {in_turn(failed, most=NAMED)}",
            ),
        ],
    )


def votes_stored(timeline: Timeline, stored: dict[str, list[Row]]) -> Observation:
    """Hold the acknowledged votes against what the stores hold."""
    acknowledged = [request for request in timeline.requests if request.acknowledged]
    wrong = votes_amiss(timeline, stored)
    held = by_name({store: len(rows) for store, rows in stored.items()})
    return Observation(
        results=[
            f"Of {len(acknowledged)} acknowledged votes {len(wrong)} are not stored exactly once; "
            f"rows: {held}."
        ],
        problems=[
            *unless(all(stored.values()), f"a store without votes: {held}"),
            *unless(
                not wrong,
                f"{len(wrong)} of {len(acknowledged)} votes are amiss: "
                f"{in_turn(wrong, most=NAMED)}",
            ),
        ],
    )


def apply(tutorial: Tutorial, step: str, line: str) -> None:
    """Run a command, and wait until the proxies have loaded what it changed."""
    before = live_objects(tutorial.cluster, tutorial.namespace)
    with tutorial.mark(f"{step}: {line}"):
        tutorial.run(line)
    with tutorial.mark(f"{step}: wait for the proxies"):
        tutorial.await_change(before, live_objects(tutorial.cluster, tutorial.namespace))


def begin(traffic: SteadyTraffic, kind: str) -> None:
    """Have two users of a kind begin."""
    for connection, fresh in CONNECTIONS.items():
        traffic.begin(User(f"{kind}, {connection}", PACE, views_and_votes(USERS[kind]), fresh))
