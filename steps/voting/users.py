"""Users who view the page and vote while the tutorial goes on, and what they live through."""

from __future__ import annotations

from pytest_bdd import given, parsers, then, when

from meshproof.analysis.timeline import Timeline
from meshproof.plugin.tutorial import Beside
from meshproof.probes.steady import SteadyTraffic
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial
from steps.voting import rollout as users
from steps.voting.rollout import WITH_FLAG, WITHOUT_FLAG
from steps.voting.stored_rows import Row
from steps.voting.voting_app import FLAG


@given(
    parsers.parse(
        'users without the flag view and vote in a separate namespace, from stage "{stage}" on'
    ),
    target_fixture="rollout",
)
def users_in_a_separate_namespace(beside: Beside, traffic: SteadyTraffic, stage: str) -> Tutorial:
    """Follow the tutorial in a new namespace to a stage; from there on users view and vote."""
    rollout = users.watched(beside("steady"), traffic, stage)
    users.begin(traffic, WITHOUT_FLAG, {})
    return rollout


@given("users without the flag view the page and vote throughout")
def users_without_the_flag(tutorial: Tutorial, traffic: SteadyTraffic) -> None:
    """Two users, one on a kept connection and one on new ones, begin and do not stop."""
    tutorial.mark = traffic.step
    users.begin(traffic, WITHOUT_FLAG, {})
    traffic.await_requests()


@given("users with the flag view the page and vote throughout")
def users_with_the_flag(traffic: SteadyTraffic) -> None:
    """Two users with the flag begin, too, and do not stop."""
    users.begin(traffic, WITH_FLAG, FLAG)
    traffic.await_requests()


@when(
    parsers.parse(
        'that namespace goes on to the last stage, with users with the flag, too, from "{stage}" on'
    ),
    target_fixture="stored",
)
def rollout_goes_on_to_its_end(
    rollout: Tutorial, traffic: SteadyTraffic, stage: str
) -> dict[str, list[Row]]:
    """Go through all stages to the last, and read what each store holds."""
    return users.to_the_end(rollout, traffic, stage)


@when("traffic is locked down in the published order, step 2a and then step 2b")
def locked_down_as_published(tutorial: Tutorial, traffic: SteadyTraffic) -> None:
    """Apply both steps as the tutorial has them, with users who go on between them."""
    users.lock_down_as_published(tutorial, traffic)


@then(parsers.parse("every request between step 2a and step 2b got a {status:d}"))
def every_request_between_got(timeline: Timeline, evidence: Evidence, status: int) -> None:
    """From the first step to the second nobody is served."""
    seen = evidence.tell(users.outage_between(timeline, status))
    assert not seen.problem, seen.problem


@then("no request failed that ended before step 2a or began after step 2b")
def no_request_failed_around(timeline: Timeline, evidence: Evidence) -> None:
    """Before the first step and after the second everybody is served."""
    seen = evidence.tell(users.served_around(timeline))
    assert not seen.problem, seen.problem


@then(parsers.parse('every page that users viewed throughout was version "{version}"'))
def every_page_was(timeline: Timeline, version: str) -> None:
    """Each request got a page of this version."""
    others = users.of_version(timeline.requests, version)
    assert not others, others


@then(
    parsers.parse(
        'users without the flag got version "{version}" alone until the first command of "{stage}"'
    )
)
def users_got_before(timeline: Timeline, evidence: Evidence, version: str, stage: str) -> None:
    """Until the stage's first command, each page without the flag is of this version."""
    seen = users.before_and_after(timeline, stage, after=False, version=version)
    assert not evidence.tell(seen).problem, seen.problem


@then(
    parsers.parse('users without the flag got version "{version}" alone once "{stage}" was reached')
)
def users_got_after(timeline: Timeline, evidence: Evidence, version: str, stage: str) -> None:
    """Once the stage is in force, each page without the flag is of this version."""
    seen = users.before_and_after(timeline, stage, after=True, version=version)
    assert not evidence.tell(seen).problem, seen.problem


@then("every acknowledged vote is stored exactly once, by the version that acknowledged it")
def every_vote_is_stored_once(
    timeline: Timeline, stored: dict[str, list[Row]], evidence: Evidence
) -> None:
    """The stores hold each acknowledged vote, by its id, once, and in its own version's store."""
    seen = evidence.tell(users.votes_stored(timeline, stored))
    assert not seen.problem, seen.problem
