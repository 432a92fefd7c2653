"""A tab of a real browser: what it shows, and how a user goes on from there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Error, Locator, Response
from playwright.sync_api import Page as Tab

from meshproof.errors import EnvironmentBroken, PromiseBroken

#: The first status by which a server says that it failed itself (RFC 9110, 15.6).
SERVER_FAILED = 500
#: What its library says of a browser that is not there any more, rather than of the page.
BROWSER_GONE = ("has been closed", "Target crashed", "Connection closed", "Browser closed")
#: What can be operated.
OPERABLE = "a, button, input:visible"
#: Milliseconds within which what can be clicked takes a click.
CLICK_TIMEOUT = 1000
#: The least width and height of what is clicked, in CSS pixels (WCAG 2.2, 2.5.8).
SMALLEST = 24
#: The least width of the line around what has the focus, in CSS pixels (WCAG 2.2, 2.4.13).
THINNEST = 2
#: More presses of Tab than the page has to offer.
MOST_TABS = 20
#: What axe-core looks for: WCAG 2.2 up to AA, and its own advice.
AXE_RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
#: The line around what has the focus: how it is drawn, and how wide.
OUTLINE = """element => {
    const style = getComputedStyle(element);
    return [style.outlineStyle, parseFloat(style.outlineWidth)];
}"""


@dataclass(frozen=True)
class Control:
    """A button or switch: its accessible name, where it lies, in CSS pixels, and if it is free.

    ``free`` says that a click on it gets to it, once it is scrolled to.
    """

    name: str
    left: float
    width: float
    height: float
    free: bool = True

    def faults(self, page_width: float) -> list[str]:
        """Say why a finger cannot reach it on a page so wide."""
        found = [] if self.free else [f"{self.name} takes no click"]
        if self.left < 0 or self.left + self.width > page_width:
            found.append(f"{self.name} is cut off at {page_width:g} px")
        if min(self.width, self.height) < SMALLEST:
            found.append(f"{self.name} is only {self.width:g} × {self.height:g} px")  # noqa: RUF001
        return found


@dataclass(frozen=True)
class Layout:
    """What of a page can be operated, how wide it is, in CSS pixels, and what of it is hidden.

    ``width`` is the tab's own, ``scrolled`` that of all that it can be scrolled to.
    """

    controls: Sequence[Control]
    width: float
    scrolled: float
    hidden: Sequence[str] = ()

    @property
    def names(self) -> list[str]:
        """The accessible names of what can be operated, in the order of the page."""
        return [control.name for control in self.controls]

    @property
    def faults(self) -> list[str]:
        """Say what is cut off, cannot be reached or cannot be seen."""
        found = [f"{name} is hidden" for name in self.hidden]
        if self.scrolled > self.width:
            found.append(f"the page is {self.scrolled:g} px wide, the tab {self.width:g}")
        return found + [line for control in self.controls for line in control.faults(self.width)]

    def __str__(self) -> str:
        """Return it in a line."""
        return f"{self.scrolled:g} px wide in a tab of {self.width:g}: {', '.join(self.names)}"


@dataclass(frozen=True)
class Focus:
    """What has the focus: its accessible name, and the line drawn around it, in CSS pixels."""

    name: str
    style: str
    width: float

    @property
    def visible(self) -> bool:
        """Whether it can be seen that it has the focus."""
        return self.style != "none" and self.width >= THINNEST

    def __str__(self) -> str:
        """Return it in a line."""
        return f"{self.name} ({self.style}, {self.width:g} px)"


def watch(tab: Tab) -> list[str]:
    """Return a list that fills with what goes wrong in a tab from now on."""
    problems: list[str] = []
    tab.on(
        "console",
        lambda message: problems.append(message.text) if message.type == "error" else None,
    )
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.on("requestfailed", lambda request: problems.append(f"failed: {request.url}"))
    return problems


@contextmanager
def as_users_see(doing: str) -> Iterator[None]:
    """Take what a browser cannot do with a page for what its user sees: a broken promise.

    ``doing`` says what is tried. Raises ``PromiseBroken``, and ``EnvironmentBroken`` where it is
    the browser itself that is gone.
    """
    try:
        yield
    except Error as error:
        why = error.message.strip().split("\n", 1)[0]
        if any(sign in why for sign in BROWSER_GONE):
            raise EnvironmentBroken(f"The browser is gone while it {doing}.", why) from error
        raise PromiseBroken(f"the browser {doing}: {why}") from error


def open_page(tab: Tab, url: str) -> Response:
    """Open a page and return its answer: 404 is one, too.

    Raises ``PromiseBroken`` for none, and for one that says that the server failed (5xx).
    """
    with as_users_see(f"opens {url}"):
        answer = tab.goto(url)
    if answer is None or answer.status >= SERVER_FAILED:
        raise PromiseBroken(f"the browser opens {url}: HTTP {answer.status if answer else 'none'}")
    return answer


def measure(tab: Tab, elements: Sequence[str]) -> Layout:
    """See where everything lies, and which elements of these ids are hidden.

    Raises ``ValueError`` where the tab has no size of its own.
    """
    if tab.viewport_size is None:
        raise ValueError("the tab has no size of its own")
    return Layout(
        [_control(element) for element in tab.locator(OPERABLE).all()],
        tab.viewport_size["width"],
        tab.evaluate("document.documentElement.scrollWidth"),
        [name for name in elements if not tab.locator(f"#{name}").is_visible()],
    )


def _control(element: Locator) -> Control:
    box = element.bounding_box() or {"x": 0.0, "width": 0.0, "height": 0.0}
    try:
        element.click(trial=True, timeout=CLICK_TIMEOUT)
    except Error:
        free = False
    else:
        free = True
    return Control(_name(element), box["x"], box["width"], box["height"], free)


def _name(element: Locator) -> str:
    """An element's accessible name; without one, its role."""
    snapshot = element.aria_snapshot()
    quoted = re.search(r'"(.*)"', snapshot)
    return quoted[1] if quoted else snapshot


