"""Opens and uses the page in a browser, and holds what it shows against what it must show."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
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
from meshproof.wording import in_turn, listed, number
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

    def is_of(self, version: str, store: str, analytics: Collection[str]) -> bool:
        """Whether the page is of a version and a store, with analytics of one of some versions."""
        page = self.shown.page
        return (page.version, page.store) == (version, store) and page.analytics in analytics


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


@dataclass(frozen=True)
class Walk:
    """What a browser showed, one step after another."""

    steps: Sequence[Step]

    def shown(self, rows: Sequence[Sequence[str]]) -> Observation:
        """Hold what was shown against rows: after what, version, store and flag."""
        led = listed(f"{step.shown.page.version} on {step.shown.page.store}" for step in self.steps)
        lines = "; ".join(map(str, self.steps))
        return Observation(
            results=[f"{number(len(self.steps) - 1, 'act')} led to the pages of {led}."],
            details=[lines],
            problems=unless(
                [step.row for step in self.steps] == [list(row) for row in rows], lines
            ),
        )

    @property
    def ballots(self) -> list[Ballot]:
        """The votes that were cast, with the counts before and after each."""
        return [
            Ballot(step.after, before.shown.page.counts, step.shown.page.counts)
            for before, step in pairwise(self.steps)
            if step.after != TOGGLE
        ]


@dataclass(frozen=True)
class ByKeyboard(Walk):
    """What was shown before a vote, after it and after the toggle, and what Tab led to."""

    order: Sequence[Focus]


class ByDevice(dict[str, Opened]):
    """What each device showed, by its name."""

    def shown(self, rows: Sequence[Sequence[str]]) -> Observation:
        """Hold the devices against rows: which, version, store and analytics, `1.0 or 1.1` say."""
        wrong = [
            f"{device}: {self[device].shown if device in self else 'not looked at'}"
            for device, version, store, analytics in rows
            if device not in self or not self[device].is_of(version, store, analytics.split(" or "))
        ]
        return Observation(
            problems=[
                *unless(not wrong, in_turn(wrong)),
                *unless([row[0] for row in rows] == [*self], f"there are {listed(self)}"),
            ]
        )

    def failed_to_load(self) -> str:
        """Say what failed to load on a device; or nothing."""
        return _wrong(self, lambda each: "; ".join(each.failed))


BUTTONS = ["Cats", "Dogs", "Reset", TOGGLE]


def open_on(devices: Mapping[str, Tab], site: str, evidence: Evidence) -> ByDevice:
    """Open the page on devices, with a picture of each, and look at all that it shows."""
    opened = ByDevice()
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
    used = ByKeyboard(
        [Step("opening", before), Step("Cats", voted), Step(TOGGLE, look(tab))], order
    )
    evidence.result(f"By keyboard alone Tab led to {listed(order)}.")
    evidence.observe(in_turn(used.steps))
    return used


def led_elsewhere(order: Sequence[Focus]) -> str:
    """Say where Tab led, where it was not to all buttons with a focus that can be seen."""
    right = [focus.name for focus in order] == BUTTONS and all(focus.visible for focus in order)
    return "" if right else f"Tab led to {listed(order, most=len(order))}"


def click_through(tab: Tab, site: str, names: Sequence[str], evidence: Evidence) -> Walk:
    """Open the page and click these one after another, with a picture and a look after each."""
    open_page(tab, site + "/")
    walk = [Step("opening", look(tab))]
    evidence.picture("after opening", tab.screenshot(full_page=True))
    for name in names:
        click(tab, name)
        walk.append(Step(name, look(tab)))
        evidence.picture(f"after {name}", tab.screenshot(full_page=True))
    evidence.text("what was shown", "".join(f"{step}\n" for step in walk))
    return Walk(walk)
