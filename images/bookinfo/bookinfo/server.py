"""What all components serve in the same way: health, refusals and an orderly end."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from aiohttp import web
from aiohttp.typedefs import Handler

from bookinfo.errors import RequestError
from bookinfo.logs import AccessLogger
from bookinfo.settings import Address

LARGEST_BODY: Final = 16 * 1024
BODY_SECONDS: Final = 10.0
# As much as Envoy lets through; what is too long for us is then refused in our own words.
LARGEST_HEADER: Final = 60 * 1024
LONGEST_PRODUCT_ID: Final = 9
# Longer than the hour after which Envoy gives up an idle connection: were the server the first
# to close, a request could cross its goodbye.
KEEPALIVE_SECONDS: Final = 3660.0
# More than the slowest answer takes: reviews v2, which waits 10 s for ratings.
FINISH_SECONDS: Final = 12.0

_log = logging.getLogger(__name__)


class Service(Protocol):
    """What a component adds to the common server."""

    def routes(self) -> Sequence[web.RouteDef]:
        """The component's own routes."""

    def healthy(self) -> web.Response:
        """The answer of `GET /health`."""

    def explain(self, request: web.Request, error: RequestError) -> web.Response:
        """The answer to a request that is not served, with the error's status."""


class JsonService:
    """What is the same in all components that answer in JSON."""

    name: str

    def healthy(self) -> web.Response:
        """Say so in JSON."""
        return web.json_response({"status": f"{self.name} is healthy"})

    def explain(self, _: web.Request, error: RequestError) -> web.Response:
        """The error as JSON."""
        return json_error(error)


def create_application(service: Service, stopping: asyncio.Event) -> web.Application:
    """Put a component's routes and its health into one application.

    Once `stopping` is set, health is 503 and every answer asks its client to close the
    connection, so that the next request finds another pod.
    """

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            response = await handler(request)
        except RequestError as error:
            response = service.explain(request, error)
        except web.HTTPException as error:
            response = service.explain(request, _as_error(error))
            if "Allow" in error.headers:
                response.headers["Allow"] = error.headers["Allow"]
        if stopping.is_set():
            response.force_close()
        return response

    async def health(_: web.Request) -> web.Response:
        if stopping.is_set():
            return web.json_response({"status": "stopping"}, status=503)
        return service.healthy()

    application = web.Application(client_max_size=LARGEST_BODY, middlewares=[answer])
    application.add_routes([*service.routes(), web.get("/health", health)])
    return application


def json_error(error: RequestError) -> web.Response:
    """An error as JSON."""
    return web.json_response({"error": error.sentence}, status=error.status)


def product_id(request: web.Request) -> int:
    """The product that the path names; raises RequestError, 400, if that is no number."""
    value = request.match_info["id"]
    if not (value.isascii() and value.isdigit() and len(value) <= LONGEST_PRODUCT_ID):
        raise RequestError(400, f"A product's id has to be 1 to {LONGEST_PRODUCT_ID} digits.")
    return int(value)


async def body_of(request: web.Request) -> bytes:
    """The request's body; raises RequestError if it is late or broken."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.read()
    except TimeoutError as error:
        raise RequestError(
            408, f"The request's body did not come in {BODY_SECONDS:g} s."
        ) from error
    except (web.RequestPayloadError, ConnectionResetError) as error:
        raise RequestError(400, "The request's body is broken or ends early.") from error


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
    try:
        await web.TCPSite(runner, listen.host, listen.port, backlog=512).start()
        _log.info("serving", extra={"address": f"{listen.host}:{listen.port}"})
        await stopping.wait()
        _log.info("stopping")
        await linger()
    finally:
        await runner.cleanup()
    _log.info("stopped")
