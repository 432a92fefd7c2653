from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from voting.counts import Counts
from voting.errors import UnavailableError
from voting.settings import Address
from voting.store.redis import RedisStore

Scenario = Callable[["FakeRedis", RedisStore], Awaitable[None]]


@dataclass
class FakeRedis:
    """A server that answers each command with what it is told, or loses its connections."""

    connected: int = 0
    commands: list[str] = field(default_factory=list)
    losing: int = 0
    """How many of the connections, from the first, close when the next command arrives there."""
    lose_answer: bool = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected += 1
        number = self.connected
        while header := await reader.readline():
            words = []
            for _ in range(int(header[1:])):
                length = int((await reader.readline())[1:])
                words.append((await reader.readexactly(length + 2))[:length].decode())
            if number <= self.losing:
                break
            self.commands.append(words[0])
            if self.lose_answer:
                break
            writer.write(
                {
                    "MULTI": b"+OK\r\n",
                    "SCARD": b"+QUEUED\r\n",
                    "EXEC": b"*2\r\n:0\r\n:0\r\n",
                    "PING": b"+PONG\r\n",
                    "DEL": b":2\r\n",
                }[words[0]]
            )
        writer.close()


def play(scenario: Scenario) -> FakeRedis:
    """Play a scenario with a server and a store; returns the server."""
    redis = FakeRedis()

    async def played() -> None:
        async with await asyncio.start_server(redis.serve, "127.0.0.1", 0) as server:
            host, port = server.sockets[0].getsockname()
            store = RedisStore(Address(host, port), 5)
            try:
                await asyncio.wait_for(scenario(redis, store), 10)
            finally:
                await store.close()

    asyncio.run(played())
    return redis


async def use(redis: FakeRedis, store: RedisStore, connections: int) -> None:
    """Have the store open some connections, and keep them."""
    await asyncio.gather(*(store.check() for _ in range(connections)))
    assert redis.connected == connections


def test_reset_meets_no_connection_that_broke_since_it_was_used() -> None:
    async def scenario(redis: FakeRedis, store: RedisStore) -> None:
        await use(redis, store, connections=3)
        redis.losing = 3
        await store.reset()

    assert play(scenario).commands.count("DEL") == 1


def test_reset_whose_answer_was_lost_is_not_repeated() -> None:
    async def scenario(redis: FakeRedis, store: RedisStore) -> None:
        await use(redis, store, connections=1)
        redis.lose_answer = True
        with pytest.raises(UnavailableError, match="no connection"):
            await store.reset()

    assert play(scenario).commands.count("DEL") == 1


def test_resets_at_once_keep_within_the_connections_that_may_be_open() -> None:
    async def scenario(redis: FakeRedis, store: RedisStore) -> None:
        await asyncio.gather(*(store.reset() for _ in range(40)))

    assert play(scenario).commands.count("DEL") == 40


def test_counts_are_asked_again_on_a_new_connection_where_all_that_were_used_broke() -> None:
    async def scenario(redis: FakeRedis, store: RedisStore) -> None:
        await use(redis, store, connections=3)
        redis.losing = 3
        assert await store.counts() == Counts(0, 0)

    assert play(scenario).connected == 4
