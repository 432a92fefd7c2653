"""The app's way to analytics."""

import json
import logging
from dataclasses import dataclass
from typing import Final, Self

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from multidict import CIMultiDict, MultiMapping

from voting.counts import Counts
from voting.errors import Dependency, UnavailableError

# What a tracing system needs to join the calls of one page view; cookies are no part of it.
TRACING_HEADERS: Final = (
    "x-request-id",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
    "b3",
    "traceparent",
    "tracestate",
    "x-ot-span-context",
)
MOST_CONNECTIONS: Final = 32
CONNECT_SECONDS: Final = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Report:
    """What analytics says: the counts, and its sentence about them."""

    counts: Counts
    text: str

    @classmethod
    def from_json(cls, body: bytes) -> Self:
        """Read analytics' answer; raises ValueError if it is not one."""
        match json.loads(body):
            case {
                "category1": {"count": int(cats)},
                "category2": {"count": int(dogs)},
                "text": str(text),
            } if text.isprintable():
                return cls(Counts(cats, dogs), text)
        raise ValueError("not an answer of analytics")


class AnalyticsClient:
    """Asks analytics, on pooled connections; to be made inside a running event loop."""

    def __init__(self, url: str, timeout: float) -> None:
        """Ask at `url`; each question ends within `timeout` seconds."""
        self._url = url
        self._timeout = timeout
        self._session = ClientSession(
            connector=TCPConnector(limit=MOST_CONNECTIONS),
            cookie_jar=DummyCookieJar(),
            timeout=ClientTimeout(total=timeout, sock_connect=CONNECT_SECONDS),
        )

    async def report(self, headers: MultiMapping[str]) -> Report:
        """Ask once, passing on the tracing headers among `headers`.

        A question whose pooled connection turns out to be broken is put once more (the HTTP
        client does that for every GET). Raises UnavailableError, which names the storage where
        analytics blames it, and analytics otherwise.
        """
        try:
            async with self._session.get(
                self._url, headers=tracing_headers(headers), allow_redirects=False
            ) as response:
                status = response.status
                body = await response.read()
        except TimeoutError as error:
            raise self._unavailable(f"no answer within {self._timeout:g} s", error) from error
        except (ClientError, OSError) as error:
            raise self._unavailable("no connection", error) from error
        if status != 200:
            if _blames_storage(body):
                raise UnavailableError(Dependency.STORAGE, "analytics cannot read from it")
            raise self._unavailable(f"it answered with status {status}", body)
        try:
            return Report.from_json(body)
        except ValueError as error:
            raise self._unavailable("its answer cannot be read", error) from error

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    def _unavailable(self, reason: str, detail: object) -> UnavailableError:
        _log.warning("analytics unavailable", extra={"reason": reason, "detail": str(detail)})
        return UnavailableError(Dependency.ANALYTICS, reason)


def tracing_headers(headers: MultiMapping[str]) -> CIMultiDict[str]:
    """The tracing headers among `headers`; one that is not plain ASCII is left out."""
    return CIMultiDict(
        (name, value)
        for name in TRACING_HEADERS
        for value in headers.getall(name, ())
        if value.isascii()
    )


def _blames_storage(body: bytes) -> bool:
    try:
        match json.loads(body):
            case {"unavailable": Dependency.STORAGE}:
                return True
    except ValueError:
        pass
    return False
