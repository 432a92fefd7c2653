"""The analytics component: the counts, and a sentence about them in the version's own format."""

from collections.abc import Callable, Sequence

from aiohttp import web

from voting.counts import Category, Counts
from voting.errors import RequestError
from voting.server import json_error
from voting.store import Store


class AnalyticsService:
    """Serves `GET /analytics` from a store."""

    def __init__(self, store: Store, text: Callable[[Counts], str]) -> None:
        """Count in `store` and put the counts in words with `text`."""
        self._store = store
        self._text = text

    def routes(self) -> Sequence[web.RouteDef]:
        """The component's own routes."""
        return [web.get("/analytics", self.analytics)]

    def explain(self, _: web.Request, error: RequestError) -> web.Response:
        """The error as JSON."""
        return json_error(error)

    async def analytics(self, _: web.Request) -> web.Response:
        """Answer with both counts and the text (D7, U3); one round trip to the store."""
        counts = await self._store.counts()
        return web.json_response(
            {
                "category1": {"name": Category.CATS, "count": counts.cats},
                "category2": {"name": Category.DOGS, "count": counts.dogs},
                "text": self._text(counts),
            }
        )
