"""The feature flag: whom it leads to 2.0, and how long and where its cookie lasts."""

from __future__ import annotations

from playwright.sync_api import Page as Tab
from pytest_bdd import given, parsers, then, when

from meshproof.signoff.evidence import Evidence
from steps.voting.cookie_gate import Gate
from steps.voting.cookies import seen_with
from steps.voting.flag_cookie import WITH, WITHOUT
from steps.voting.flag_switch import (
    OnAndOff,
    cleared,
    sent_for_the_site,
    set_for_the_site,
    switch_on_and_off,
    told,
)
from steps.voting.samples import versions_of_users
from steps.voting.voting_app import FLAG, VotingApp


@given("users without the flag reach app 1.0, and users with the flag reach app 2.0")
def users_reach_both_apps(voting_app: VotingApp, evidence: Evidence) -> None:
    """A page view of each kind of user is served by their own version: the baseline."""
    seen = evidence.tell(versions_of_users(voting_app, {WITHOUT: ({}, "1.0"), WITH: (FLAG, "2.0")}))
    assert not seen.problem, seen.problem


@when(
    parsers.parse(
        "{each:d} Cookie headers with and {each:d} without the flag are sent per near miss"
    ),
    target_fixture="answered",
)
def page_is_viewed_with_near_misses(voting_app: VotingApp, each: int) -> Gate:
    """View the page with generated headers: of each kind so many with the flag and without it."""
    from steps.voting.cookie_corpus import generate  # noqa: PLC0415 - Hypothesis takes 0.1 s

    return Gate(seen_with(voting_app.url, generate(each), voting_app.host))


@then(
    parsers.parse(
        "per near miss {least:d} or more headers held the flag and {least:d} or more did not"
    )
)
def each_kind_held_the_flag(answered: Gate, evidence: Evidence, least: int) -> None:
    """The generated headers do hold the flag, and miss it, often enough to tell: the baseline."""
    from steps.voting.cookie_corpus import enough_of_each_kind  # noqa: PLC0415 - as above

    seen = evidence.tell(enough_of_each_kind(answered.seen, least))
    assert not seen.problem, seen.problem


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


@then(
    parsers.parse('version "{version}" cleared the flag, and the browser no longer sent the flag')
)
def flag_is_cleared(switched: OnAndOff, version: str) -> None:
    """Once it is cleared, the browser neither keeps the cookie nor sends it."""
    seen = cleared(switched.off, version)
    assert not seen.problem, seen.problem
