"""Steady traffic: users who view the page and vote all the time, each request written down (A1).

Nothing is tried again. A user makes one request after another, at a pace of its own: where one
takes longer, the next comes at once, so that no request is left out because others were slow.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from meshproof.probes.ingress import Ingress, Response
from meshproof.timeline import Request, Step, Timeline

#: One request in so many is a vote.
VOTES = 3
#: Requests at most of one user: ten minutes of them at the fastest pace in use.
MOST_REQUESTS = 6000
#: The header by which the application says that a vote is stored, and under which id.
ACKNOWLEDGED = "x-vote-id"
CHOICES = ("Cats", "Dogs")


@dataclass(frozen=True)
class User:
    """One user: ``pace`` is requests a second, ``fresh`` has a new connection for each."""

    name: str
    pace: float
    headers: dict[str, str] = field(default_factory=dict)
    fresh: bool = False


class SteadyTraffic:
    """Users of one ingress gateway, and the steps that they live through."""

    def __init__(self, url: str) -> None:
        """The clock of the timeline begins here."""
        self.url = url
        self._begun = time.monotonic()
        self._ended = threading.Event()
        self._steps: list[Step] = []
        self._requests: list[Request] = []
        self._threads: list[threading.Thread] = []

    def begin(self, user: User) -> None:
        """Have a user begin, and go on until the end."""
        thread = threading.Thread(target=self._go_on, args=[user], name=user.name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def end(self) -> None:
        """Have every user finish the request that is under way, and make no other."""
        self._ended.set()
        for thread in self._threads:
            thread.join()

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Note a step of the tutorial, from its begin to its end."""
        begin = self.now()
        try:
            yield
        finally:
            self._steps.append(Step(title, begin, self.now()))

    def now(self) -> float:
        """Seconds since the timeline began."""
        return time.monotonic() - self._begun

    def timeline(self) -> Timeline:
        """What was seen so far."""
        return Timeline(tuple(self._steps), tuple(sorted(self._requests, key=lambda r: r.at)))

    def _go_on(self, user: User) -> None:
        kept = Ingress(self.url)
        due = self.now()
        for number in range(MOST_REQUESTS):
            if self._ended.wait(max(due - self.now(), 0)):
                return
            ingress = Ingress(self.url) if user.fresh else kept
            vote = CHOICES[number // VOTES % 2] if number % VOTES == 0 else ""
            vote_id = f"steady-{uuid.uuid4()}" if vote else ""
            at = self.now()
            response = (
                ingress.vote(vote, vote_id=vote_id, headers=user.headers)
                if vote
                else ingress.view(headers=user.headers)
            )
            if user.fresh:
                ingress.close()
            self._requests.append(request_of(at, user.name, response, vote, vote_id))
            due = max(due + 1 / user.pace, self.now() - 1 / user.pace)
        self._requests.append(
            Request(
                self.now(), 0.0, user.name, "-", None, "", "", "", "", "",
                f"not asked any more after {MOST_REQUESTS} requests",
            )
        )  # fmt: skip


@contextmanager
def steady_traffic(url: str) -> Iterator[SteadyTraffic]:
    """Have steady traffic that ends at the latest here."""
    traffic = SteadyTraffic(url)
    with ExitStack() as ending:
        ending.callback(traffic.end)
        yield traffic


def request_of(at: float, user: str, response: Response, vote: str, vote_id: str) -> Request:
    """Write one request down; a vote that is not acknowledged is a problem, whatever its status."""
    version = store = problem = ""
    try:
        page = response.page
        version, store = page.version, page.store
        if page.counts is None:
            problem = f"a page without counts: {page}"
    except ValueError as error:
        problem = str(error)
    acknowledged = response.headers.get(ACKNOWLEDGED, "")
    if vote and not problem and acknowledged != vote_id:
        problem = f"{response}, the vote not acknowledged ({ACKNOWLEDGED}: {acknowledged!r})"
    return Request(
        at, response.seconds, user, response.method, response.status, version, store,
        vote, vote_id, acknowledged, problem,
    )  # fmt: skip


def votes_amiss(timeline: Timeline, stored: Mapping[str, Sequence[tuple[str, str]]]) -> list[str]:
    """Say which votes are not as they were acknowledged; ``stored`` has the rows of each store.

    Each must be in the store of the version that acknowledged it exactly once, for the category
    that was voted for, and in no other; a vote that nobody cast must be nowhere. A vote that
    was cast and not acknowledged may be there or not, once at most.
    """
    cast = {request.vote_id: request for request in timeline.requests if request.vote}
    held: dict[str, list[tuple[str, str]]] = {}
    for store, rows in stored.items():
        for vote_id, category in rows:
            held.setdefault(vote_id, []).append((store, category))
    found = [f"{held[i]} holds {i}, which nobody cast" for i in sorted(held.keys() - cast.keys())]
    for vote_id, request in cast.items():
        stores = [request.store] if request.acknowledged and request.store else list(stored)
        allowed = [[(store, request.vote)] for store in stores]
        if not request.acknowledged:
            allowed.append([])
        if held.get(vote_id, []) not in allowed:
            found.append(f"{request}: held {held.get(vote_id, [])}")
    return found
