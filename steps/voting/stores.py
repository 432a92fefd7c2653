"""The stores: the votes of both versions, as Redis and MySQL themselves hold them."""

from __future__ import annotations

from pytest_bdd import given, parsers, then, when

from meshproof.probes.steady import SteadyTraffic
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial
from steps.voting import store_votes as votes
from steps.voting.ballots import Counted
from steps.voting.store_votes import Loss
from steps.voting.stored_rows import STORES, Row, in_mysql
from steps.voting.voting_app import VotingApp


@when("votes are cast one after the other", target_fixture="counted")
def votes_are_cast_one_by_one(
    voting_app: VotingApp, evidence: Evidence, datatable: list[list[str]]
) -> list[Counted]:
    """Cast votes in either version, with the page of both viewed after each."""
    counted = votes.cast_in_turn(voting_app, datatable[1:])
    evidence.text("votes in both versions", "".join(f"{one}\n" for one in counted))
    return counted


@then(parsers.parse("{store} holds just the votes cast in {version}"))
def store_holds(
    counted: list[Counted], tutorial: Tutorial, evidence: Evidence, store: str, version: str
) -> None:
    """The store, read by its own client, holds each of these votes once, and no others."""
    seen = evidence.tell(votes.held_by(store, version, STORES[store](tutorial), counted))
    assert not seen.problem, seen.problem


@then("after each vote the page of each version counted only the votes of that version")
def pages_counted_apart(counted: list[Counted], evidence: Evidence) -> None:
    """No vote ever showed on the page of the other version."""
    seen = evidence.tell(votes.counted_apart(counted))
    assert not seen.problem, seen.problem


@given(parsers.parse('{count:d} votes are cast in version "{version}"'), target_fixture="kept")
def votes_are_cast(
    voting_app: VotingApp, tutorial: Tutorial, evidence: Evidence, count: int, version: str
) -> list[Row]:
    """Cast votes that MySQL then holds: the baseline."""
    return votes.cast_to_keep(voting_app, tutorial, count, version, evidence.require)


@when(
    "mysqld is killed and its pod deleted while votes are cast until a new pod runs",
    target_fixture="loss",
)
def mysql_is_lost(tutorial: Tutorial, traffic: SteadyTraffic, evidence: Evidence) -> Loss:
    """Kill the server with SIGKILL, and delete its pod; another pod is waited for."""
    loss = votes.lose_mysql(tutorial, traffic)
    evidence.require(votes.told_of_loss(loss, traffic.timeline().table()))
    return loss


@then("MySQL holds every acknowledged vote exactly once")
def no_vote_is_lost(loss: Loss, kept: list[Row], tutorial: Tutorial, evidence: Evidence) -> None:
    """No vote that the app acknowledged is lost with the pod, and none is there twice."""
    seen = evidence.tell(votes.held_after_loss(loss, kept, in_mysql(tutorial)))
    assert not seen.problem, seen.problem


@then("every vote that was not stored was answered with 503 and a page that names the storage")
def refusals_say_why(loss: Loss) -> None:
    """Who could not vote meanwhile was told so, and why."""
    silent = votes.refused_silently(loss)
    assert not silent, silent


@then(parsers.parse('a MySQL pod other than the deleted one mounts the claim "{claim}"'))
def another_pod_is_on_the_claim(
    loss: Loss, tutorial: Tutorial, evidence: Evidence, claim: str
) -> None:
    """The pod is another than the one that was lost, with the claim of that one."""
    seen = evidence.tell(votes.replaced_on(tutorial, loss, claim))
    assert not seen.problem, seen.problem


@then(parsers.parse('the page of version "{version}" counts the votes that MySQL holds'))
def page_shows_votes_of_mysql(
    voting_app: VotingApp, tutorial: Tutorial, evidence: Evidence, version: str
) -> None:
    """The page counts just what MySQL holds."""
    seen = evidence.tell(votes.page_counts(voting_app, in_mysql(tutorial), version))
    assert not seen.problem, seen.problem


@then("MySQL holds exactly the votes that it held before")
def mysql_holds_the_same(kept: list[Row], tutorial: Tutorial, evidence: Evidence) -> None:
    """Each vote from before is there once, and no others."""
    seen = evidence.tell(votes.same_rows(kept, in_mysql(tutorial)))
    assert not seen.problem, seen.problem
