"""Votes in Redis: a set of vote ids for each category, so that counting is its size (D8)."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from voting.counts import Category, Counts
from voting.errors import Dependency, UnavailableError
from voting.settings import Address
from voting.store import Outcome

KEYS: Final = {Category.CATS: "votes:Cats", Category.DOGS: "votes:Dogs"}
MOST_CONNECTIONS: Final = 16
CONNECT_SECONDS: Final = 1.0

# A script is one step for the server, so no other vote with this id can come in between.
CAST: Final = """
if redis.call('SISMEMBER', KEYS[2], ARGV[1]) == 1 then return 'OTHER_CATEGORY' end
if redis.call('SADD', KEYS[1], ARGV[1]) == 0 then return 'ALREADY_STORED' end
return 'STORED'
"""

_Result = TypeVar("_Result")
_log = logging.getLogger(__name__)


class RedisStore:
    """The store of version 1; opens its connections when they are first needed."""

    def __init__(self, address: Address, timeout: float) -> None:
        """Use the server at `address`; every operation ends within `timeout` seconds."""
        self._timeout = timeout
        self._pool = BlockingConnectionPool(
            host=address.host,
            port=address.port,
            max_connections=MOST_CONNECTIONS,
            timeout=None,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=None,
            decode_responses=True,
            # The greeting of the newer protocol would cost a new connection a round trip
            # each; and `_run` alone decides what may be repeated.
            protocol=2,
            driver_info=None,
            retry=Retry(NoBackoff(), 0),
        )
        self._redis = Redis(connection_pool=self._pool)

    async def cast(self, category: Category, vote_id: str) -> Outcome:
        """Store a vote unless its id is stored already; see `Store`."""
        other = Category.DOGS if category is Category.CATS else Category.CATS
        outcome = await self._run(
            lambda: self._redis.eval(CAST, 2, KEYS[category], KEYS[other], vote_id)
        )
        return Outcome[outcome]

    async def counts(self) -> Counts:
        """Count both categories; see `Store`."""
        cats, dogs = await self._run(self._sizes)
        return Counts(cats, dogs)

    async def _sizes(self) -> list[int]:
        async with self._redis.pipeline(transaction=True) as pipeline:
            for category in (Category.CATS, Category.DOGS):
                pipeline.scard(KEYS[category])
            return await pipeline.execute()

    async def reset(self) -> None:
        """Remove all votes; see `Store`.

        Never repeated: the first attempt may have worked, and a vote stored since then would
        be lost. So it has a new connection: one that was used before may break under it, as
        where a sidecar closes what is left on a listener 45 s after a policy replaced it.
        """
        await self._run(self._delete, repeatable=False)

    async def _delete(self) -> None:
        connection = await self._pool.get_connection()
        try:
            await connection.disconnect()
            await connection.connect()
            await connection.send_command("DEL", *KEYS.values())
            await connection.read_response()
        finally:
            await self._pool.release(connection)

    async def check(self) -> None:
        """Return if the server answers; see `Store`."""
        await self._run(self._redis.ping)

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.disconnect()

    async def _run(
        self, operation: Callable[[], Awaitable[_Result]], *, repeatable: bool = True
    ) -> _Result:
        try:
            async with asyncio.timeout(self._timeout):
                try:
                    return await operation()
                except RedisConnectionError:
                    # A pooled connection may have broken since it was last used; the pool gives
                    # the same one again, made anew.
                    if not repeatable:
                        raise
                    return await operation()
        except TimeoutError as error:
            raise self._unavailable(f"no answer within {self._timeout:g} s", error) from error
        except (RedisConnectionError, RedisTimeoutError, OSError) as error:
            raise self._unavailable("no connection", error) from error
        except RedisError as error:
            raise self._unavailable("it answered with an error", error) from error

    def _unavailable(self, reason: str, error: Exception) -> UnavailableError:
        _log.warning("storage unavailable", extra={"reason": reason, "detail": str(error)})
        return UnavailableError(Dependency.STORAGE, reason)
