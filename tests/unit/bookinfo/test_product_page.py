"""Reading the product page: every page that the application can make, and those that are wrong."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "images" / "bookinfo"))

from bookinfo.book import Fact, Review, Reviews, Stars
from bookinfo.pages import Pages
from bookinfo.productpage import sorry
from bookinfo.reviews import NO_RATINGS as SAID_WITHOUT_RATINGS
from bookinfo.reviews import TEXTS

from steps.bookinfo.product_page import (
    BLACK_STARS,
    NO_RATINGS,
    NO_REVIEWS,
    NO_STARS,
    RATINGS_UNAVAILABLE,
    RED_STARS,
    REVIEWS_UNAVAILABLE,
    WrongProductPage,
    parse_product_page,
)

PAGES = Pages("v1", "productpage-v1-x")
FACTS = (Fact("Type", "paperback"),)


def reviews(
    version: str, *marks: Stars | str | None, pod: str = "6f7c-x", texts: int | None = None
) -> Reviews:
    readers = list(TEXTS.items())[:texts]
    found = [
        Review(
            reader,
            text,
            mark if isinstance(mark, Stars) else None,
            mark if isinstance(mark, str) else None,
        )
        for (reader, text), mark in zip(readers, marks, strict=True)
    ]
    return Reviews(f"reviews-{version}-{pod}", None, tuple(found))


def starred(version: str, color: str, *numbers: int) -> Reviews:
    return reviews(version, *(Stars(number, color) for number in numbers or (5, 4)))


@pytest.mark.parametrize(
    ("given", "shown", "version"),
    [
        (reviews("v1", None, None), NO_STARS, "v1"),
        (starred("v2", "black"), BLACK_STARS, "v2"),
        (starred("v3", "red"), RED_STARS, "v3"),
        (reviews("v2", SAID_WITHOUT_RATINGS, SAID_WITHOUT_RATINGS), NO_RATINGS, "v2"),
        (None, NO_REVIEWS, ""),
    ],
)
def test_a_page_shows_which_version_of_reviews_served_it(
    given: Reviews | None, shown: str, version: str
) -> None:
    page = parse_product_page(PAGES.product("jason", FACTS, given))
    assert (page.shown, page.version, page.user, page.details) == (shown, version, "jason", True)
    assert page.stars == ((5, 4) if shown in (BLACK_STARS, RED_STARS) else ())


def test_the_sentences_are_the_applications_own() -> None:
    assert RATINGS_UNAVAILABLE == SAID_WITHOUT_RATINGS
    assert sorry("reviews") == REVIEWS_UNAVAILABLE


def test_nobody_may_be_signed_in_and_details_may_be_missing() -> None:
    page = parse_product_page(PAGES.product(None, None, reviews("v1", None, None)))
    assert (page.user, page.details) == ("", False)
    assert (
        str(page)
        == "starless reviews, nobody signed in, reviews served by reviews-v1-6f7c-x, no details"
    )


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (starred("v1", "black"), "a page of v2 that another pod served: black stars"),
        (reviews("v3", None, None), "a page of v1 that another pod served: starless reviews"),
        (starred("v2", "black", 5, 5), "5 and 5 stars, not 5 and 4"),
        (reviews("v2", Stars(5, "black"), Stars(4, "red")), "of several kinds"),
        (reviews("v2", Stars(5, "black"), SAID_WITHOUT_RATINGS), "of several kinds"),
        (reviews("v2", "Out of stars", "Out of stars"), "instead of stars: “Out of stars”"),
        (reviews("v1", texts=0), "a page without reviews, and without a word of why"),
    ],
)
def test_a_page_that_contradicts_itself_is_refused(given: Reviews, why: str) -> None:
    with pytest.raises(WrongProductPage, match=why):
        parse_product_page(PAGES.product("jason", FACTS, given))


@pytest.mark.parametrize("text", ["", "no healthy upstream", PAGES.index("jason")])
def test_another_page_is_refused(text: str) -> None:
    with pytest.raises(WrongProductPage, match="not the product page: it has no "):
        parse_product_page(text)


def test_another_excuse_for_the_reviews_is_refused() -> None:
    page = PAGES.product("jason", FACTS, None).replace(REVIEWS_UNAVAILABLE, "Come back later.")
    with pytest.raises(WrongProductPage, match=r"says instead of reviews: .*Come back later\."):
        parse_product_page(page)
