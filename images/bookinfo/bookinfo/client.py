"""The way to another component, and what of a request goes on to it."""

import json
import logging
import math
from typing import Final

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar
from multidict import CIMultiDict, MultiMapping

from bookinfo.errors import UnavailableError

END_USER: Final = "end-user"
# As the original passes them on: what tracing systems join calls by, and who is asking.
PASSED_ON: Final = (
    "x-request-id",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
    "b3",
    "x-ot-span-context",
    "x-datadog-trace-id",
    "x-datadog-parent-id",
    "x-datadog-sampling-priority",
    "traceparent",
    "tracestate",
    "x-cloud-trace-context",
    "grpc-trace-bin",
    "sw8",
    "user-agent",
    "cookie",
    "authorization",
    "jwt",
)

_log = logging.getLogger(__name__)


def passed_on(headers: MultiMapping[str], *also: str) -> CIMultiDict[str]:
    """The headers among `headers` that go on, and those named `also`.

    One that is not plain ASCII is left out.
    """
    return CIMultiDict(
        (name, value)
        for name in (*PASSED_ON, *also)
        for value in headers.getall(name, ())
        if value.isascii()
    )


def new_session() -> ClientSession:
    """Pooled connections to other components; to be made inside a running event loop.

    Cookies of one visitor are never kept for another.
    """
    return ClientSession(cookie_jar=DummyCookieJar(), skip_auto_headers=["User-Agent"])


class Neighbour:
    """Another component, which is asked for JSON."""

    def __init__(self, session: ClientSession, url: str, timeout: float, tries: int = 1) -> None:
        """Ask at `url`, up to `tries` times, each of which ends within `timeout` seconds."""
        self._session = session
        self._url = url
        self._seconds = timeout
        # aiohttp lets timeouts from its threshold on, 5 s by default, end at the next full second.
        self._timeout = ClientTimeout(total=timeout, ceil_threshold=math.inf)
        self._tries = tries

    async def get(self, path: str, headers: MultiMapping[str]) -> object:
        """The JSON that it answers with status 200.

        Each try that ends otherwise is logged; raises the last one's UnavailableError.
        """
        for _ in range(self._tries - 1):
            try:
                return await self._try(path, headers)
            except UnavailableError:
                continue
        return await self._try(path, headers)

    async def _try(self, path: str, headers: MultiMapping[str]) -> object:
        try:
            async with self._session.get(
                self._url + path, headers=headers, timeout=self._timeout, allow_redirects=False
            ) as response:
                status = response.status
                body = await response.read()
        except TimeoutError as error:
            raise self._unavailable(f"no answer within {self._seconds:g} s", error) from error
        except (ClientError, OSError) as error:
            raise self._unavailable("no connection", error) from error
        if status != 200:
            raise self._unavailable(f"it answered with status {status}", body, status)
        try:
            return json.loads(body)
        except ValueError as error:
            raise self._unavailable("its answer cannot be read", error) from error

    def _unavailable(self, reason: str, detail: object, status: int = 500) -> UnavailableError:
        _log.warning(
            "unavailable", extra={"url": self._url, "reason": reason, "detail": str(detail)[:200]}
        )
        return UnavailableError(status, reason)
