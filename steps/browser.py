"""The page as a browser shows it (D7 and at each later stage), and the toggle (C4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from playwright.sync_api import Page as Tab
from pytest_bdd import parsers, then, when

from meshproof.probes.page_object import (
    TOGGLE,
    Focus,
    Layout,
    Shown,
    click,
    findings,
    look,
    measure,
    open_page,
    press,
    tab_order,
    tab_to,
    watch,
)
from meshproof.probes.votes import Ballot
from meshproof.signoff.evidence import Evidence
from meshproof.wording import listed, number


@dataclass(frozen=True)
class Opened:
    """The page as one device shows it, and everything that went wrong with it."""

    shown: Shown
    layout: Layout
    inaccessible: Sequence[str]
    failed: Sequence[str]


@dataclass(frozen=True)
class ByKeyboard:
    """What had the focus, and what was shown before a vote, after it and after the toggle."""

    order: Sequence[Focus]
    before: Shown
    voted: Shown
    toggled: Shown


@dataclass(frozen=True)
class Step:
    """What a browser showed after something was clicked."""

    after: str
    shown: Shown

    @property
    def row(self) -> list[str]:
        """It as a row: after what, version, store and the flag."""
        page = self.shown.page
        return [self.after, page.version, page.store, "on" if self.shown.flag else "off"]

    def __str__(self) -> str:
        """Return it in a line."""
        return f"after {self.after}: {self.shown}"


@when(
    "the page is opened in a browser, on a desk and on a phone",
    target_fixture="opened",
)
def _(tab: Tab, phone: Tab, site: str, evidence: Evidence) -> Mapping[str, Opened]:
    opened = {}
    for device, each in (("on a desk", tab), ("on a phone", phone)):
        failed = watch(each)
        open_page(each, site + "/")
        evidence.picture(f"the page {device}", each.screenshot(full_page=True))
        shown, layout = look(each), measure(each)
        axe, inaccessible = findings(each)
        evidence.result(f"The page {device}: {shown}; {layout}; {axe}.")
        opened[device] = Opened(shown, layout, inaccessible, failed)
    return opened


@then(parsers.parse('both show version "{version}", store "{store}" and analytics "{analytics}"'))
def _(opened: Mapping[str, Opened], version: str, store: str, analytics: str) -> None:
    for device, each in opened.items():
        page = each.shown.page
        said = (page.version, page.store, page.analytics in analytics.split(" or "))
        assert said == (version, store, True), f"{device}: {each.shown}"


@then('on both "Cats", "Dogs", "Reset" and "Feature flag" are in reach, and nothing is cut off')
def _(opened: Mapping[str, Opened]) -> None:
    for device, each in opened.items():
        assert each.layout.names == ["Cats", "Dogs", "Reset", TOGGLE], f"{device}: {each.layout}"
        assert not each.layout.faults, f"{device}: {'; '.join(each.layout.faults)}"


@then("axe-core finds nothing wrong with labels, contrast and structure")
def _(opened: Mapping[str, Opened]) -> None:
    for device, each in opened.items():
        assert not each.inaccessible, f"{device}: {'; '.join(each.inaccessible)}"


@then("nothing failed to load")
def _(opened: Mapping[str, Opened]) -> None:
    for device, each in opened.items():
        assert not each.failed, f"{device}: {'; '.join(each.failed)}"


@when(
    'the page is used by keyboard alone: Tab throughout, Enter on "Cats", Space on "Feature flag"',
    target_fixture="keyboard",
)
def _(tab: Tab, site: str, evidence: Evidence) -> ByKeyboard:
    open_page(tab, site + "/")
    order, before = tab_order(tab), look(tab)
    tab_to(tab, "Cats")
    evidence.picture("the focus on Cats", tab.screenshot(full_page=True))
    press(tab, "Enter")
    voted = look(tab)
    evidence.picture("after Enter", tab.screenshot(full_page=True))
    tab_to(tab, TOGGLE)
    press(tab, "Space")
    evidence.picture("after Space", tab.screenshot(full_page=True))
    used = ByKeyboard(order, before, voted, look(tab))
    evidence.result(f"By keyboard alone Tab led to {listed(order)}.")
    evidence.observe(f"{before}; after Enter {used.voted}; after Space {used.toggled}")
    return used


@then('Tab led to "Cats", "Dogs", "Reset" and "Feature flag", each with a focus that can be seen')
def _(keyboard: ByKeyboard) -> None:
    led = f"Tab led to {listed(keyboard.order, most=len(keyboard.order))}"
    assert [focus.name for focus in keyboard.order] == ["Cats", "Dogs", "Reset", TOGGLE], led
    assert all(focus.visible for focus in keyboard.order), led


@then(parsers.parse('Enter cast one vote for "{choice}"'))
def _(keyboard: ByKeyboard, choice: str) -> None:
    ballot = Ballot(choice, keyboard.before.page.counts, keyboard.voted.page.counts)
    assert ballot.counted, str(ballot)


@then(
    parsers.parse('Space switched the flag on, and led to version "{version}" with store "{store}"')
)
def _(keyboard: ByKeyboard, version: str, store: str) -> None:
    page = keyboard.toggled.page
    assert (keyboard.before.flag, keyboard.toggled.flag) == (False, True), str(keyboard.toggled)
    assert (page.version, page.store) == (version, store), str(page)


@when(parsers.parse('these are clicked in a browser: "{names}"'), target_fixture="walk")
def _(tab: Tab, site: str, evidence: Evidence, names: str) -> list[Step]:
    open_page(tab, site + "/")
    walk = [Step("opening", look(tab))]
    evidence.picture("after opening", tab.screenshot(full_page=True))
    for name in names.split(", "):
        click(tab, name)
        walk.append(Step(name, look(tab)))
        evidence.picture(f"after {name}", tab.screenshot(full_page=True))
    evidence.text("what was shown", "".join(f"{step}\n" for step in walk))
    return walk


@then("the browser showed one page after the other", target_fixture="ballots")
def _(walk: list[Step], evidence: Evidence, datatable: list[list[str]]) -> list[Ballot]:
    led = listed(f"{step.shown.page.version} on {step.shown.page.store}" for step in walk)
    evidence.result(f"{number(len(walk) - 1, 'click')} led to the pages of {led}.")
    evidence.observe("; ".join(map(str, walk)))
    seen = [step.row for step in walk]
    assert seen == datatable[1:], "; ".join(map(str, walk))
    return [
        Ballot(step.after, before.shown.page.counts, step.shown.page.counts)
        for before, step in pairwise(walk)
        if step.after != TOGGLE
    ]
