from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshproof import waiting
from meshproof.errors import EnvironmentBroken, ExitCode
from meshproof.paths import PROJECT
from meshproof.waiting import TIMEOUTS, Clock, NotConverged, Timeout, converge, told_to

TWO_SECONDS = Timeout("two-seconds", 2, 0.5, "long enough for a test")


class FakeTime:
    """Time that passes only where someone sleeps or looks."""

    def __init__(self) -> None:
        self.seconds = 100.0
        self.sleeps: list[float] = []
        self.clock = Clock(now=lambda: self.seconds, sleep=self.sleep)

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.seconds += seconds


def seen(values: Iterable[object]) -> Callable[[], object]:
    """A look that sees these in turn; an exception among them is raised."""
    remaining = iter(values)

    def look() -> object:
        value = next(remaining)
        if isinstance(value, BaseException):
            raise value
        return value

    return look


def test_what_holds_at_once_costs_one_look_and_no_sleep() -> None:
    time = FakeTime()
    found = converge(lambda: "ready", until=bool, what="it", timeout=TWO_SECONDS, clock=time.clock)
    assert (found.value, found.attempts, found.seconds) == ("ready", 1, 0)
    assert time.sleeps == []


@pytest.mark.parametrize("interruption", [False, ConnectionError("reset")])
def test_an_interruption_starts_the_count_of_successes_again(interruption: object) -> None:
    look = seen([True, True, interruption, True, True, True])
    found = converge(
        look,
        until=bool,
        what="it",
        timeout=Timeout("long", 60, 1, "a test"),
        successes=3,
        clock=FakeTime().clock,
    )
    assert found.attempts == 6


def test_the_deadline_says_attempts_time_and_last_value() -> None:
    with pytest.raises(NotConverged) as ended:
        converge(
            seen(range(100)),
            until=lambda value: value == 99,
            what="all pods are ready",
            timeout=TWO_SECONDS,
            clock=FakeTime().clock,
        )
    error = ended.value
    assert (error.attempts, error.seconds, error.last) == (5, 2.0, "4")
    assert error.sentence == (
        "all pods are ready: not so within 2.0 s (5 looks; timeout “two-seconds”, 2 s: "
        "long enough for a test)."
    )
    assert error.details == "Last seen: 4"
    assert error.exit_code == ExitCode.ENVIRONMENT


def test_the_deadline_says_the_last_error() -> None:
    with pytest.raises(NotConverged) as ended:
        converge(
            seen([False, *[ConnectionError("reset by peer")] * 10]),
            until=bool,
            what="it",
            timeout=TWO_SECONDS,
            clock=FakeTime().clock,
        )
    assert ended.value.last == "ConnectionError: reset by peer"


def test_a_condition_that_raises_counts_as_one_that_does_not_hold() -> None:
    def until(value: object) -> bool:
        raise KeyError("status")

    with pytest.raises(NotConverged) as ended:
        converge(dict, until=until, what="it", timeout=TWO_SECONDS, clock=FakeTime().clock)
    assert ended.value.last == "KeyError: 'status'"


@pytest.mark.parametrize("error", [EnvironmentBroken("The node is gone."), KeyboardInterrupt()])
def test_a_broken_environment_or_an_interrupt_ends_the_wait_at_once(error: BaseException) -> None:
    time = FakeTime()
    with pytest.raises(type(error)) as ended:
        converge(seen([False, error]), until=bool, what="it", timeout=TWO_SECONDS, clock=time.clock)
    assert ended.value is error
    assert len(time.sleeps) == 1


def test_a_look_that_began_before_the_deadline_counts() -> None:
    time = FakeTime()

    def slow() -> bool:
        time.seconds += 10
        return True

    found = converge(slow, until=bool, what="it", timeout=TWO_SECONDS, clock=time.clock)
    assert found.seconds == 10


LATE = Timeout("late", 2, 0.5, "there is nothing to see at once", first=0.25)


