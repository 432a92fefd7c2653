"""The reviews component: what readers say of a book, with stars from version 2 on."""

from collections.abc import Mapping, Sequence
from typing import Final

from aiohttp import web

from bookinfo.client import END_USER, Neighbour, passed_on
from bookinfo.errors import UnavailableError
from bookinfo.ratings import MOST_STARS
from bookinfo.server import JsonService, product_id

TEXTS: Final[Mapping[str, str]] = {
    "Reviewer1": (
        "Two pairs of twins in one town, and nobody knows whom they are talking to. "
        "I laughed from the first mix-up to the last."
    ),
    "Reviewer2": (
        "Short, fast and gloriously silly. The later plays go deeper, but few are as much fun "
        "on a summer evening."
    ),
}
NO_RATINGS: Final = "Ratings service is currently unavailable"

Rating = Mapping[str, int | str]


class ReviewsService(JsonService):
    """Serves `GET /reviews/{id}`; every id has the same reviews."""

    name = "Reviews"

    def __init__(
        self, host: str, cluster: str, ratings: Neighbour | None = None, color: str = ""
    ) -> None:
        """Say which pod (`host`) of which `cluster` answers.

        Stars come from `ratings`, in `color`; without it there are none.
        """
        self._host = host
        self._cluster = cluster
        self._ratings = ratings
        self._color = color

    def routes(self) -> Sequence[web.RouteDef]:
        """The component's own routes."""
        return [web.get("/reviews/{id}", self.reviews)]

    async def reviews(self, request: web.Request) -> web.Response:
        """Answer with the reviews; at most one call to ratings."""
        product = product_id(request)
        ratings = await self._stars(self._ratings, product, request) if self._ratings else {}
        return web.json_response(
            {
                "id": str(product),
                "podname": self._host,
                "clustername": self._cluster or None,
                "reviews": [
                    {"reviewer": reviewer, "text": text}
                    | ({"rating": ratings[reviewer]} if reviewer in ratings else {})
                    for reviewer, text in TEXTS.items()
                ],
            }
        )

    async def _stars(
        self, ratings: Neighbour, product: int, request: web.Request
    ) -> Mapping[str, Rating]:
        try:
            answer = await ratings.get(f"/ratings/{product}", passed_on(request.headers, END_USER))
        except UnavailableError:
            answer = None
        return read_stars(answer, self._color)


def read_stars(answer: object, color: str) -> Mapping[str, Rating]:
    """Each reviewer's rating out of an answer of ratings; an error where it has none."""
    match answer:
        case {"ratings": dict(given)}:
            pass
        case _:
            given = {}
    return {
        reviewer: {"stars": stars, "color": color}
        if type(stars := given.get(reviewer)) is int and 0 <= stars <= MOST_STARS
        else {"error": NO_RATINGS}
        for reviewer in TEXTS
    }
