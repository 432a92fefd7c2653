"""Requests through the ingress gateway, whatever it is that answers them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

import urllib3

from meshproof.timeouts import stretched

#: What Envoy answers itself where it knows no pod that could.
NO_UPSTREAM = "no healthy upstream"
#: What every request says of who asks, and what can be read.
SENT = {"User-Agent": "meshproof", "Accept": "*/*"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
#: Seconds; a page view takes some 10 ms.
REQUEST_TIMEOUT = 10.0


@dataclass(frozen=True)
class Answer:
    """What came back: the status, or None and the reason; ``seconds`` is how long it took.

    ``headers`` are found by their names in any case.
    """

    method: str
    url: str
    status: int | None
    body: str
    error: str
    seconds: float
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    def __str__(self) -> str:
        """Return the outcome in a line."""
        outcome = f"HTTP {self.status}" if self.status else f"no answer ({self.error})"
        return f"{self.method} {self.url}: {outcome} after {self.seconds * 1000:.0f} ms"


def told_of(error: urllib3.exceptions.HTTPError) -> str:
    """Say what kept a request from being answered, without Python's notation of what it wraps."""
    what, *wrapped = error.args or (error,)
    if len(wrapped) == 1 and isinstance(wrapped[0], Exception):
        inner = getattr(wrapped[0], "strerror", None) or wrapped[0]
        return f"{type(error).__name__}: {str(what).rstrip('.')}: {inner}"
    return f"{type(error).__name__}: {error}"


class Ingress:
    """The ingress gateway at one address (scheme and host, without a path)."""

    def __init__(self, url: str, *, host: str | None = None) -> None:
        """Keep connections open between requests, as a browser does.

        ``host`` is the name that is asked for, where it is not the address itself.
        """
        self.url = url.rstrip("/")
        self.host = host
        # Neither a proxy of this machine's environment nor its .netrc is part of the way in, and
        # no cookie that was set is sent by itself.
        self._connections = urllib3.connection_from_url(
            self.url, timeout=stretched(REQUEST_TIMEOUT)
        )
        self._headers = SENT | ({"Host": host} if host else {})

    def request(
        self,
        method: str,
        path: str = "/",
        *,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Make one request; whatever comes of it is the answer, and nothing is tried again."""
        url, begun = self.url + path, time.monotonic()
        try:
            answer = self._connections.request(
                method,
                path,
                body=urlencode(form) if form else None,
                headers=self._headers | (FORM if form else {}) | dict(headers or {}),
                redirect=False,
                retries=False,
            )
        except urllib3.exceptions.HTTPError as error:
            seconds = time.monotonic() - begun
            return Answer(method, url, None, "", told_of(error), seconds)
        body, seconds = answer.data.decode(errors="replace"), time.monotonic() - begun
        return Answer(method, url, answer.status, body, "", seconds, answer.headers)

    def close(self) -> None:
        """Close every connection."""
        self._connections.close()
