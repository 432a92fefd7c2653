"""Steady traffic: users who view the page and vote all the time, all of it written down (A1, C7).

Nothing is tried again. A user makes one request after another, at a pace of its own: where one
takes longer, the next comes at once, so that no request is left out because others were slow.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field

from meshproof.analysis.timeline import Request, Step, Timeline
from meshproof.probes.ingress import Ingress, Response
from meshproof.probes.votes import CATEGORIES, VOTE_ID
from meshproof.waiting import REQUESTS_ANSWERED, converge
from meshproof.wording import listed, quoted

#: One request in so many is a vote.
VOTES = 3
#: Users at most of one ingress gateway.
MOST_USERS = 8
#: Requests at most of one user: ten minutes of them, and more, at the fastest pace in use.
MOST_REQUESTS = 6000


@dataclass(frozen=True)
class User:
    """One user: ``pace`` is requests a second, ``fresh`` has a new connection for each.

    One request in so many as ``votes`` says is a vote, the others are views.
    """

    name: str
    pace: float
    headers: dict[str, str] = field(default_factory=dict)
    fresh: bool = False
    votes: int = VOTES


class SteadyTraffic:
    """Users of one ingress gateway, and the steps that they live through."""

    def __init__(self, url: str, host: str | None = None) -> None:
        """The clock of the timeline begins here. ``host`` is the name that users ask for."""
        self.url = url
        self.host = host
        self._begun = time.monotonic()
        self._ended = threading.Event()
        self._steps: list[Step] = []
        self._requests: list[Request] = []
        self._pool = ThreadPoolExecutor(MOST_USERS)
        self._users: dict[str, Future[None]] = {}

    def begin(self, user: User) -> None:
        """Have a user begin, and go on until the end."""
        self._users[user.name] = self._pool.submit(self._go_on, user)

    def end(self, *, after: int = 0) -> None:
        """Have every user finish the request that is under way, and make no other.

        Before that each is answered ``after`` times more, unless they have ended already. Raises
        ``NotConverged`` where they are not, and what a user met who could not go on: none may
        be missing without a word.
        """
        try:
            if after and not self._ended.is_set():
                self.await_requests(after)
        finally:
            self._ended.set()
            self._pool.shutdown()
        for user in self._users.values():
            user.result()

    def await_requests(self, each: int = 1) -> None:
        """Wait until every user has been answered so often, asked from now on.

        No request is under way then that had begun before. Raises ``NotConverged``.
        """
        moment = self.now()

        def behind() -> list[str]:
            asked = Counter(r.user for r in tuple(self._requests) if r.at >= moment)
            return [user for user in self._users if asked[user] < each]

        converge(
            behind,
            until=lambda users: not users,
            what=f"every user has been answered {each} times more",
            timeout=REQUESTS_ANSWERED,
            promised=True,
        )

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
        due = self.now()
        with closing(self._user()) as kept:
            for number in range(MOST_REQUESTS):
                if self._ended.wait(max(due - self.now(), 0)):
                    return
                ballot, view = divmod(number, user.votes)
                vote = "" if view else CATEGORIES[ballot % 2]
                self._requests.append(self._ask(user, kept, vote))
                due = max(due + 1 / user.pace, self.now() - 1 / user.pace)
        raise RuntimeError(f"{user.name} was not to make more than {MOST_REQUESTS} requests")

    def _user(self) -> Ingress:
        return Ingress(self.url, host=self.host)

    def _ask(self, user: User, kept: Ingress, vote: str) -> Request:
        at, vote_id = self.now(), f"steady-{uuid.uuid4()}" if vote else ""
        with closing(self._user()) if user.fresh else nullcontext(kept) as ingress:
            response = (
                ingress.vote(vote, vote_id=vote_id, headers=user.headers)
                if vote
                else ingress.view(headers=user.headers)
            )
        return request_of(at, user.name, response, vote, vote_id)


@contextmanager
def steady_traffic(url: str, host: str | None = None) -> Iterator[SteadyTraffic]:
    """Have steady traffic that ends at the latest here."""
    traffic = SteadyTraffic(url, host)
    try:
        yield traffic
    finally:
        traffic.end()


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
    acknowledged = response.headers.get(VOTE_ID, "")
    if vote and not problem and acknowledged != vote_id:
        problem = f"{response}, the vote not acknowledged ({VOTE_ID}: {quoted(acknowledged)})"
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
    uncast = sorted(held.keys() - cast.keys())
    found = [f"the vote {vote_id}, which nobody cast: {_held(held[vote_id])}" for vote_id in uncast]
    for vote_id, request in cast.items():
        stores = [request.store] if request.acknowledged and request.store else list(stored)
        allowed = [[(store, request.vote)] for store in stores]
        if not request.acknowledged:
            allowed.append([])
        if held.get(vote_id, []) not in allowed:
            found.append(f"{request}: {_held(held.get(vote_id, []))}")
    return found


def _held(where: Sequence[tuple[str, str]]) -> str:
    """Say in which stores a vote is held, and for what."""
    return f"held {listed((f'in {store} for {category}' for store, category in where), 'nowhere')}"
