"""The application as it is served, on loopback ports, over a store in memory."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
from aiohttp import ClientSession, DummyCookieJar, web
from aiohttp.typedefs import Handler
from multidict import CIMultiDictProxy

sys.path.insert(0, str(Path(__file__).parents[3] / "images" / "voting"))

from voting.analytics import AnalyticsService
from voting.analytics_client import AnalyticsClient
from voting.app import AppService
from voting.counts import Category, Counts
from voting.errors import Dependency, UnavailableError
from voting.page import Page
from voting.server import Service, create_application, serve
from voting.settings import RELEASES, Address
from voting.store import Outcome

from tests.servers import free_port, listening

_Result = TypeVar("_Result")


class MemoryStore:
    """A store in memory that can be made to fail, or to keep a vote waiting."""

    def __init__(self) -> None:
        self.votes: dict[str, Category] = {}
        self.available = True
        self.casting = False
        self.may_cast = asyncio.Event()
        self.may_cast.set()

    def _work(self) -> None:
        if not self.available:
            raise UnavailableError(Dependency.STORAGE, "it was taken away")

    async def cast(self, category: Category, vote_id: str) -> Outcome:
        self._work()
        self.casting = True
        await self.may_cast.wait()
        before = self.votes.setdefault(vote_id, category)
        if before is not category:
            return Outcome.OTHER_CATEGORY
        return Outcome.STORED

    async def counts(self) -> Counts:
        self._work()
        votes = list(self.votes.values())
        return Counts(votes.count(Category.CATS), votes.count(Category.DOGS))

    async def reset(self) -> None:
        self._work()
        self.votes.clear()

    async def check(self) -> None:
        self._work()

    async def close(self) -> None:
        """Nothing to close."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, read to its end."""

    status: int
    headers: CIMultiDictProxy[str]
    text: str


class Server:
    """One application, served by the real `serve` on a free loopback port."""

    def __init__(self, service: Service, store: MemoryStore, port: int | None = None) -> None:
        self.stopping = asyncio.Event()
        self.lingered = asyncio.Event()
        self.address = Address("127.0.0.1", port or free_port())
        self.application = create_application(service, store, self.stopping)

    async def start(self) -> None:
        self.task = asyncio.create_task(
            serve(self.application, self.address, self.stopping, self._linger)
        )
        await listening(self.address, self.task)

    async def _linger(self) -> None:
        await self.lingered.wait()

    async def stop(self) -> None:
        self.stopping.set()
        self.lingered.set()
        await self.task


class Voting:
    """An app and an analytics of one version that it asks, driven from plain functions."""

    def __init__(self, version: str = "1.0") -> None:
        self._version = version
        self._release = RELEASES[version]
        self._runner = asyncio.Runner()
        self.asked: list[CIMultiDictProxy[str]] = []
        self.analytics_answer: Callable[[], web.Response] | None = None
        self.run(self._start())

    async def _start(self) -> None:
        self.store = MemoryStore()
        self.analytics = await self._start_analytics()
        address = self.analytics.address
        self._client = AnalyticsClient(f"http://{address.host}:{address.port}/analytics", 0.2)
        host = f"voting-app-{self._version.replace('.', '-')}-abc"
        page = Page(self._version, host, self._release.store)
        self.app = Server(AppService(self.store, self._client, page), self.store)
        await self.app.start()
        self._session = ClientSession(cookie_jar=DummyCookieJar())

    async def _start_analytics(self, port: int | None = None) -> Server:
        server = Server(AnalyticsService(self.store, self._release.text), self.store, port)

        @web.middleware
        async def record(request: web.Request, handler: Handler) -> web.StreamResponse:
            self.asked.append(request.headers)
            if self.analytics_answer:
                return self.analytics_answer()
            return await handler(request)

        server.application.middlewares.append(record)
        await server.start()
        return server

    def restart_analytics(self) -> None:
        """Bring analytics back on the port that it had."""
        self.analytics = self.run(self._start_analytics(self.analytics.address.port))

    def run(self, work: Awaitable[_Result]) -> _Result:
        """Run something in the application's own event loop."""

        async def waited() -> _Result:
            return await asyncio.wait_for(work, 5)

        return self._runner.run(waited())

    async def send(
        self,
        method: str,
        path: str = "/",
        *,
        body: str | bytes | None = None,
        headers: dict[str, str] | None = None,
        server: Server | None = None,
    ) -> Answer:
        """Send one request, by default to the app."""
        address = (server or self.app).address
        async with self._session.request(
            method,
            f"http://{address.host}:{address.port}{path}",
            data=body,
            headers=headers,
            allow_redirects=False,
        ) as response:
            return Answer(response.status, response.headers, await response.text())

    def get(self, path: str = "/", **headers: str) -> Answer:
        """GET from the app; `x_b` stands for the header `x-b`."""
        return self.run(self.send("GET", path, headers=_headers(headers)))

    def post(self, body: str | bytes, path: str = "/", **headers: str) -> Answer:
        """POST a form to the app."""
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.run(self.send("POST", path, body=body, headers=form | _headers(headers)))

    def raw(self, request: bytes) -> bytes:
        """Send bytes to the app and read until it closes the connection."""

        async def exchange() -> bytes:
            reader, writer = await asyncio.open_connection(*self.app.address)
            writer.write(request)
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
            return answer

        return self.run(exchange())

    def close(self) -> None:
        """Stop both servers."""

        async def end() -> None:
            self.store.may_cast.set()
            await self.app.stop()
            await self._client.close()
            await self._session.close()
            await self.analytics.stop()

        self.run(end())
        self._runner.close()


@pytest.fixture
def voting() -> Iterator[Voting]:
    """A running app and analytics, version 1.0."""
    running = Voting()
    yield running
    running.close()


def _headers(names: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in names.items()}