def click(tab: Tab, name: str) -> None:
    """Click the button or switch of this name, and wait for the page that follows.

    Raises ``PromiseBroken`` where there is none, or no page follows.
    """
    button, switch = (tab.get_by_role(role, name=name, exact=True) for role in ("button", "switch"))
    with as_users_see(f"clicks “{name}”"), tab.expect_navigation():
        button.or_(switch).click()


def press(tab: Tab, key: str) -> None:
    """Press a key on what has the focus, and wait for the page that follows.

    Raises ``PromiseBroken`` where none does.
    """
    with as_users_see(f"waits for a page after the key {key}"), tab.expect_navigation():
        tab.keyboard.press(key)


def next_focus(tab: Tab) -> Focus | None:
    """Press Tab, and say what has the focus; None once that is nothing of the page."""
    tab.keyboard.press("Tab")
    focused = tab.locator(":focus")
    if not focused.count():
        return None
    style, width = focused.evaluate(OUTLINE)
    return Focus(_name(focused), style, width)


def tab_order(tab: Tab) -> list[Focus]:
    """Press Tab until the page is left, and say what had the focus meanwhile."""
    found: list[Focus] = []
    while len(found) < MOST_TABS and (focus := next_focus(tab)):
        found.append(focus)
    return found


def tab_to(tab: Tab, name: str) -> None:
    """Press Tab until what has this name has the focus; ``PromiseBroken`` if nothing does."""
    for _ in range(MOST_TABS):
        focus = next_focus(tab)
        if focus and focus.name == name:
            return
    raise PromiseBroken(f"Tab does not lead to {name}")


def findings(tab: Tab) -> tuple[str, list[str]]:
    """Ask axe-core about labels, contrast and structure.

    Returns its version with how many rules held, and what it found, or could not tell, a line
    for each element.
    """
    rules = {"runOnly": {"type": "tag", "values": list(AXE_RULES)}}
    answer: dict[str, Any] = Axe().run(tab, options=rules).response
    found = [
        f"{finding['id']} at {' '.join(map(str, node['target']))}: {_reasons(node)}"
        for finding in answer["violations"] + answer["incomplete"]
        for node in finding["nodes"]
    ]
    return f"axe-core {answer['testEngine']['version']}, {len(answer['passes'])} rules hold", found


def _reasons(node: dict[str, Any]) -> str:
    return "; ".join(check["message"] for check in node["any"] + node["all"] + node["none"])
