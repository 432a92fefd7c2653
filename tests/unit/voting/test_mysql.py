from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest
from pymysql.constants import ER
from voting.counts import Category, Counts
from voting.errors import UnavailableError
from voting.store import Outcome
from voting.store.mysql import MOST_CONNECTIONS, RESET, MySqlStore

from tests.unit.voting.mysql_server import MYSQL_8, NATIVE, FakeMySql, Refused

Scenario = Callable[[FakeMySql, MySqlStore], Awaitable[None]]
CATS, DOGS = Category

OPERATIONS: dict[str, Callable[[MySqlStore], Awaitable[object]]] = {
    "cast": lambda store: store.cast(CATS, "new"),
    "counts": lambda store: store.counts(),
    "check": lambda store: store.check(),
    "reset": lambda store: store.reset(),
}


def play(scenario: Scenario, server: FakeMySql | None = None, timeout: float = 5) -> FakeMySql:
    """Play a scenario with a server and a store; returns the server."""
    server = server or FakeMySql()

    async def played() -> None:
        async with server:
            store = MySqlStore(server.access(), timeout)
            try:
                await asyncio.wait_for(scenario(server, store), 10)
            finally:
                await store.close()
            while server.open:
                await asyncio.sleep(0)

    asyncio.run(played())
    return server


async def use(server: FakeMySql, store: MySqlStore, connections: int = 1) -> None:
    """Have the store open some connections, and keep them."""
    await asyncio.gather(*(store.check() for _ in range(connections)))
    assert server.connected == connections


def test_vote_is_stored_once_and_in_one_category() -> None:
    async def scenario(server: FakeMySql, store: MySqlStore) -> None:
        assert await store.cast(CATS, "one") is Outcome.STORED
        assert await store.cast(CATS, "one") is Outcome.ALREADY_STORED
        assert await store.cast(DOGS, "one") is Outcome.OTHER_CATEGORY
        assert await store.cast(DOGS, "two") is Outcome.STORED
        assert server.votes == {"one": "Cats", "two": "Dogs"}

    assert play(scenario).connected == 1


def test_vote_that_a_reset_removed_meanwhile_was_stored_before() -> None:
    async def scenario(server: FakeMySql, store: MySqlStore) -> None:
        await store.cast(CATS, "one")
        server.reset_after_insert = True
        assert await store.cast(CATS, "one") is Outcome.ALREADY_STORED

    play(scenario)


def test_counts_are_of_one_statement_and_reset_makes_them_zero() -> None:
    async def scenario(server: FakeMySql, store: MySqlStore) -> None:
        assert await store.counts() == Counts(0, 0)
        for number in range(3):
            await store.cast(DOGS, f"vote-{number}")
        server.statements.clear()
        assert await store.counts() == Counts(0, 3)
        assert len(server.statements) == 1
        await store.reset()
        assert await store.counts() == Counts(0, 0)

    play(scenario)


def test_every_statement_is_a_transaction_of_its_own() -> None:
    async def scenario(_: FakeMySql, store: MySqlStore) -> None:
        await store.counts()

    assert play(scenario, FakeMySql(autocommit=False)).autocommit


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_connections_that_broke_when_idle_are_replaced(
    operation: Callable[[MySqlStore], Awaitable[object]],
) -> None:
    async def scenario(server: FakeMySql, store: MySqlStore) -> None:
        await use(server, store, connections=3)
        server.drop()
        await operation(store)
        assert server.connected == 4

    play(scenario)


@pytest.mark.parametrize("number", [1053, ER.LOCK_DEADLOCK, 4031])
def test_server_that_gives_an_idle_connection_up_is_asked_on_a_new_one(number: int) -> None:
    async def scenario(server: FakeMySql, store: MySqlStore) -> None:
        await use(server, store)
        server.error = Refused(number, "stopping")
        vote = asyncio.create_task(store.cast(CATS, "one"))
        while not any("INSERT" in statement for statement in server.statements):
            await asyncio.sleep(0)
        server.error = None
        assert await vote is Outcome.STORED

    play(scenario)


def test_vote_whose_answer_was_lost_is_acknowledged_and_counts_once() -> None:
    async def scenario(server: FakeMySql, store: MySqlStore) -> None:
        await use(server, store)
        server.lose_answer = True
        assert await store.cast(CATS, "one") is Outcome.ALREADY_STORED
        assert server.votes == {"one": "Cats"}

    play(scenario)


def test_reset_whose_answer_was_lost_is_not_repeated() -> None:
    async def scenario(server: FakeMySql, store: MySqlStore) -> None:
        await use(server, store)
        server.lose_answer = True
        with pytest.raises(UnavailableError, match="no connection"):
            await store.reset()
        assert server.statements.count(RESET) == 1

    play(scenario)


def test_silent_server_is_given_up_in_time_and_asked_on_new_connections() -> None:
    async def scenario(server: FakeMySql, store: MySqlStore) -> None:
        await use(server, store, connections=3)
        server.silent = True
        with pytest.raises(UnavailableError, match=r"no answer within 0\.2 s"):
            await store.counts()
        server.silent = False
        assert await store.counts() == Counts(0, 0)
        assert server.connected == 4

    play(scenario, timeout=0.2)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_error_of_the_server_is_told_from_no_connection(
    operation: Callable[[MySqlStore], Awaitable[object]],
) -> None:
    async def scenario(_: FakeMySql, store: MySqlStore) -> None:
        with pytest.raises(UnavailableError, match="it answered with an error"):
            await operation(store)

    play(scenario, FakeMySql(error=Refused(ER.NO_SUCH_TABLE, "Table 'voting.votes' is not there")))


def test_many_requests_share_few_connections() -> None:
    async def scenario(server: FakeMySql, store: MySqlStore) -> None:
        await asyncio.gather(*(store.cast(CATS, f"vote-{number}") for number in range(100)))
        assert await store.counts() == Counts(100, 0)

    assert play(scenario).connected <= MOST_CONNECTIONS


@pytest.mark.parametrize("plugin", [NATIVE, MYSQL_8])
@pytest.mark.parametrize("password", ["secret", "it's \"a\\ `wörd` — ☃"])
def test_user_is_admitted_by_any_password(plugin: str, password: str) -> None:
    async def scenario(_: FakeMySql, store: MySqlStore) -> None:
        await store.check()

    play(scenario, FakeMySql(plugin, password))


@pytest.mark.parametrize("plugin", [NATIVE, MYSQL_8])
def test_password_is_never_shown(plugin: str, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(server: FakeMySql, _: MySqlStore) -> None:
        access = server.access("a-wrong-one")
        store = MySqlStore(access, 5)
        with pytest.raises(UnavailableError, match="answered with an error") as failure:
            await store.check()
        shown = [repr(access), repr(failure.value), repr(failure.value.__cause__)]
        assert not any("a-wrong-one" in text for text in [*shown, caplog.text])
        assert "Access denied" in str(vars(caplog.records[-1]))
        assert not any("a-wrong-one" in str(vars(record)) for record in caplog.records)

    with caplog.at_level(logging.DEBUG):
        play(scenario, FakeMySql(plugin))
