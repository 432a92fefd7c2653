"""The product page in a browser, with the form that signs in."""

from __future__ import annotations

from playwright.sync_api import Page as Tab
from pytest_bdd import then, when

from meshproof.signoff.evidence import Evidence
from steps.bookinfo import browser_page
from steps.bookinfo.browser_page import Look


@when(
    "jason signs in by the page's form in a browser, signs out, and anna signs in",
    target_fixture="looks",
)
def both_sign_in(tab: Tab, site: str, evidence: Evidence) -> list[Look]:
    """Use the form and the link of the page, with a picture after each."""
    return browser_page.sign_in_and_out(tab, site, evidence)


@then("the browser showed these product pages")
def browser_showed_product_pages(
    looks: list[Look], evidence: Evidence, datatable: list[list[str]]
) -> None:
    """After each act the page says who is signed in, and shows the reviews for them."""
    seen = evidence.tell(browser_page.pages_of(looks, datatable[1:]))
    assert not seen.problem, seen.problem


@then("all that the product page asks for was loaded each time")
def product_pages_are_whole(looks: list[Look]) -> None:
    """No request of the page failed, and nothing of it was refused."""
    wrong = browser_page.failed_to_load(looks)
    assert not wrong, wrong
