"""The product page, read from its HTML: who is signed in, and which reviews it shows."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lxml import etree, html

from meshproof.errors import PromiseBroken
from meshproof.wording import in_turn, listed, quoted

#: What a page shows of its reviews, and the version that shows it so.
NO_STARS, BLACK_STARS, RED_STARS = "starless reviews", "black stars", "red stars"
VERSIONS = {NO_STARS: "v1", BLACK_STARS: "v2", RED_STARS: "v3"}
#: What it shows where a component does not do its part, and the sentences that say so.
NO_RATINGS, NO_REVIEWS = "no ratings", "no reviews"
RATINGS_UNAVAILABLE = "Ratings service is currently unavailable"
REVIEWS_UNAVAILABLE = "Sorry, product reviews are currently unavailable for this book."
#: The stars that ratings give, review by review, as long as nobody posts others.
RATED = (5, 4)
#: `reviews-v2-6f7c…`, a pod by its Deployment.
POD = re.compile(r"reviews-(v\d+)-\S+")
#: `4 of 5 stars, black`, for who cannot see them.
STARS = re.compile(r"(\d) of \d stars, (\w+)")


class WrongProductPage(PromiseBroken, ValueError):
    """What was answered is not the product page, or it contradicts itself."""


@dataclass(frozen=True)
class ProductPage:
    """What a page shows: who is signed in, empty for nobody; details; and reviews.

    ``shown`` is one of the kinds above. ``stars`` are those of each review that has some, ``pod``
    is who served the reviews, empty where they are not available.
    """

    user: str
    details: bool
    shown: str
    stars: tuple[int, ...]
    pod: str

    @property
    def version(self) -> str:
        """The version of reviews that served it, by its pod's name; empty for none."""
        match = POD.fullmatch(self.pod)
        return match[1] if match else ""

    def __str__(self) -> str:
        """Return the page in a line."""
        who = f"signed in as {quoted(self.user)}" if self.user else "nobody signed in"
        served = f", reviews served by {self.pod}" if self.pod else ""
        return f"{self.shown}, {who}{served}{'' if self.details else ', no details'}"


def parse_product_page(text: str) -> ProductPage:
    """Read a page. Raises ``WrongProductPage`` where it is another, or contradicts itself."""
    elements = _elements(text)
    missing = [name for name in ("title", "details", "reviews") if name not in elements]
    if missing:
        raise WrongProductPage(
            f"not the product page: it has no {in_turn(missing)}; it begins with "
            f"{quoted(text[:200])}"
        )
    reviews = elements["reviews"]
    shown, stars = _shown(reviews)
    page = ProductPage(
        user=_text(elements["user-name"]) if "user-name" in elements else "",
        details=elements["details"].find(".//dl") is not None,
        shown=shown,
        stars=stars,
        pod=_text(elements["reviews-pod"]) if "reviews-pod" in elements else "",
    )
    if stars and stars != RATED:
        raise WrongProductPage(f"{listed(stars)} stars, not {listed(RATED)}: {page}")
    promised = VERSIONS.get(shown)
    if promised and page.version != promised:
        raise WrongProductPage(f"a page of {promised} that another pod served: {page}")
    return page


def _shown(reviews: html.HtmlElement) -> tuple[str, tuple[int, ...]]:
    """What a page shows of its reviews, and the stars of each."""
    if reviews.find(".//*[@role='alert']") is not None:
        said = _text(reviews)
        if REVIEWS_UNAVAILABLE not in said:
            raise WrongProductPage(f"the page says instead of reviews: {quoted(said[:200])}")
        return NO_REVIEWS, ()
    figures = reviews.findall(".//figure")
    if not figures:
        raise WrongProductPage("a page without reviews, and without a word of why")
    marks = [_mark(figure) for figure in figures]
    kinds = {kind for kind, _ in marks}
    if len(kinds) > 1:
        raise WrongProductPage(f"a page with reviews of several kinds: {in_turn(sorted(kinds))}")
    return marks[0][0], tuple(number for _, number in marks if number is not None)


def _mark(figure: html.HtmlElement) -> tuple[str, int | None]:
    """What one review shows, and how many stars."""
    stars = figure.find(".//*[@role='img']")
    if stars is not None:
        match = STARS.fullmatch(stars.get("aria-label", ""))
        if match is None:
            raise WrongProductPage(f"stars called {quoted(stars.get('aria-label', ''))}")
        return f"{match[2]} stars", int(match[1])
    said = figure.find(".//p")
    if said is None:
        return NO_STARS, None
    if _text(said) != RATINGS_UNAVAILABLE:
        raise WrongProductPage(f"a review says instead of stars: {quoted(_text(said))}")
    return NO_RATINGS, None


def _text(element: html.HtmlElement) -> str:
    return " ".join("".join(map(str, element.itertext())).split())


def _elements(text: str) -> dict[str | None, html.HtmlElement]:
    try:
        return {each.get("id"): each for each in html.document_fromstring(text).iter()}
    except etree.ParserError:  # of a page that is empty
        return {}
