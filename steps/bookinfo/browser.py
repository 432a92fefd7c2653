"""The product page in a browser, with the form that signs in."""

from __future__ import annotations

from playwright.sync_api import Page as Tab
from pytest_bdd import when

from meshproof.signoff.evidence import Evidence
from steps.bookinfo import browser_page
from steps.bookinfo.browser_page import Looks


@when(
    "jason signs in by the page's form in a browser, signs out, and anna signs in",
    target_fixture="browsed",
)
def both_sign_in(tab: Tab, site: str, evidence: Evidence) -> Looks:
    """Use the form and the link of the page, with a picture after each."""
    return browser_page.sign_in_and_out(tab, site, evidence)
