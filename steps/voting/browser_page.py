"""Opens and uses the page in a browser, and holds what it shows against what it must show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from playwright.sync_api import Page as Tab

from meshproof.analysis.observation import Observation, unless
from meshproof.probes.page_object import (
    Focus,
    Layout,
    click,
    findings,
    measure,
    open_page,
    press,
    tab_order,
    tab_to,
    watch,
)
from meshproof.signoff.evidence import Evidence
from meshproof.wording import listed, number
from steps.voting.ballots import Ballot
from steps.voting.voting_page import ELEMENTS
from steps.voting.voting_tab import TOGGLE, Shown, look


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


BUTTONS = ["Cats", "Dogs", "Reset", TOGGLE]
#: What each device showed, by its name.
ByDevice = Mapping[str, Opened]


def open_on(devices: Mapping[str, Tab], site: str, evidence: Evidence) -> ByDevice:
    """Open the page on devices, with a picture of each, and look at all that it shows."""
    opened = {}
    for device, each in devices.items():
        failed = watch(each)
        open_page(each, site + "/")
        evidence.picture(f"the page {device}", each.screenshot(full_page=True))
        shown, layout = look(each), measure(each, ELEMENTS)
        axe, inaccessible = findings(each)
        evidence.result(f"The page {device}: {shown}; {layout}; {axe}.")
        opened[device] = Opened(shown, layout, inaccessible, failed)
    return opened


def _wrong(opened: ByDevice, what: Callable[[Opened], str]) -> str:
    """The first thing that is wrong on a device, with its name; empty where nothing is."""
    found = [f"{device}: {told}" for device, each in opened.items() if (told := what(each))]
    return found[0] if found else ""


def shows_otherwise(opened: ByDevice, version: str, store: str, analytics: str) -> str:
    """Say which device shows another version, store or analytics, `1.0 or 1.1` say; or nothing."""

    def what(each: Opened) -> str:
        page, allowed = each.shown.page, analytics.split(" or ")
        said = (page.version, page.store, page.analytics in allowed)
        return "" if said == (version, store, True) else str(each.shown)

    return _wrong(opened, what)


def out_of_reach(opened: ByDevice) -> str:
    """Say on which device a button is missing, or anything out of reach or cut off; or nothing."""
    return _wrong(
        opened,
        lambda each: (
            str(each.layout) if each.layout.names != BUTTONS else "; ".join(each.layout.faults)
        ),
    )


def inaccessible(opened: ByDevice) -> str:
    """Say what axe-core finds wrong on a device; or nothing."""
    return _wrong(opened, lambda each: "; ".join(each.inaccessible))


def failed_to_load(opened: ByDevice) -> str:
    """Say what failed to load on a device; or nothing."""
    return _wrong(opened, lambda each: "; ".join(each.failed))


def use_by_keyboard(tab: Tab, site: str, evidence: Evidence) -> ByKeyboard:
    """Tab through the page, vote for cats with Enter, and switch the flag with Space."""
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


def led_elsewhere(order: Sequence[Focus]) -> str:
    """Say where Tab led, where it was not to all buttons with a focus that can be seen."""
    right = [focus.name for focus in order] == BUTTONS and all(focus.visible for focus in order)
    return "" if right else f"Tab led to {listed(order, most=len(order))}"


def by_enter(used: ByKeyboard, choice: str) -> Ballot:
    """The vote that Enter cast."""
    return Ballot(choice, used.before.page.counts, used.voted.page.counts)


def by_space(used: ByKeyboard, version: str, store: str) -> Observation:
    """Hold what Space led to against a flag that is on, and a page."""
    page = used.toggled.page
    switched = (used.before.flag, used.toggled.flag) == (False, True)
    return Observation(
        problems=[
            *unless(switched, str(used.toggled)),
            *unless((page.version, page.store) == (version, store), str(page)),
        ]
    )


def click_through(tab: Tab, site: str, names: Sequence[str], evidence: Evidence) -> list[Step]:
    """Open the page and click these one after another, with a picture and a look after each."""
    open_page(tab, site + "/")
    walk = [Step("opening", look(tab))]
    evidence.picture("after opening", tab.screenshot(full_page=True))
    for name in names:
        click(tab, name)
        walk.append(Step(name, look(tab)))
        evidence.picture(f"after {name}", tab.screenshot(full_page=True))
    evidence.text("what was shown", "".join(f"{step}\n" for step in walk))
    return walk


def pages_of(walk: Sequence[Step], rows: Sequence[Sequence[str]]) -> Observation:
    """Hold what was shown after each click against rows: after what, version, store and flag."""
    led = listed(f"{step.shown.page.version} on {step.shown.page.store}" for step in walk)
    lines = "; ".join(map(str, walk))
    return Observation(
        results=[f"{number(len(walk) - 1, 'click')} led to the pages of {led}."],
        details=[lines],
        problems=unless([step.row for step in walk] == [list(row) for row in rows], lines),
    )


def ballots_of(walk: Sequence[Step]) -> list[Ballot]:
    """The votes that were clicked, with the counts before and after each."""
    return [
        Ballot(step.after, before.shown.page.counts, step.shown.page.counts)
        for before, step in pairwise(walk)
        if step.after != TOGGLE
    ]
