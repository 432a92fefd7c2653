"""Page views with Cookie headers as they stand (C3)."""

from __future__ import annotations

import time
from collections.abc import Iterable
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from meshproof.mesh.ingress import REQUEST_TIMEOUT
from meshproof.timeouts import stretched
from steps.voting.cookie_gate import Headers, Seen
from steps.voting.voting_app import Response


def view_with(url: str, headers: Headers, host: str | None = None) -> Response:
    """View the page with these headers, on a connection of its own.

    ``host`` is the name that is asked for, where it is not the address itself.

    Of two headers of one name neither is joined to the other nor left out, which requests and
    the browser would do. Whatever comes of it is the answer, and nothing is tried again.
    """
    begun = time.monotonic()
    connection = HTTPConnection(urlsplit(url).netloc, timeout=stretched(REQUEST_TIMEOUT))
    try:
        connection.putrequest("GET", "/", skip_host=host is not None)
        if host is not None:
            connection.putheader("Host", host)
        for name, value in headers.fields:
            # Bytes that are no UTF-8 stand in it as Python's own escapes for them.
            connection.putheader(name, value.encode(errors="surrogateescape"))
        connection.endheaders()
        answer = connection.getresponse()
        status, body, error = answer.status, answer.read().decode(errors="replace"), ""
    except (OSError, HTTPException) as problem:
        status, body, error = None, "", f"{type(problem).__name__}: {problem}"
    finally:
        connection.close()
    return Response("GET", url, status, body, error, time.monotonic() - begun)


def seen_with(url: str, sent: Iterable[Headers], host: str | None = None) -> list[Seen]:
    """View the page with each of these, one after another."""
    return [_seen(headers, view_with(url, headers, host)) for headers in sent]


def _seen(headers: Headers, response: Response) -> Seen:
    try:
        return Seen(headers, response.page.version)
    except ValueError as error:
        return Seen(headers, None, str(error))
