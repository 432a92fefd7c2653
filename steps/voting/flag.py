"""The feature flag: whom it leads to 2.0, and how long and where its cookie lasts."""

from __future__ import annotations

from playwright.sync_api import Page as Tab
from pytest_bdd import given, parsers, then, when

from meshproof.analysis.strength import AlwaysDemand
from meshproof.signoff.evidence import Evidence
from steps.voting.cookie_corpus import Gate, Seen, by_kinds, generate
from steps.voting.cookies import seen_with
from steps.voting.flag_switch import (
    OnAndOff,
    cleared,
    sent_for_the_site,
    set_for_the_site,
    switch_on_and_off,
    told,
)
from steps.voting.samples import AlwaysSample, page_views_of, versions_of_users
from steps.voting.voting_app import FLAG, VotingApp

WITH, WITHOUT = "with the flag", "without the flag"


@given("users without the flag reach app 1.0, and users with the flag app 2.0")
def users_reach_both_apps(voting_app: VotingApp, evidence: Evidence) -> None:
    """A page view of each kind of user is served by their own version: the baseline."""
    seen = evidence.tell(versions_of_users(voting_app, {WITHOUT: ({}, "1.0"), WITH: (FLAG, "2.0")}))
    assert not seen.problem, seen.problem


@when(
    "page views with the flag and without it are sampled in turn through the ingress",
    target_fixture="always",
)
def both_users_are_sampled(
    voting_app: VotingApp, evidence: Evidence, demand: AlwaysDemand
) -> AlwaysSample:
    """View the page with the flag and without it in turn, each as often as the demand says."""
    sample = page_views_of(voting_app, demand, {WITH: FLAG, WITHOUT: {}})
    evidence.tell(sample.kept())
    return sample


@when(
    "page views with the flag are sampled through the ingress",
    target_fixture="always",
)
def users_with_the_flag_are_sampled(
    voting_app: VotingApp, evidence: Evidence, demand: AlwaysDemand
) -> AlwaysSample:
    """View the page with the flag as often as the demand says."""
    sample = page_views_of(voting_app, demand, {WITH: FLAG})
    evidence.tell(sample.kept())
    return sample


@then(parsers.parse('every page with the flag is version "{version}"'))
def every_page_with_the_flag_is(always: AlwaysSample, evidence: Evidence, version: str) -> None:
    """Every page that was viewed with the flag is of this version."""
    seen = evidence.tell(always.pages_are(WITH, version))
    assert not seen.problem, seen.problem


@then(parsers.parse('every page without the flag is version "{version}"'))
def every_page_without_the_flag_is(always: AlwaysSample, evidence: Evidence, version: str) -> None:
    """Every page that was viewed without the flag is of this version."""
    seen = evidence.tell(always.pages_are(WITHOUT, version))
    assert not seen.problem, seen.problem


@then(parsers.parse("every request with the flag got a {status:d}"))
def every_request_with_the_flag_got(always: AlwaysSample, evidence: Evidence, status: int) -> None:
    """Every request with the flag was answered with this status."""
    seen = evidence.tell(always.statuses_are(WITH, status))
    assert not seen.problem, seen.problem


@when(
    parsers.parse(
        "{each:d} Cookie headers of each kind with the flag, and as many near misses, are sent"
    ),
    target_fixture="seen",
)
def page_is_viewed_with_near_misses(voting_app: VotingApp, each: int) -> list[Seen]:
    """View the page with generated headers: of each kind so many with the flag and without it."""
    return seen_with(voting_app.url, generate(each), voting_app.host)


@then(
    parsers.parse(
        "of each kind at least {least:d} Cookie headers held the flag, and at least as many did not"
    )
)
def each_kind_held_the_flag(seen: list[Seen], evidence: Evidence, least: int) -> None:
    """The generated headers do hold the flag, and miss it, often enough to tell: the baseline."""
    observed = evidence.tell(by_kinds(seen, least))
    assert not observed.problem, observed.problem


@then(parsers.parse('requests that held the flag got version "{flagged}", all others "{others}"'))
def requests_got_versions(seen: list[Seen], evidence: Evidence, flagged: str, others: str) -> None:
    """Just those requests that held the cookie itself got the new version."""
    gate = evidence.tell(Gate(seen, flagged, others).observed)
    assert not gate.problem, gate.problem


@when(
    "the flag is switched on and off in a browser, from a page at a nested path",
    target_fixture="switched",
)
def flag_is_switched(tab: Tab, site: str, evidence: Evidence) -> OnAndOff:
    """Click the toggle twice on a page far from the root, and view other pages after each."""
    switched = switch_on_and_off(tab, site)
    evidence.tell(told(switched))
    return switched


@then(
    parsers.parse(
        'version "{version}" set the flag cookie with a lifetime of 15 minutes and path "/"'
    )
)
def flag_is_set_for_the_site(switched: OnAndOff, evidence: Evidence, version: str) -> None:
    """Set-Cookie says so, and the browser keeps the cookie as long by the clock."""
    seen = evidence.tell(set_for_the_site(switched.on, version))
    assert not seen.problem, seen.problem


@then("the browser sent the flag for every page of the site")
def flag_is_sent_for_the_site(switched: OnAndOff) -> None:
    """Once it is set, the cookie is sent for every path."""
    seen = sent_for_the_site(switched.on)
    assert not seen.problem, seen.problem


@then(parsers.parse('version "{version}" cleared the flag, and the browser sent none any more'))
def flag_is_cleared(switched: OnAndOff, version: str) -> None:
    """Once it is cleared, the browser neither keeps the cookie nor sends it."""
    seen = cleared(switched.off, version)
    assert not seen.problem, seen.problem
