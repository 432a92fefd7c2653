"""What a browser showed, one page after the other or on one device beside another.

What is done in the browser, and what a row of it says, a suite's own steps say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pytest_bdd import then

from meshproof.analysis.observation import Observation
from meshproof.signoff.evidence import Evidence


class Browsed(Protocol):
    """Pages as a browser showed them."""

    def shown(self, rows: Sequence[Sequence[str]]) -> Observation:
        """Hold the pages against rows, one a page."""
        ...


class Loaded(Protocol):
    """Pages with what a browser asked for to show them."""

    def failed_to_load(self) -> str:
        """Say what failed to load; empty for nothing."""
        ...


@then("the browser showed these pages")
def browser_showed_pages(browsed: Browsed, evidence: Evidence, datatable: list[list[str]]) -> None:
    """Each page that the browser showed is as its row says, and there was no other."""
    seen = evidence.tell(browsed.shown(datatable[1:]))
    assert not seen.problem, seen.problem


@then("every resource that the browser's pages request was loaded")
def everything_was_loaded(browsed: Loaded) -> None:
    """No request of a page failed, and nothing of it was refused or had an error."""
    wrong = browsed.failed_to_load()
    assert not wrong, wrong
