"""The app component: the page, the votes, and the feature flag's toggle."""

import asyncio
from collections.abc import Sequence
from typing import Final

from aiohttp import web

from voting.analytics_client import AnalyticsClient, Report
from voting.errors import RequestError, UnavailableError
from voting.inputs import (
    FLAG_NAME,
    FLAG_SECONDS,
    FLAG_VALUE,
    check_cookies,
    flag_is_set,
    read_vote,
)
from voting.page import Page
from voting.store import Outcome, Store

VOTE_ID_HEADER: Final = "x-vote-id"
BODY_SECONDS: Final = 10.0
PAGE_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
}


class AppService:
    """Serves the page, and writes votes to the store itself."""

    def __init__(self, store: Store, analytics: AnalyticsClient, page: Page) -> None:
        """Keep votes in `store`, ask `analytics` for the counts, and show them on `page`."""
        self._store = store
        self._analytics = analytics
        self._page = page

    def routes(self) -> Sequence[web.RouteDef]:
        """The component's own routes."""
        return [
            web.get("/", self.view),
            web.post("/", self.vote),
            web.post("/featureflag/set", self.set_flag),
            web.post("/featureflag/clear", self.clear_flag),
        ]

    def explain(self, request: web.Request, error: RequestError) -> web.Response:
        """The page, with what went wrong in place of the counts."""
        return self._show(request, error=error, code=error.status)

    async def view(self, request: web.Request) -> web.Response:
        """The page; one call to analytics (D7)."""
        check_cookies(request.headers.getall("Cookie", ()))
        return self._show(request, report=await self._analytics.report(request.headers))

    async def vote(self, request: web.Request) -> web.Response:
        """Store a vote or reset all, then the page (D8).

        The id in the answer's `x-vote-id` is the acknowledgement: it is there exactly when the
        vote is stored, so also where the counts cannot be shown afterwards.
        """
        check_cookies(request.headers.getall("Cookie", ()))
        vote = read_vote(
            request.content_type, await _body(request), request.headers.get("x-request-id")
        )
        if vote is None:
            await self._store.reset()
            return await self._show_done(request, "All votes are reset to zero.")
        match await self._store.cast(vote.category, vote.id):
            case Outcome.STORED:
                status = f"Your vote for {vote.category} is stored, id {vote.id}."
            case Outcome.ALREADY_STORED:
                status = f"Your vote for {vote.category} was stored before, id {vote.id}."
            case Outcome.OTHER_CATEGORY:
                raise RequestError(
                    409, f"The vote with id {vote.id} went to the other category before."
                )
        response = await self._show_done(request, status)
        response.headers[VOTE_ID_HEADER] = vote.id
        return response

    async def set_flag(self, _: web.Request) -> web.Response:
        """Set the feature flag's cookie for 15 minutes and the whole site (C8)."""
        response = _see_page()
        response.set_cookie(
            FLAG_NAME, FLAG_VALUE, max_age=FLAG_SECONDS, path="/", httponly=True, samesite="Lax"
        )
        return response

    async def clear_flag(self, _: web.Request) -> web.Response:
        """Clear the feature flag's cookie."""
        response = _see_page()
        response.del_cookie(FLAG_NAME, path="/", httponly=True, samesite="Lax")
        return response

    async def _show_done(self, request: web.Request, status: str) -> web.Response:
        try:
            report = await self._analytics.report(request.headers)
        except UnavailableError as error:
            # What was asked for is done: a failure would have it asked for again.
            return self._show(request, status=status, error=error)
        return self._show(request, status=status, report=report)

    def _show(
        self,
        request: web.Request,
        *,
        report: Report | None = None,
        status: str = "",
        error: RequestError | None = None,
        code: int = 200,
    ) -> web.Response:
        html = self._page.render(
            flag=flag_is_set(request.headers.getall("Cookie", ())),
            report=report,
            status=status,
            error=error,
        )
        return web.Response(
            text=html, status=code, content_type="text/html", charset="utf-8", headers=PAGE_HEADERS
        )


async def _body(request: web.Request) -> bytes:
    if "Content-Encoding" in request.headers:
        raise RequestError(415, "A vote has to be sent without a content encoding.")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.read()
    except TimeoutError as error:
        raise RequestError(
            408, f"The request's body did not come in {BODY_SECONDS:g} s."
        ) from error
    except (web.RequestPayloadError, ConnectionResetError) as error:
        raise RequestError(400, "The request's body is broken or ends early.") from error


def _see_page() -> web.Response:
    return web.Response(status=303, headers={"Location": "/", "Cache-Control": "no-store"})
