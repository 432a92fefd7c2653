"""Views of the product page, many of them, each written down."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass

from meshproof.analysis.sequential import SequentialTest
from meshproof.mesh.ingress import Answer, Ingress
from steps.bookinfo.product_page import parse_product_page
from steps.bookinfo.readers import ANNA, signed_in

PATH = "/productpage"
#: Connections that a sample is taken on at once.
AT_ONCE = 4
#: Connections at once of who has to wait for seconds.
WAITING_AT_ONCE = 24
#: Views that are asked for before it is looked whether they decide.
PORTION = 40

#: Makes the request of a turn, on a connection.
Ask = Callable[[Ingress, int], Answer]


@dataclass(frozen=True)
class View:
    """One answer. ``at`` is seconds since the sampling began; ``pod`` served the reviews.

    ``shown`` is what the page shows of its reviews; empty, with the ``problem``, where the answer
    is no whole product page. ``user`` is who the page says has signed in.
    """

    at: float
    seconds: float
    status: int | None
    user: str
    shown: str
    pod: str
    problem: str = ""

    def __str__(self) -> str:
        """Return the answer in a line."""
        what = self.problem or f"{self.shown}, reviews served by {self.pod or 'nobody'}"
        return f"{what}, at {self.at:.2f} s, after {self.seconds:.2f} s"


def view_of(at: float, response: Answer) -> View:
    """Read one view; a page without the book's details is not whole."""
    try:
        if response.status != 200:
            raise ValueError(str(response))
        page = parse_product_page(response.body)
        if not page.details:
            raise ValueError(f"a page without details: {page}")
    except ValueError as error:
        return View(at, response.seconds, response.status, "", "", "", str(error))
    return View(at, response.seconds, response.status, page.user, page.shown, page.pod)


def view(ingress: Ingress, headers: Mapping[str, str], query: str = "") -> Answer:
    """View the product page once, with these headers and this query."""
    return ingress.request("GET", PATH + query, headers=dict(headers))


def as_user(headers: Mapping[str, str]) -> Ask:
    """Make every request with the same headers."""
    return lambda ingress, _: view(ingress, headers)


def as_everyone_else(ingress: Ingress, turn: int) -> Answer:
    """Be nobody who signed in and somebody who did, in turn."""
    return view(ingress, signed_in(ANNA) if turn % 2 else {})


def sample(source: Ingress, count: int, ask: Ask, at_once: int = AT_ONCE) -> list[View]:
    """Ask so often, on several connections at once; nothing is tried again.

    The pages are read once all are there, in the order in which they were asked for.
    """
    return sample_all(source, {"": (count, ask)}, at_once)[""]


def sample_all(
    source: Ingress, users: Mapping[str, tuple[int, Ask]], at_once: int = AT_ONCE
) -> dict[str, list[View]]:
    """Ask as each of the users, so often as is said of each; on every connection they come in turn.

    As from a proxy between them and the ingress: what is kept of one must not be another's.
    """
    begun = time.monotonic()
    turns = iter(range(max((count for count, _ in users.values()), default=0)))

    def on_a_connection(_: int) -> dict[str, list[tuple[float, Answer]]]:
        answers: dict[str, list[tuple[float, Answer]]] = {user: [] for user in users}
        with closing(Ingress(source.url, host=source.host)) as ingress:
            # Whichever connection is free takes the next turn; next() is one step of Python.
            for turn in turns:
                for user, (count, ask) in users.items():
                    if turn < count:
                        at = time.monotonic() - begun
                        answers[user].append((at, ask(ingress, turn)))
        return answers

    with ThreadPoolExecutor(at_once) as pool:
        shares = list(pool.map(on_a_connection, range(at_once)))
    return {
        user: [
            view_of(at, response)
            for at, response in sorted(
                (one for answers in shares for one in answers[user]), key=lambda one: one[0]
            )
        ]
        for user in users
    }


def sample_until_decided(
    source: Ingress, test: SequentialTest, kinds: tuple[str, str], ask: Ask
) -> list[View]:
    """View the page until it is decided whether two kinds come evenly; returns all views.

    A route by weight draws for each request by itself, whatever else is under way, so several are
    asked for at once. Views of neither kind count for nothing here.
    """
    views: list[View] = []
    while len(views) < 2 * test.most and not decided_by(views, test, kinds):
        views += sample(source, PORTION, ask)
    return views


def decided_by(views: Sequence[View], test: SequentialTest, kinds: tuple[str, str]) -> int:
    """By how many of these views it is decided, in their order; 0 while it is open."""
    seen: Counter[str] = Counter()
    for number, one in enumerate(views, 1):
        seen[one.shown] += 1
        first, second = (seen[kind] for kind in kinds)
        if one.shown in kinds and (test.decision(first, second) or first + second == test.most):
            return number
    return 0


def as_lines(views: Iterable[View]) -> str:
    """Write views down, one JSON object a line, as evidence."""
    return "".join(json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in views)
