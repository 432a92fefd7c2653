"""The details component: facts of a book."""

from collections.abc import Sequence

from aiohttp import web

from bookinfo.server import JsonService, product_id


class DetailsService(JsonService):
    """Serves `GET /details/{id}`; every id is the same book."""

    name = "Details"

    def routes(self) -> Sequence[web.RouteDef]:
        """The component's own routes."""
        return [web.get("/details/{id}", self.details)]

    async def details(self, request: web.Request) -> web.Response:
        """Answer with the book's facts."""
        return web.json_response(
            {
                "id": product_id(request),
                "author": "William Shakespeare",
                "year": 1595,
                "type": "paperback",
                "pages": 200,
                "publisher": "PublisherA",
                "language": "English",
                "ISBN-10": "1234567890",
                "ISBN-13": "123-1234567890",
            }
        )