@pytest.mark.parametrize(
    ("timeout", "expected"),
    [(TWO_SECONDS, [100.0, 100.5, 101.0, 101.5]), (LATE, [100.25, 100.75])],
    ids=["at once", "once there can be something to see"],
)
def test_looks_are_an_interval_apart(timeout: Timeout, expected: list[float]) -> None:
    time = FakeTime()
    looks: list[float] = []

    def look() -> bool:
        looks.append(time.seconds)
        return len(looks) == len(expected)

    found = converge(look, until=bool, what="it", timeout=timeout, clock=time.clock)
    assert looks == expected
    assert (found.attempts, found.seconds) == (len(expected), expected[-1] - 100)


@given(
    seconds=st.integers(1, 50),
    interval=st.integers(1, 10),
    cost=st.integers(0, 5),
    successes=st.integers(1, 4),
    pattern=st.lists(st.sampled_from([True, False, ValueError("no")]), min_size=1, max_size=5),
)
def test_a_wait_always_ends(
    seconds: int, interval: int, cost: int, successes: int, pattern: list[object]
) -> None:
    time = FakeTime()
    most = math.ceil(seconds / (interval + cost)) + 1
    sights = seen((pattern * (most + 1))[: most + 1])  # one look more would be StopIteration

    def look() -> object:
        time.seconds += cost
        return sights()

    try:
        found = converge(
            look,
            until=bool,
            what="it",
            timeout=Timeout("any", seconds, interval, "a test"),
            successes=successes,
            clock=time.clock,
        )
    except NotConverged as error:
        assert error.attempts <= most
        assert error.seconds >= seconds
        assert "StopIteration" not in error.last
    else:
        assert successes <= found.attempts <= most


@pytest.mark.parametrize("sight", [False, None, RuntimeError("never")])
def test_what_never_holds_ends_at_the_deadline(sight: object) -> None:
    time = FakeTime()
    with pytest.raises(NotConverged):
        converge(seen([sight] * 100), until=bool, what="it", timeout=TWO_SECONDS, clock=time.clock)
    assert time.seconds == 102


@pytest.mark.parametrize("timeout", TIMEOUTS, ids=lambda timeout: timeout.name)
def test_every_deadline_has_a_reason_and_room_for_more_than_one_look(timeout: Timeout) -> None:
    assert len(timeout.reason.split()) >= 5
    assert 0 < timeout.interval < timeout.seconds
    assert 0 <= timeout.first < timeout.seconds


def test_every_deadline_is_in_the_table_under_a_name_of_its_own() -> None:
    defined = [value for value in vars(waiting).values() if isinstance(value, Timeout)]
    assert sorted(t.name for t in defined) == sorted({t.name for t in TIMEOUTS})


def test_nothing_sleeps_outside_of_converge() -> None:
    sleepers = []
    for folder in ("meshproof", "steps", "features"):
        for file in sorted((PROJECT / folder).rglob("*.py")):
            if file != Path(waiting.__file__):
                sleepers += [f"{file.relative_to(PROJECT)}:{line}" for line in _sleeps(file)]
    assert sleepers == []


def _sleeps(file: Path) -> list[int]:
    calls = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
    return [
        call.lineno
        for call in calls
        if (isinstance(call.func, ast.Attribute) and call.func.attr == "sleep")
        or (isinstance(call.func, ast.Name) and call.func.id == "sleep")
    ]


def test_who_wants_to_know_is_told_what_is_waited_for_as_long_as_it_is() -> None:
    told: list[str] = []

    @contextmanager
    def listener(what: str) -> Iterator[None]:
        told.append(f"until {what}")
        try:
            yield
        finally:
            told.append("no longer")

    def wait(*sights: object) -> None:
        converge(seen(sights), until=bool, what="it", timeout=TWO_SECONDS, clock=FakeTime().clock)

    with told_to(listener):
        wait(False, True)
        assert told == ["until it", "no longer"]
        with pytest.raises(NotConverged):
            wait(*[False] * 9)
        assert told == ["until it", "no longer"] * 2
        with told_to(lambda what: nullcontext()):
            wait(True)
    wait(True)
    assert told == ["until it", "no longer"] * 2
