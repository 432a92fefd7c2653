"""Bookinfo as it is served, all components on loopback ports, with a fault at ratings if asked."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, web
from aiohttp.typedefs import Handler
from lxml import html
from multidict import CIMultiDictProxy

sys.path.insert(0, str(Path(__file__).parents[3] / "images" / "bookinfo"))

from bookinfo.__main__ import service_of
from bookinfo.server import create_application, serve
from bookinfo.settings import Settings

from tests.servers import free_port, listening

_Result = TypeVar("_Result")

#: What happens to a request on its way to a component; None lets it through.
Fault = Callable[[web.Request], Awaitable[web.Response | None]]
VERSIONS = ("v1", "v2", "v3")
#: Longer than any test waits, and shorter than who runs the tests would.
PATIENCE = 20.0


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, read to its end, and the seconds until then."""

    status: int
    headers: CIMultiDictProxy[str]
    text: str
    seconds: float

    def element(self, name: str) -> html.HtmlElement:
        """The page's one element with this id."""
        document = html.document_fromstring(self.text)
        assert isinstance(document, html.HtmlElement)
        return document.get_element_by_id(name)

    def words(self, name: str) -> str:
        """The text of the element with this id, with single blanks."""
        return " ".join(self.element(name).text_content().split())

    def stars(self) -> list[str]:
        """What the page calls its stars, one a review that has any."""
        images = self.element("reviews").iterfind(".//*[@role='img']")
        return [image.attrib["aria-label"] for image in images]


class Server:
    """One component, served by the real `serve` on a free loopback port."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.settings = Settings.from_environment(
            {"BOOKINFO_LISTEN": f"127.0.0.1:{free_port()}"} | environment
        )
        self.asked: list[CIMultiDictProxy[str]] = []
        self.fault: Fault | None = None
        self.stopping = asyncio.Event()
        self.lingered = asyncio.Event()

    @property
    def url(self) -> str:
        return "http://{}:{}".format(*self.settings.listen)

    async def start(self) -> None:
        self._resources = AsyncExitStack()
        service = await service_of(self.settings, self._resources)
        application = create_application(service, self.stopping)

        @web.middleware
        async def watch(request: web.Request, handler: Handler) -> web.StreamResponse:
            self.asked.append(request.headers)
            if self.fault and (answer := await self.fault(request)):
                return answer
            return await handler(request)

        application.middlewares.append(watch)
        self.task = asyncio.create_task(
            serve(application, self.settings.listen, self.stopping, self._linger)
        )
        await listening(self.settings.listen, self.task)

    async def _linger(self) -> None:
        await self.lingered.wait()

    async def stop(self) -> None:
        self.stopping.set()
        self.lingered.set()
        await self.task
        await self._resources.aclose()


class Bookinfo:
    """All components, and a productpage for each version of reviews, from plain functions."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self.run(self._start())

    async def _start(self) -> None:
        self.details = await _started("details")
        self.ratings = await _started("ratings")
        self.reviews = {
            version: await _started("reviews", version, BOOKINFO_RATINGS_URL=self.ratings.url)
            for version in VERSIONS
        }
        self.pages = {
            version: await _started(
                "productpage",
                BOOKINFO_DETAILS_URL=self.details.url,
                BOOKINFO_REVIEWS_URL=reviews.url,
                BOOKINFO_RATINGS_URL=self.ratings.url,
            )
            for version, reviews in self.reviews.items()
        }
        self._session = ClientSession(
            cookie_jar=DummyCookieJar(), timeout=ClientTimeout(total=PATIENCE)
        )

    def run(self, work: Awaitable[_Result]) -> _Result:
        """Run something in the components' own event loop."""

        async def waited() -> _Result:
            return await asyncio.wait_for(work, PATIENCE)

        return self._runner.run(waited())

    async def send(
        self,
        server: Server,
        path: str,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: str | bytes | None = None,
    ) -> Answer:
        """Send one request to a component."""
        began = asyncio.get_running_loop().time()
        async with self._session.request(
            method, server.url + path, headers=headers, data=body, allow_redirects=False
        ) as response:
            text = await response.text()
            seconds = asyncio.get_running_loop().time() - began
            return Answer(response.status, response.headers, text, seconds)

    def get(self, server: Server, path: str, **headers: str) -> Answer:
        """GET from a component; `x_b` stands for the header `x-b`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.run(self.send(server, path, headers=named))

    def page(self, version: str = "v1", user: str | None = None) -> Answer:
        """The book's page over a version of reviews, as somebody who signed in or not."""
        headers = {"Cookie": f"session={user}"} if user else {}
        return self.get(self.pages[version], "/productpage", **headers)

    def post(self, server: Server, path: str, body: str | bytes, content_type: str = "") -> Answer:
        """POST to a component, by default a form."""
        headers = {"Content-Type": content_type or "application/x-www-form-urlencoded"}
        return self.run(self.send(server, path, "POST", headers, body))

    def close(self) -> None:
        """Stop all components."""

        async def end() -> None:
            await self._session.close()
            for server in (*self.pages.values(), *self.reviews.values()):
                await server.stop()
            await self.ratings.stop()
            await self.details.stop()

        self.run(end())
        self._runner.close()


@pytest.fixture
def bookinfo() -> Iterator[Bookinfo]:
    """All components, running."""
    running = Bookinfo()
    yield running
    running.close()


async def _started(component: str, version: str = "v1", **environment: str) -> Server:
    named = {"BOOKINFO_COMPONENT": component, "BOOKINFO_VERSION": version}
    server = Server(named | environment)
    await server.start()
    return server
