"""Votes in MySQL: a row for each vote, its id the primary key, so that it counts once (D8)."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Final, TypeVar

from aiomysql import (
    Connection,
    Cursor,
    IntegrityError,
    InterfaceError,
    MySQLError,
    OperationalError,
    connect,
)
from pymysql.constants import CR, ER

from voting.counts import Category, Counts
from voting.errors import Dependency, UnavailableError
from voting.settings import MySql
from voting.store import Outcome

MOST_CONNECTIONS: Final = 16
CONNECT_SECONDS: Final = 1.0

# Each is a transaction of its own: no connection keeps a snapshot of how the table once was.
CAST: Final = "INSERT INTO votes (id, category) VALUES (%s, %s)"
FIND: Final = "SELECT category FROM votes WHERE id = %s"
COUNTS: Final = "SELECT category, COUNT(*) FROM votes GROUP BY category"
RESET: Final = "DELETE FROM votes"
CHECK: Final = "SELECT 1 FROM votes LIMIT 1"

_NO_CONNECTION: Final = {CR.CR_CONN_HOST_ERROR, CR.CR_SERVER_GONE_ERROR, CR.CR_SERVER_LOST}

_Result = TypeVar("_Result")
_log = logging.getLogger(__name__)


class MySqlStore:
    """The store of version 2; opens its connections when they are first needed."""

    def __init__(self, server: MySql, timeout: float) -> None:
        """Use the database of `server`; every operation ends within `timeout` seconds."""
        self._timeout = timeout
        self._connect = partial(
            connect,
            host=server.address.host,
            port=server.address.port,
            db=server.database,
            user=server.user,
            # The library sends a password as Latin-1; what it sends here are its bytes in UTF-8.
            password=server.password.encode().decode("latin-1"),
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
        )
        self._slots = asyncio.Semaphore(MOST_CONNECTIONS)
        self._idle: list[Connection] = []

    async def cast(self, category: Category, vote_id: str) -> Outcome:
        """Store a vote unless its id is stored already; see `Store`."""

        async def operation(cursor: Cursor) -> Outcome:
            try:
                await cursor.execute(CAST, (vote_id, category.value))
            except IntegrityError as error:
                if error.args[0] != ER.DUP_ENTRY:
                    raise
                await cursor.execute(FIND, (vote_id,))
                # No row: a reset came in between, so the vote was stored before it.
                if await cursor.fetchone() in {None, (category.value,)}:
                    return Outcome.ALREADY_STORED
                return Outcome.OTHER_CATEGORY
            return Outcome.STORED

        return await self._run(operation)

    async def counts(self) -> Counts:
        """Count both categories; see `Store`."""

        async def operation(cursor: Cursor) -> Counts:
            await cursor.execute(COUNTS)
            found = dict(await cursor.fetchall())
            return Counts(found.get(Category.CATS, 0), found.get(Category.DOGS, 0))

        return await self._run(operation)

    async def reset(self) -> None:
        """Remove all votes; see `Store`.

        Never repeated: the first attempt may have worked, and a vote stored since then would
        be lost. So it has a new connection, where one that was used before may be broken.
        """
        await self._run(lambda cursor: cursor.execute(RESET), repeatable=False)

    async def check(self) -> None:
        """Return if the server answers, and has the table; see `Store`."""
        await self._run(lambda cursor: cursor.execute(CHECK))

    async def close(self) -> None:
        """Close every connection that is not in use."""
        while self._idle:
            with suppress(OSError):
                await self._idle.pop().ensure_closed()

    async def _run(
        self, operation: Callable[[Cursor], Awaitable[_Result]], *, repeatable: bool = True
    ) -> _Result:
        try:
            async with asyncio.timeout(self._timeout), self._slots:
                if not (repeatable and self._idle):
                    return await self._attempt(await self._connect(), operation)
                try:
                    return await self._attempt(self._idle.pop(), operation)
                except (OperationalError, InterfaceError):
                    # The connection may have broken since it was last used, and then so have
                    # the others.
                    self._drop_idle()
                    return await self._attempt(await self._connect(), operation)
        except TimeoutError as error:
            self._drop_idle()
            raise self._unavailable(f"no answer within {self._timeout:g} s", error) from error
        except MySQLError as error:
            if error.args[0] in _NO_CONNECTION:
                raise self._unavailable("no connection", error) from error
            raise self._unavailable("it answered with an error", error) from error

    async def _attempt(
        self, connection: Connection, operation: Callable[[Cursor], Awaitable[_Result]]
    ) -> _Result:
        try:
            async with connection.cursor() as cursor:
                result = await operation(cursor)
        except BaseException:
            # Nobody knows how far it got.
            connection.close()
            raise
        self._idle.append(connection)
        return result

    def _drop_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _unavailable(self, reason: str, error: Exception) -> UnavailableError:
        _log.warning("storage unavailable", extra={"reason": reason, "detail": str(error)})
        return UnavailableError(Dependency.STORAGE, reason)
