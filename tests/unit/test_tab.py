from __future__ import annotations

import pytest

from meshproof.probes.page import Page
from meshproof.probes.tab import Control, Focus, Layout, Shown

CATS = Control("Cats", 32, 142, 169)
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
