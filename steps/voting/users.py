"""Users who view the page and vote while the tutorial goes on, and what they live through."""

from __future__ import annotations

from pytest_bdd import given, parsers, then, when

from meshproof.analysis.timeline import Timeline
from meshproof.probes.steady import SteadyTraffic
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial
from steps.voting import rollout as users
from steps.voting.stored_rows import Row


@given(parsers.parse("{kind} view the page and vote during the whole scenario"))
def users_view_and_vote(tutorial: Tutorial, traffic: SteadyTraffic, kind: str) -> None:
    """Two users of a kind, one on a kept connection and one on new ones, begin and do not stop."""
    tutorial.mark, traffic.host = traffic.step, tutorial.host
    users.begin(traffic, kind)
    traffic.await_requests()


@when(
    parsers.parse(
        'the tutorial goes on to its last stage, joined by users with the flag at stage "{stage}"'
    ),
    target_fixture="stored",
)
def rollout_goes_on_to_its_end(
    tutorial: Tutorial, traffic: SteadyTraffic, stage: str
) -> dict[str, list[Row]]:
    """Go through all stages to the last, and read what each store holds."""
    return users.to_the_end(tutorial, traffic, stage)


@when("traffic is locked down by step 2a and then step 2b, in the published order")
def locked_down_as_published(tutorial: Tutorial, traffic: SteadyTraffic) -> None:
    """Apply both steps as the tutorial has them, with users who go on between them."""
    users.lock_down_as_published(tutorial, traffic)


@then(parsers.parse("every request between step 2a and step 2b got a {status:d}"))
def every_request_between_got(timeline: Timeline, evidence: Evidence, status: int) -> None:
    """From the first step to the second nobody is served."""
    seen = evidence.tell(users.outage_between(timeline, status))
    assert not seen.problem, seen.problem


@then("no request that ended before step 2a, or that began after step 2b, failed")
def no_request_failed_around(timeline: Timeline, evidence: Evidence) -> None:
    """Before the first step and after the second everybody is served."""
    seen = evidence.tell(users.served_around(timeline))
    assert not seen.problem, seen.problem


@then("every acknowledged vote is stored exactly once, by the version that acknowledged it")
def every_vote_is_stored_once(
    timeline: Timeline, stored: dict[str, list[Row]], evidence: Evidence
) -> None:
    """The stores hold each acknowledged vote, by its id, once, and in its own version's store."""
    seen = evidence.tell(users.votes_stored(timeline, stored))
    assert not seen.problem, seen.problem
