"""The productpage component: the page, signing in and out, and the same as JSON."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from aiohttp import web
from multidict import CIMultiDict

from bookinfo.book import PRODUCT, PRODUCT_ID, Reviews, read_facts
from bookinfo.client import END_USER, Neighbour, passed_on
from bookinfo.errors import RequestError, UnavailableError
from bookinfo.pages import Pages
from bookinfo.server import body_of, json_error, product_id
from bookinfo.visitor import COOKIE, cookie_of, name_in, read_name

API: Final = "/api/v1/products"
PAGE_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
}
STYLE_HEADERS: Final = {"Cache-Control": "max-age=60", "X-Content-Type-Options": "nosniff"}

_Read = TypeVar("_Read")


class ProductPageService:
    """Serves the page of the one book that there is."""

    def __init__(
        self, pages: Pages, details: Neighbour, reviews: Neighbour, ratings: Neighbour
    ) -> None:
        """Show on `pages` what `details` and `reviews` say; `ratings` is for the API alone."""
        self._pages = pages
        self._neighbours = {"details": details, "reviews": reviews, "ratings": ratings}
        self._style = Path(__file__).with_name("static").joinpath("bookinfo.css").read_bytes()

    def routes(self) -> Sequence[web.RouteDef]:
        """The component's own routes."""
        return [
            web.get("/", self.index),
            web.get("/index.html", self.index),
            web.get("/productpage", self.product),
            web.post("/login", self.sign_in),
            web.get("/logout", self.sign_out),
            web.get("/static/bookinfo.css", self.style),
            web.get(API, self.api_products),
            web.get(f"{API}/{{id}}", self.api_details),
            web.get(f"{API}/{{id}}/reviews", self.api_reviews),
            web.get(f"{API}/{{id}}/ratings", self.api_ratings),
        ]

    def healthy(self) -> web.Response:
        """Say so in plain text, as the original does."""
        return web.Response(text="Product page is healthy")

    def explain(self, request: web.Request, error: RequestError) -> web.Response:
        """The error as JSON to who asks the API, and on a page to others."""
        if request.path.startswith(API):
            return json_error(error)
        return _page(self._pages.problem(_user(request), error), error.status)

    async def index(self, request: web.Request) -> web.Response:
        """The page that says which components there are."""
        return _page(self._pages.index(_user(request)))

    async def product(self, request: web.Request) -> web.Response:
        """The book's page, with status 200 whatever details and reviews do (B1, B2, B3)."""
        facts = await self._read("details", request, read_facts)
        reviews = await self._read("reviews", request, Reviews.from_json)
        return _page(self._pages.product(_user(request), facts, reviews))

    async def sign_in(self, request: web.Request) -> web.Response:
        """Remember the visitor's name until their browser is closed."""
        name = read_name(request.content_type, await body_of(request))
        response = _see_product()
        response.set_cookie(COOKIE, cookie_of(name), path="/", httponly=True, samesite="Lax")
        return response

    async def sign_out(self, _: web.Request) -> web.Response:
        """Forget the visitor's name."""
        response = _see_product()
        response.del_cookie(COOKIE, path="/", httponly=True, samesite="Lax")
        return response

    async def style(self, _: web.Request) -> web.Response:
        """The pages' style sheet."""
        return web.Response(
            body=self._style, content_type="text/css", charset="utf-8", headers=STYLE_HEADERS
        )

    async def api_products(self, _: web.Request) -> web.Response:
        """All products: one."""
        return web.json_response([PRODUCT])

    async def api_details(self, request: web.Request) -> web.Response:
        """What details answers."""
        return await self._handed_on("details", request)

    async def api_reviews(self, request: web.Request) -> web.Response:
        """What reviews answers."""
        return await self._handed_on("reviews", request)

    async def api_ratings(self, request: web.Request) -> web.Response:
        """What ratings answers."""
        return await self._handed_on("ratings", request)

    async def _handed_on(self, component: str, request: web.Request) -> web.Response:
        try:
            return web.json_response(await self._ask(component, request, product_id(request)))
        except UnavailableError as error:
            return json_error(RequestError(error.status, sorry(component)))

    async def _read(
        self, component: str, request: web.Request, read: Callable[[object], _Read]
    ) -> _Read | None:
        try:
            return read(await self._ask(component, request, PRODUCT_ID))
        except (UnavailableError, ValueError):
            return None

    async def _ask(self, component: str, request: web.Request, product: int) -> object:
        return await self._neighbours[component].get(
            f"/{component}/{product}", headers_for(request)
        )


def sorry(component: str) -> str:
    """What is said where a component's answer cannot be had."""
    return f"Sorry, product {component} are currently unavailable for this book."


def headers_for(request: web.Request) -> CIMultiDict[str]:
    """What goes on to another component: `end-user` is who signed in here, whoever else was sent.

    Somebody outside could otherwise be another user by sending the header.
    """
    headers = passed_on(request.headers)
    user = _user(request)
    if user is not None:
        headers[END_USER] = user
    return headers


def _user(request: web.Request) -> str | None:
    return name_in(request.headers.getall("Cookie", ()))


def _page(html: str, status: int = 200) -> web.Response:
    return web.Response(
        text=html, status=status, content_type="text/html", charset="utf-8", headers=PAGE_HEADERS
    )


def _see_product() -> web.Response:
    return web.Response(
        status=303, headers={"Location": "/productpage", "Cache-Control": "no-store"}
    )
