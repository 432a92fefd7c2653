"""Waiting, in one function: poll until it holds k times in a row, or a deadline passes.

There is no fixed sleep anywhere else, and here only before a first look that could see nothing
yet. Every deadline is in the table below, with its reason.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Generic, TypeVar

from tenacity import RetryCallState, Retrying, wait_fixed

from meshproof.errors import EnvironmentBroken, MeshproofError, PromiseBroken
from meshproof.interruption import interruption
from meshproof.timeouts import stretched
from meshproof.wording import told

T = TypeVar("T")


@dataclass(frozen=True)
class Timeout:
    """A deadline in seconds, how often to look (seconds), and why it is what it is.

    ``first`` is how many seconds pass before the first look, where one could see nothing earlier.
    """

    name: str
    seconds: float
    interval: float
    reason: str
    first: float = 0.0


ENVIRONMENT_UP = Timeout(
    "environment-up", 5400, 0.1, "everything is built from nothing in 20 to 40 minutes on 2 cores"
)
ENGINE_START = Timeout(
    "engine-start", 60, 0.5, "dockerd is up in 2 s; one that waits for its predecessor takes 15 s"
)
API_SERVER = Timeout(
    "api-server",
    120,
    0.5,
    "answers 9 s after a node's restart on 2 cores; five times that, and more",
)
NODES_READY = Timeout(
    "nodes-ready", 180, 1, "55 s after an engine's restart, all pods starting at once"
)
SYSTEM_READY = Timeout(
    "system-ready", 180, 1, "DNS, storage and istiod after a restart: 55 s measured"
)
MESH_READY = Timeout("mesh-ready", 120, 0.5, "istiod and the gateway are ready 10 s after install")
LABEL_IN_FORCE = Timeout(
    "label-in-force", 20, 0.2, "admission sees a namespace's new label within a second"
)
WORKLOADS_READY = Timeout(
    "workloads-ready",
    120,
    0.5,
    "step 1 is ready in 9 s on an idle machine; a busy one takes 4 times that",
)
PROXIES_SYNCED = Timeout("proxies-synced", 60, 0.2, "istiod pushes within a second of a change")
CHANGE_LOADED = Timeout(
    "change-loaded",
    60,
    0.1,
    "istiod pushes a change within a second, and not before it was quiet for 0.1 s",
    first=0.15,
)
ISTIOD_QUIET = Timeout(
    "istiod-quiet", 30, 0.5, "istiod pushes 0.1 s after a change; a mesh of many changes has pauses"
)
LOGS_WRITTEN = Timeout(
    "logs-written",
    30,
    0.5,
    "a proxy writes its access log down once a second",
)
ROUTE_IN_FORCE = Timeout(
    "route-in-force", 60, 0.2, "a pushed route is in force within a second or two"
)
PREFLIGHT_CALLS = Timeout(
    "preflight-calls",
    60,
    1,
    "what istiod pushes is in force within a second or two; each second has ports of its own",
)
PREFLIGHT = Timeout(
    "preflight", 420, 0.1, "it takes some 10 s; a namespace, pods, routes and logs have their own"
)
REQUESTS_ANSWERED = Timeout(
    "requests-answered", 30, 0.05, "ten of each user, at its pace, take 2 s, and a slow one 10 s"
)
CERTIFICATE_RENEWED = Timeout(
    "certificate-renewed",
    60,
    0.25,
    "certificates of 20 s are renewed after 10 s and expire after 20; three times that",
)
CAPTURE = Timeout(
    "capture", 20, 0.05, "tcpdump listens within 0.3 s, and writes a packet within a second"
)
NAMESPACE_GONE = Timeout(
    "namespace-gone", 120, 0.5, "pods get 30 s to stop, and the controllers some more to notice"
)
VOLUMES_GONE = Timeout(
    "volumes-gone", 60, 0.5, "a pod of its own empties a volume's folder: some seconds"
)
NAME_RESOLVES = Timeout(
    "name-resolves", 120, 1, "a new load balancer's host name resolves after some 30 s"
)
WAY_IN_FREE = Timeout(
    "way-in-free", 3600, 1, "another run has the way in for any host; one takes some ten minutes"
)

TIMEOUTS: tuple[Timeout, ...] = (
    ENVIRONMENT_UP,
    ENGINE_START,
    API_SERVER,
    NODES_READY,
    SYSTEM_READY,
    MESH_READY,
    LABEL_IN_FORCE,
    WORKLOADS_READY,
    PROXIES_SYNCED,
    CHANGE_LOADED,
    ISTIOD_QUIET,
    LOGS_WRITTEN,
    ROUTE_IN_FORCE,
    PREFLIGHT_CALLS,
    PREFLIGHT,
    REQUESTS_ANSWERED,
    CERTIFICATE_RENEWED,
    CAPTURE,
    NAMESPACE_GONE,
    VOLUMES_GONE,
    NAME_RESOLVES,
    WAY_IN_FREE,
)


@dataclass(frozen=True)
class Converged(Generic[T]):
    """What was seen last, after how many looks and how many seconds."""

    value: T
    attempts: int
    seconds: float


class NotConverged(MeshproofError):
    """The deadline passed first. Says what was waited for, how long, and what was seen last."""

    def __init__(
        self, what: str, timeout: Timeout, attempts: int, seconds: float, last: str
    ) -> None:
        """Keep the numbers for the report."""
        super().__init__(
            f"{what}: not so within {seconds:.1f} s ({attempts} looks; timeout “{timeout.name}”, "
            f"{stretched(timeout.seconds):g} s: {timeout.reason}).",
            f"Last seen: {last}",
        )
        self.attempts = attempts
        self.seconds = seconds
        self.last = last


class NotKept(NotConverged, PromiseBroken):
    """What did not come in time was promised: a broken promise, and not the environment's fault."""


