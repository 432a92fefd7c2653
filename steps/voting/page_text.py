"""What the page and the tutorial's loop show, held against what they are to show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from meshproof.analysis.observation import Observation, unless
from meshproof.wording import in_turn, listed, number
from steps.voting.voting_app import Response
from steps.voting.voting_page import NAMED_IN_QUOTES, Page, read_text

RESULTS = ('<div id="results"> ', " </div>")


def viewed(response: Response) -> Observation:
    """Say what page came. Raises ``WrongPage`` where none did."""
    return Observation(
        results=[f"The page is {response.page}."],
        details=[str(response)],
        texts={"page as served": f"{response}\n\n{response.body}"},
    )


def page_from_app_pod(page: Page, pods: Collection[str], version: str, store: str) -> Observation:
    """Hold a page against its version and store; its host must be one of the pods."""
    return Observation(
        problems=[
            *unless((page.version, page.store) == (version, store), str(page)),
            *unless(page.host in pods, f"no pod is called {page.host}"),
        ]
    )


@dataclass(frozen=True)
class Loop:
    """The lines that the tutorial's loop printed, and for how many requests."""

    lines: Sequence[str]
    count: int

    def show(self, users: str, shown: str) -> Observation:
        """Hold the lines, one a request, against formats: `analytics "1.0" or "1.1"`, say."""
        texts = [line.removeprefix(RESULTS[0]).removesuffix(RESULTS[1]) for line in self.lines]
        read = [(read_text(text) or ("neither",))[0] for text in texts]
        shares, printed = Counter(read), number(len(texts), "line")
        by_version = listed(f"{n} by analytics {version}" for version, n in sorted(shares.items()))
        return Observation(
            results=[f"The answers to {users} are {printed}: {by_version}."],
            details=[f"the loop printed: {'; '.join(texts)}"],
            problems=[
                *unless(len(texts) == self.count, f"it printed {printed}, not {self.count}"),
                *unless(set(read) <= set(NAMED_IN_QUOTES.findall(shown)), in_turn(texts)),
            ],
        )
