"""What both components serve in the same way: health, refusals and an orderly end."""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from aiohttp import web
from aiohttp.typedefs import Handler

from voting.errors import RequestError, UnavailableError
from voting.logs import PROBES, AccessLogger
from voting.settings import Address
from voting.store import Store

LARGEST_BODY: Final = 16 * 1024
# As much as Envoy lets through; what is too long for us is then refused in our own words.
LARGEST_HEADER: Final = 60 * 1024
# Longer than the hour after which Envoy gives up an idle connection: were the server the first
# to close, a request could cross its goodbye.
KEEPALIVE_SECONDS: Final = 3660.0
# More than the slowest answer takes: the store's and analytics' default timeouts together.
FINISH_SECONDS: Final = 5.0
# Proxies know of a pod's going within half a second; four times that.
QUIET_SECONDS: Final = 2.0

_log = logging.getLogger(__name__)


class Service(Protocol):
    """What a component adds to the common server."""

    def routes(self) -> Sequence[web.RouteDef]:
        """The component's own routes."""

    def explain(self, request: web.Request, error: RequestError) -> web.Response:
        """The answer to a request that is not served, with the error's status."""


def create_application(service: Service, store: Store, stopping: asyncio.Event) -> web.Application:
    """Put a component's routes and the health endpoints into one application.

    Once `stopping` is set, readiness is 503 and every answer asks its client to close the
    connection, so that the next request finds another pod.
    """

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            response = await handler(request)
        except RequestError as error:
            response = service.explain(request, error)
            if error.unavailable:
                response.headers["Retry-After"] = "1"
        except web.HTTPException as error:
            response = service.explain(request, _as_error(error))
            if "Allow" in error.headers:
                response.headers["Allow"] = error.headers["Allow"]
        if stopping.is_set():
            response.force_close()
        return response

    async def live(_: web.Request) -> web.Response:
        return web.json_response({"status": "live"})

    async def ready(_: web.Request) -> web.Response:
        if stopping.is_set():
            return web.json_response({"status": "stopping"}, status=503)
        return web.json_response({"status": "ready"})

    async def store_health(_: web.Request) -> web.Response:
        try:
            await store.check()
        except UnavailableError as error:
            return json_error(error)
        return web.json_response({"status": "ready"})

    application = web.Application(client_max_size=LARGEST_BODY, middlewares=[answer])
    application.add_routes(
        [
            *service.routes(),
            web.get(f"{PROBES}live", live),
            web.get(f"{PROBES}ready", ready),
            web.get(f"{PROBES}store", store_health),
        ]
    )
    return application


def json_error(error: RequestError) -> web.Response:
    """An error as JSON: `error`, and `unavailable` where a dependency is the cause."""
    body = {"error": error.sentence}
    if error.unavailable:
        body["unavailable"] = error.unavailable
    return web.json_response(body, status=error.status)


def _as_error(error: web.HTTPException) -> RequestError:
    match error:
        case web.HTTPNotFound():
            sentence = "There is nothing at this address."
        case web.HTTPMethodNotAllowed():
            sentence = "This address does not take requests of this method."
        case web.HTTPRequestEntityTooLarge():
            sentence = f"The request's body is larger than {LARGEST_BODY} bytes."
        case _:
            sentence = f"{error.reason}."
    return RequestError(error.status, sentence)


class Drain:
    """How long a pod that was told to stop serves on: while anybody still sends it requests."""

    def __init__(
        self,
        most: float,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """It is over QUIET_SECONDS after it began and after the last request, or after `most`."""
        self._most, self._now, self._sleep = most, now, sleep
        self._latest, self._under_way = -math.inf, 0

    @web.middleware
    async def notice(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Take notice of a request until it is answered; the kubelet's probes are nobody's."""
        if request.path.startswith(PROBES):
            return await handler(request)
        self._under_way += 1
        try:
            return await handler(request)
        finally:
            self._under_way -= 1
            self._latest = self._now()

    async def over(self) -> None:
        """Begin, and return when it is over."""
        begun = self._now()
        while (left := self._end(begun) - self._now()) > 0:
            await self._sleep(left)

    def _end(self, begun: float) -> float:
        latest = self._now() if self._under_way else max(begun, self._latest)
        return min(begun + self._most, latest + QUIET_SECONDS)


async def serve(
    application: web.Application,
    listen: Address,
    stopping: asyncio.Event,
    linger: Callable[[], Awaitable[None]],
) -> None:
    """Serve until `stopping` is set, then end without losing a request.

    While `linger` runs, requests that are still on their way here are served: it takes that
    long until every proxy knows that the pod is going. Only then is the listening socket
    closed; what is being answered is finished, and idle connections are closed.

    Raises OSError when the address cannot be listened on.
    """
    runner = web.AppRunner(
        application,
        access_log_class=AccessLogger,
        keepalive_timeout=KEEPALIVE_SECONDS,
        max_field_size=LARGEST_HEADER,
        auto_decompress=False,
        shutdown_timeout=FINISH_SECONDS,
    )
    await runner.setup()
    if runner.server:
        _guard(runner.server)
    try:
        await web.TCPSite(runner, listen.host, listen.port, backlog=512).start()
        _log.info("serving", extra={"address": f"{listen.host}:{listen.port}"})
        await stopping.wait()
        _log.info("stopping")
        await linger()
    finally:
        await runner.cleanup()
    _log.info("stopped")


def _guard(server: web.Server) -> None:
    """Refuse an expectation that is not ASCII: aiohttp would fail where it quotes it."""
    handle = server.request_handler

    async def guarded(request: web.BaseRequest) -> web.StreamResponse:
        if not request.headers.get("Expect", "").isascii():
            raise web.HTTPExpectationFailed
        return await handle(request)

    server.request_handler = guarded