@dataclass(frozen=True)
class Clock:
    """Time and sleep, so that tests need not wait."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


#: Told what is waited for, by a context that lasts as long as the wait. It must not raise.
Listener = Callable[[str], AbstractContextManager[None]]
_listener: Listener | None = None


@contextmanager
def told_to(listener: Listener) -> Iterator[None]:
    """Have ``listener`` told of every wait, in any thread, until this context ends."""
    global _listener  # noqa: PLW0603 - one for the process: waits in threads count too
    before, _listener = _listener, listener
    try:
        yield
    finally:
        _listener = before


def converge(
    look: Callable[[], T],
    *,
    until: Callable[[T], bool],
    what: str,
    timeout: Timeout,
    successes: int = 1,
    promised: bool = False,
    clock: Clock = Clock(),
) -> Converged[T]:
    """Look until ``until`` holds ``successes`` times in a row.

    A look that raises counts as one that does not hold; its error is kept.
    ``EnvironmentBroken`` raised by a look ends the wait at once, and so does an interrupt of the
    run, in any thread. Raises
    ``NotConverged`` when ``timeout`` passes first, and ``NotKept`` where what did not
    come was ``promised``; a look that began before the deadline still counts.
    """
    with _listener(what) if _listener else nullcontext():
        return _converge(
            look,
            until=until,
            what=what,
            timeout=timeout,
            successes=successes,
            late=NotKept if promised else NotConverged,
            clock=clock,
        )


def _converge(
    look: Callable[[], T],
    *,
    until: Callable[[T], bool],
    what: str,
    timeout: Timeout,
    successes: int,
    late: type[NotConverged],
    clock: Clock,
) -> Converged[T]:
    begun = clock.now()
    in_a_row = 0
    last = "nothing"
    if timeout.first:
        clock.sleep(timeout.first)

    def attempt() -> T | None:
        nonlocal in_a_row, last
        interruption.check()
        try:
            value = look()
            holds = until(value)
        except EnvironmentBroken:
            raise
        except Exception as error:  # whatever a look meets is what was seen
            in_a_row, last = 0, f"{type(error).__name__}: {error}"
            return None
        last = told(value)
        in_a_row = in_a_row + 1 if holds else 0
        return value if in_a_row >= successes else None

    def unfinished(state: RetryCallState) -> bool:
        # What attempt() lets through (EnvironmentBroken, an interrupt) ends the wait.
        let_through = state.outcome is not None and state.outcome.failed
        return in_a_row < successes and not let_through

    def overdue(state: RetryCallState) -> bool:
        return clock.now() - begun >= stretched(timeout.seconds)

    def give_up(state: RetryCallState) -> T:
        seconds = clock.now() - begun
        raise late(what, timeout, state.attempt_number, seconds, last)

    attempts = 0

    def count(state: RetryCallState) -> None:
        nonlocal attempts
        attempts = state.attempt_number

    retrying = Retrying(
        sleep=clock.sleep,
        wait=wait_fixed(timeout.interval),
        stop=overdue,
        retry=unfinished,
        retry_error_callback=give_up,
        before=count,
    )
    # `unfinished` is true whenever attempt() returns None in its stead, so this is a T.
    value: T = retrying(attempt)  # type: ignore[assignment]
    return Converged(value, attempts, clock.now() - begun)
