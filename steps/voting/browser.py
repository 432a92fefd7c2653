"""The page as a browser shows it, by mouse and by keyboard."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page as Tab
from pytest_bdd import parsers, then, when

from meshproof.signoff.evidence import Evidence
from steps.voting import browser_page
from steps.voting.ballots import Ballot
from steps.voting.browser_page import ByDevice, ByKeyboard, Walk


@pytest.fixture
def ballots(browsed: Walk) -> list[Ballot]:
    """The votes that were cast in the browser, with the counts before and after each."""
    return browsed.ballots


@when("the page is opened in a desktop browser and in a phone browser", target_fixture="browsed")
def page_is_opened(tab: Tab, phone: Tab, site: str, evidence: Evidence) -> ByDevice:
    """Open the page on two devices, with a picture of each."""
    return browser_page.open_on({"desktop": tab, "phone": phone}, site, evidence)


@then(
    '"Cats", "Dogs", "Reset" and "Feature flag" can be clicked on both devices, nothing is cut off'
)
def buttons_are_in_reach(browsed: ByDevice) -> None:
    """Each button can be clicked and is large enough, and nothing scrolls sideways."""
    wrong = browser_page.out_of_reach(browsed)
    assert not wrong, wrong


@then("axe-core finds nothing wrong with labels, contrast and structure")
def page_is_accessible(browsed: ByDevice) -> None:
    """axe-core has no finding on either device, and was able to tell."""
    wrong = browser_page.inaccessible(browsed)
    assert not wrong, wrong


@when(
    'the page is used by keyboard: Tab to move, Enter on "Cats", Space on "Feature flag"',
    target_fixture="browsed",
)
def page_is_used_by_keyboard(tab: Tab, site: str, evidence: Evidence) -> ByKeyboard:
    """Go through the page with Tab, vote with Enter, and switch the flag with Space."""
    return browser_page.use_by_keyboard(tab, site, evidence)


@then('Tab reached "Cats", "Dogs", "Reset" and "Feature flag", each with a visible focus')
def tab_led_to_buttons(browsed: ByKeyboard) -> None:
    """Tab comes by every button, in the page's order, and one sees where it is."""
    elsewhere = browser_page.led_elsewhere(browsed.order)
    assert not elsewhere, elsewhere


@when(parsers.parse('"{names}" are clicked one by one in a browser'), target_fixture="browsed")
def buttons_are_clicked(tab: Tab, site: str, evidence: Evidence, names: str) -> Walk:
    """Click the buttons in turn, with a picture after each."""
    return browser_page.click_through(tab, site, names.split(", "), evidence)
