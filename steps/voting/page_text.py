"""What the page and the tutorial's loop show, held against what they are to show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from meshproof.analysis.observation import Observation, unless
from meshproof.wording import in_turn, listed, number
from steps.voting.voting_app import Response
from steps.voting.voting_page import Page, read_text

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


def lines_of_loop(lines: Sequence[str], count: int, versions: str) -> Observation:
    """Read which analytics each line of the loop shows: `"1.0" or "1.1"` are allowed, say."""
    texts = [line.removeprefix(RESULTS[0]).removesuffix(RESULTS[1]) for line in lines]
    read = [(read_text(text) or ("neither",))[0] for text in texts]
    shares, printed = Counter(read), number(len(lines), "line")
    by_version = listed(f"{n} by analytics {version}" for version, n in sorted(shares.items()))
    allowed = set(versions.replace('"', "").split(" or "))
    return Observation(
        results=[f"The loop printed {printed}: {by_version}."],
        details=[f"the loop printed: {'; '.join(texts)}"],
        problems=[
            *unless(len(lines) == count, f"it printed {printed}, not {count}"),
            *unless(set(read) <= allowed, in_turn(texts)),
        ],
    )
