"""The page as a browser shows it."""

from __future__ import annotations

from dataclasses import dataclass

from playwright.sync_api import Page as Tab
from pytest_bdd import parsers, then, when

from meshproof.environment import Environment
from meshproof.evidence import Evidence
from meshproof.probes.page import Page, parse_page


@dataclass(frozen=True)
class Shown:
    """What a browser shows: the page, the accessible names of its buttons, and what went wrong."""

    page: Page
    buttons: list[str]
    problems: list[str]


@when("the page is opened in a browser", target_fixture="shown")
def _(tab: Tab, environment: Environment, evidence: Evidence) -> Shown:
    problems: list[str] = []
    tab.on(
        "console",
        lambda message: problems.append(message.text) if message.type == "error" else None,
    )
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.on("requestfailed", lambda request: problems.append(f"failed: {request.url}"))
    tab.goto(environment.loopback + "/")
    evidence.picture("the page in a browser", tab.screenshot(full_page=True))
    buttons = [button.inner_text().strip() for button in tab.get_by_role("button").all()]
    shown = Shown(parse_page(tab.content()), buttons, problems)
    evidence.observe(f"{shown.page}; buttons {shown.buttons}")
    return shown


@then(
    parsers.parse(
        'the browser shows version "{version}", store "{store}" '
        'and buttons to vote for "{first}" and "{second}"'
    )
)
def _(shown: Shown, tab: Tab, version: str, store: str, first: str, second: str) -> None:
    assert (shown.page.version, shown.page.store) == (version, store), str(shown.page)
    for text in (f"version: {version}", f"store: {store}", shown.page.results):
        assert tab.get_by_text(text, exact=True).is_visible(), f"not visible: {text}"
    assert {first, second} <= set(shown.buttons), f"buttons: {shown.buttons}"


@then("it shows nothing that failed to load")
def _(shown: Shown) -> None:
    assert not shown.problems, "; ".join(shown.problems)
