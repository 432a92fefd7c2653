"""What a browser's tab shows of the voting page."""

from __future__ import annotations

from dataclasses import dataclass

from playwright.sync_api import Page as Tab

from meshproof.probes.page_object import as_users_see
from steps.voting.voting_page import Page, parse_page

#: The accessible name of the toggle at the foot of the page.
TOGGLE = "Feature flag"


@dataclass(frozen=True)
class Shown:
    """What a tab shows: the page, and whether its feature flag is on."""

    page: Page
    flag: bool

    def __str__(self) -> str:
        """Return it in a line."""
        return f"{self.page}, feature flag {'on' if self.flag else 'off'}"


def look(tab: Tab) -> Shown:
    """Read what a tab shows. Raises ``PromiseBroken`` where it is not the voting page."""
    with as_users_see(f"looks for the switch “{TOGGLE}”"):
        page = parse_page(tab.content())
        return Shown(page, tab.get_by_role("switch", name=TOGGLE, exact=True).is_checked())
