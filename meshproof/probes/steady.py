"""Steady traffic: users who make requests all the time, all of it written down.

Nothing is tried again. A user makes one request after another, at a pace of its own: where one
takes longer, the next comes at once, so that no request is left out because others were slow.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass

from meshproof.analysis.timeline import Request, Step, Timeline
from meshproof.mesh.ingress import Ingress
from meshproof.waiting import REQUESTS_ANSWERED, converge

#: Users at most of one ingress gateway.
MOST_USERS = 8
#: Requests at most of one user: ten minutes of them, and more, at the fastest pace in use.
MOST_REQUESTS = 6000

#: Requests of each user that must tell of a time between steps, or after the last one.
REQUESTS_OF_EACH = 10

#: Makes one request, and writes it down: of the ingress gateway, at a time of the timeline, for the
#: user of this name, who has made so many before.
Ask = Callable[[Ingress, float, str, int], Request]


@dataclass(frozen=True)
class User:
    """One user: ``pace`` is requests a second, ``fresh`` has a new connection for each."""

    name: str
    pace: float
    ask: Ask
    fresh: bool = False


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

    def ended(self) -> Timeline:
        """End the users, once each has told of what the last step led to; return what was seen.

        Raises as `end` does.
        """
        self.end(after=REQUESTS_OF_EACH)
        return self.timeline()

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
                self._requests.append(self._ask(user, kept, number))
                due = max(due + 1 / user.pace, self.now() - 1 / user.pace)
        raise RuntimeError(f"{user.name} was not to make more than {MOST_REQUESTS} requests")

    def _user(self) -> Ingress:
        return Ingress(self.url, host=self.host)

    def _ask(self, user: User, kept: Ingress, number: int) -> Request:
        at = self.now()
        with closing(self._user()) if user.fresh else nullcontext(kept) as ingress:
            return user.ask(ingress, at, user.name, number)


@contextmanager
def steady_traffic(url: str, host: str | None = None) -> Iterator[SteadyTraffic]:
    """Have steady traffic that ends at the latest here."""
    traffic = SteadyTraffic(url, host)
    try:
        yield traffic
    finally:
        traffic.end()
