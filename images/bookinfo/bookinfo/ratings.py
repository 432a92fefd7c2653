"""The ratings component: how many stars each reviewer gives."""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from aiohttp import web

from bookinfo.errors import RequestError
from bookinfo.server import JsonService, body_of, product_id

MOST_STARS: Final = 5
DEFAULT: Final[Mapping[str, int]] = {"Reviewer1": 5, "Reviewer2": 4}
# They are kept in memory, of which a pod has little.
MOST_PRODUCTS: Final = 1000
MOST_REVIEWERS: Final = 100


class RatingsService(JsonService):
    """Serves `/ratings/{id}`; what is posted is kept as long as the process lives."""

    name = "Ratings"

    def __init__(self) -> None:
        """Begin with the default ratings for every product."""
        self._posted: dict[int, Mapping[str, int]] = {}

    def routes(self) -> Sequence[web.RouteDef]:
        """The component's own routes."""
        return [web.get("/ratings/{id}", self.show), web.post("/ratings/{id}", self.replace)]

    async def show(self, request: web.Request) -> web.Response:
        """Answer with a product's ratings."""
        return self._answer(product_id(request))

    async def replace(self, request: web.Request) -> web.Response:
        """Replace a product's ratings, and answer with them."""
        product = product_id(request)
        ratings = read_ratings(await body_of(request))
        if product not in self._posted and len(self._posted) >= MOST_PRODUCTS:
            raise RequestError(507, f"Ratings of {MOST_PRODUCTS} products are all that is kept.")
        self._posted[product] = ratings
        return self._answer(product)

    def _answer(self, product: int) -> web.Response:
        ratings = self._posted.get(product, DEFAULT)
        return web.json_response({"id": product, "ratings": ratings})


def read_ratings(body: bytes) -> Mapping[str, int]:
    """Read ratings as they are posted: whole stars by reviewer, in JSON.

    Raises RequestError, 400, for anything else.
    """
    try:
        ratings = json.loads(body)
    except ValueError as error:
        raise RequestError(400, "Ratings have to be JSON.") from error
    if not (
        isinstance(ratings, dict)
        and len(ratings) <= MOST_REVIEWERS
        and all(type(stars) is int and 1 <= stars <= MOST_STARS for stars in ratings.values())
    ):
        raise RequestError(
            400,
            f"Ratings have to be whole numbers from 1 to {MOST_STARS} by reviewer, "
            f"of {MOST_REVIEWERS} reviewers at most.",
        )
    return ratings
