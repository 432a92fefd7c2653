"""Opens the product page in a browser, signs in and out, and looks at what it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from playwright.sync_api import Page as Tab

from meshproof.analysis.observation import Observation, unless
from meshproof.probes.page_object import as_users_see, open_page, watch
from meshproof.signoff.evidence import Evidence
from meshproof.wording import in_turn
from steps.bookinfo.product_page import ProductPage, parse_product_page
from steps.bookinfo.readers import ANNA, JASON
from steps.bookinfo.views import PATH

NOBODY = "nobody"


@dataclass(frozen=True)
class Look:
    """What a browser showed after something was done, and what failed until then."""

    after: str
    page: ProductPage
    wrong: Sequence[str]

    @property
    def row(self) -> list[str]:
        """It as a row: after what, who is signed in, and what the page shows of its reviews."""
        return [self.after, self.page.user or NOBODY, self.page.shown]

    def __str__(self) -> str:
        """Return it in a line."""
        return f"after {self.after}: {self.page}"


@dataclass(frozen=True)
class Looks:
    """What a browser showed, one look after another."""

    each: Sequence[Look]

    def shown(self, rows: Sequence[Sequence[str]]) -> Observation:
        """Hold what was shown against rows: after what, who is signed in, and the reviews."""
        lines = in_turn(self.each)
        return Observation(
            results=[f"In a browser {lines}."],
            problems=unless([one.row for one in self.each] == [list(row) for row in rows], lines),
        )

    def failed_to_load(self) -> str:
        """Say what failed to load; empty for nothing."""
        wrong = [f"after {one.after}: {in_turn(one.wrong)}" for one in self.each if one.wrong]
        return in_turn(wrong, "")


def sign_in_and_out(tab: Tab, site: str, evidence: Evidence) -> Looks:
    """Open the page, sign in as jason, sign out, and sign in as another, with a look after each.

    Raises ``PromiseBroken`` where the page cannot be used so.
    """
    problems = watch(tab)
    looks = []

    def look(after: str) -> None:
        evidence.picture(f"after {after}", tab.screenshot(full_page=True))
        looks.append(Look(after, parse_product_page(tab.content()), [*problems]))

    open_page(tab, site + PATH)
    look("opening")
    _sign_in(tab, JASON)
    look(f"{JASON} signs in")
    with as_users_see("clicks “sign out”"), tab.expect_navigation():
        tab.get_by_role("link", name="sign out", exact=True).click()
    look("signing out")
    _sign_in(tab, ANNA)
    look(f"{ANNA} signs in")
    evidence.text("what was shown", "".join(f"{one}\n" for one in looks))
    return Looks(looks)


def _sign_in(tab: Tab, name: str) -> None:
    with as_users_see(f"signs in as {name}"):
        tab.get_by_label("Name", exact=True).fill(name)
        tab.get_by_label("Password", exact=True).fill("none is checked")
        with tab.expect_navigation():
            tab.get_by_role("button", name="Sign in", exact=True).click()
