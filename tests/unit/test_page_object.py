from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

import pytest
from playwright.sync_api import Error
from playwright.sync_api import Page as Tab

from meshproof.errors import EnvironmentBroken, PromiseBroken
from meshproof.probes.page_object import (
    Control,
    Focus,
    Layout,
    click,
    open_page,
    press,
)
from steps.voting.voting_page import Page
from steps.voting.voting_tab import Shown, look

CATS = Control("Cats", 32, 142, 169)
#: A page without its switch.
HTML = """
<div id="results">Cats: 2 | Dogs: 4</div>
<ul><li id="version">version: 1.0</li><li id="host">host: x</li>
<li id="store">store: redis</li></ul>
"""
PAGE = Page("2.0", "voting-app-2-0-x", "mysql", "Cats: 2/6 (33%) | Dogs: 4/6 (67%)")


def test_a_page_that_fits() -> None:
    layout = Layout([CATS, Control("Reset", 0, 360, 24)], 360, 360)
    assert layout.faults == []
    assert layout.names == ["Cats", "Reset"]
    assert str(layout) == "360 px wide in a tab of 360: Cats, Reset"


def test_a_page_that_scrolls_sideways() -> None:
    assert Layout([CATS], 360, 361).faults == ["the page is 361 px wide, the tab 360"]


def test_a_page_that_hides_what_it_says() -> None:
    assert Layout([CATS], 360, 360, ["store"]).faults == ["store is hidden"]


@pytest.mark.parametrize(
    ("control", "fault"),
    [
        (Control("Dogs", 300, 61, 50), "Dogs is cut off at 360 px"),
        (Control("Dogs", -1, 50, 50), "Dogs is cut off at 360 px"),
        (Control("Dogs", 0, 50, 23.5), "Dogs is only 50 × 23.5 px"),  # noqa: RUF001
        (Control("Dogs", 0, 20, 50), "Dogs is only 20 × 50 px"),  # noqa: RUF001
        (Control("Dogs", 0, 50, 50, free=False), "Dogs takes no click"),
    ],
)
def test_what_a_finger_cannot_reach(control: Control, fault: str) -> None:
    assert Layout([CATS, control], 360, 360).faults == [fault]


@pytest.mark.parametrize(
    ("style", "width", "visible"),
    [("solid", 3, True), ("auto", 2, True), ("none", 3, False), ("solid", 1, False)],
)
def test_a_focus_is_visible_by_its_line(style: str, width: float, visible: bool) -> None:
    focus = Focus("Cats", style, width)
    assert focus.visible is visible
    assert str(focus) == f"Cats ({style}, {width} px)"


def test_what_is_shown_in_a_line() -> None:
    assert str(Shown(PAGE, flag=True)) == f"{PAGE}, feature flag on"
    assert str(Shown(PAGE, flag=False)) == f"{PAGE}, feature flag off"


# What a browser cannot do with a page.


class Answering:
    """A tab whose page is answered with a status, or not at all, and may lack the switch."""

    def __init__(self, status: int | None = 200, *, error: str = "") -> None:
        self.status, self.error = status, error

    def goto(self, url: str) -> Any:
        if self.error:
            raise Error(self.error)
        return None if self.status is None else SimpleNamespace(status=self.status)

    def content(self) -> str:
        return HTML

    def get_by_role(self, role: str, *, name: str, exact: bool) -> Any:
        assert (role, name, exact) == ("switch", "Feature flag", True)
        return self

    def is_checked(self) -> bool:
        raise Error('Locator.is_checked: Timeout 10000ms exceeded.\nCall log:\n  waiting for "x"')


def tab(status: int | None = 200, *, error: str = "") -> Tab:
    return cast("Tab", Answering(status, error=error))


@pytest.mark.parametrize("status", [200, 404, 499])
def test_whatever_is_answered_is_a_page(status: int) -> None:
    assert open_page(tab(status), "http://voting/").status == status


@pytest.mark.parametrize(("status", "told"), [(500, "500"), (503, "503"), (None, "none")])
def test_a_server_that_failed_has_broken_a_promise(status: int | None, told: str) -> None:
    with pytest.raises(PromiseBroken, match=f"the browser opens http://voting/: HTTP {told}"):
        open_page(tab(status), "http://voting/")


def test_a_page_that_does_not_come_is_a_broken_promise() -> None:
    error = "Page.goto: net::ERR_CONNECTION_REFUSED at http://voting/\nCall log:\n  - navigating"
    with pytest.raises(PromiseBroken, match=r"opens http://voting/: .*REFUSED at http://voting/$"):
        open_page(tab(error=error), "http://voting/")


@pytest.mark.parametrize(
    "error",
    ["Page.goto: Target page, context or browser has been closed", "Page.goto: Target crashed"],
)
def test_a_browser_that_is_gone_is_none(error: str) -> None:
    with pytest.raises(EnvironmentBroken, match="The browser is gone while it opens"):
        open_page(tab(error=error), "http://voting/")


def test_a_switch_that_lost_its_role_is_a_broken_promise() -> None:
    with pytest.raises(PromiseBroken, match=r"looks for the switch “Feature flag”: .*exceeded"):
        look(tab())


class WithoutAnswer:
    """A tab with every button, by whatever role, of which none leads anywhere."""

    def get_by_role(self, role: str, *, name: str, exact: bool) -> Any:
        assert exact
        return self

    def or_(self, other: object) -> Any:
        return self

    def expect_navigation(self) -> Any:
        return nullcontext()

    @property
    def keyboard(self) -> Any:
        return self

    def click(self) -> None:
        raise Error("Locator.click: Timeout 10000ms exceeded.\nCall log:\n  - waiting")

    def press(self, key: str) -> None:
        raise Error("Timeout 10000ms exceeded.\nwaiting for navigation until 'load'")


@pytest.mark.parametrize(
    ("does", "told"),
    [
        (lambda tab: click(tab, "Cats"), "the browser clicks “Cats”: Locator.click: Timeout"),
        (lambda tab: press(tab, "Enter"), "waits for a page after the key Enter: Timeout"),
    ],
    ids=["click", "press"],
)
def test_what_leads_to_no_page_is_a_broken_promise(does: Callable[[Tab], None], told: str) -> None:
    with pytest.raises(PromiseBroken, match=told):
        does(cast("Tab", WithoutAnswer()))
