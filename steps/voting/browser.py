"""The page as a browser shows it, by mouse and by keyboard."""

from __future__ import annotations

from playwright.sync_api import Page as Tab
from pytest_bdd import parsers, then, when

from meshproof.signoff.evidence import Evidence
from steps.voting import browser_page
from steps.voting.ballots import Ballot
from steps.voting.browser_page import ByDevice, ByKeyboard, Step


@when("the page is opened in a desktop browser and in a phone browser", target_fixture="opened")
def page_is_opened(tab: Tab, phone: Tab, site: str, evidence: Evidence) -> ByDevice:
    """Open the page on two devices, with a picture of each."""
    return browser_page.open_on({"on a desk": tab, "on a phone": phone}, site, evidence)


@then(
    parsers.parse(
        'both devices show version "{version}", store "{store}" and analytics "{analytics}"'
    )
)
def both_devices_show(opened: ByDevice, version: str, store: str, analytics: str) -> None:
    """Version, store and format of the analytics can be seen on both."""
    wrong = browser_page.shows_otherwise(opened, version, store, analytics)
    assert not wrong, wrong


@then(
    '"Cats", "Dogs", "Reset" and "Feature flag" can be clicked on both devices, nothing is cut off'
)
def buttons_are_in_reach(opened: ByDevice) -> None:
    """Each button can be clicked and is large enough, and nothing scrolls sideways."""
    wrong = browser_page.out_of_reach(opened)
    assert not wrong, wrong


@then("axe-core finds nothing wrong with labels, contrast and structure")
def page_is_accessible(opened: ByDevice) -> None:
    """axe-core has no finding on either device, and was able to tell."""
    wrong = browser_page.inaccessible(opened)
    assert not wrong, wrong


@then("everything that the page asks for was loaded")
def everything_was_loaded(opened: ByDevice) -> None:
    """No request of the page failed, and no script had an error, on either device."""
    failed = browser_page.failed_to_load(opened)
    assert not failed, failed


@when(
    'the page is used by keyboard alone: Tab throughout, Enter on "Cats", Space on "Feature flag"',
    target_fixture="keyboard",
)
def page_is_used_by_keyboard(tab: Tab, site: str, evidence: Evidence) -> ByKeyboard:
    """Go through the page with Tab, vote with Enter, and switch the flag with Space."""
    return browser_page.use_by_keyboard(tab, site, evidence)


@then('Tab led to "Cats", "Dogs", "Reset" and "Feature flag", each with a focus that can be seen')
def tab_led_to_buttons(keyboard: ByKeyboard) -> None:
    """Tab comes by every button, in the page's order, and one sees where it is."""
    elsewhere = browser_page.led_elsewhere(keyboard.order)
    assert not elsewhere, elsewhere


@then(parsers.parse('Enter cast one vote for "{choice}"'))
def enter_cast_a_vote(keyboard: ByKeyboard, choice: str) -> None:
    """The category counts one more, and the other as before."""
    ballot = browser_page.by_enter(keyboard, choice)
    assert ballot.counted, str(ballot)


@then(
    parsers.parse('Space switched the flag on, and led to version "{version}" with store "{store}"')
)
def space_switched_the_flag(keyboard: ByKeyboard, version: str, store: str) -> None:
    """The toggle is on, and the page is of the version that the flag leads to."""
    seen = browser_page.by_space(keyboard, version, store)
    assert not seen.problem, seen.problem


@when(parsers.parse('"{names}" are clicked one by one in a browser'), target_fixture="walk")
def buttons_are_clicked(tab: Tab, site: str, evidence: Evidence, names: str) -> list[Step]:
    """Click the buttons in turn, with a picture after each."""
    return browser_page.click_through(tab, site, names.split(", "), evidence)


@then("the browser showed one page after the other", target_fixture="ballots")
def browser_showed_pages(
    walk: list[Step], evidence: Evidence, datatable: list[list[str]]
) -> list[Ballot]:
    """After each click version, store and flag are these."""
    seen = evidence.tell(browser_page.pages_of(walk, datatable[1:]))
    assert not seen.problem, seen.problem
    return browser_page.ballots_of(walk)
