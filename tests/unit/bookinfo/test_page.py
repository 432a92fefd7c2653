from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from aiohttp import web

from tests.unit.bookinfo.conftest import VERSIONS

if TYPE_CHECKING:
    from tests.unit.bookinfo.conftest import Answer, Bookinfo


def cookie(answer: Answer) -> str:
    """What a browser would send after this answer."""
    return answer.headers["Set-Cookie"].partition(";")[0]


def test_page_shows_the_book_its_details_and_what_readers_say(bookinfo: Bookinfo) -> None:
    page = bookinfo.page()
    assert page.status == 200
    assert "<title>Simple Bookstore App</title>" in page.text
    assert page.words("title") == "The Comedy of Errors"
    assert page.words("details-heading") == "Book Details"
    assert "Author William Shakespeare" in page.words("details").replace("Author", "Author ")
    assert page.words("reviews-heading") == "Book Reviews"
    assert [page.words(f"reviewer-{number}") for number in (1, 2)] == ["Reviewer1", "Reviewer2"]
    assert page.words("version") == "version: v1"
    assert page.words("host") == f"host: {bookinfo.pages['v1'].settings.host}"
    assert page.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("version", "stars", "glyphs"),
    [
        ("v1", [], []),
        ("v2", ["5 of 5 stars, black", "4 of 5 stars, black"], ["★★★★★", "★★★★☆"]),
        ("v3", ["5 of 5 stars, red", "4 of 5 stars, red"], ["★★★★★", "★★★★☆"]),
    ],
)
def test_each_version_of_reviews_has_its_own_stars(
    bookinfo: Bookinfo, version: str, stars: list[str], glyphs: list[str]
) -> None:
    page = bookinfo.page(version)
    assert page.stars() == stars
    assert re.findall("[★☆]+", page.words("reviews")) == glyphs
    assert page.words("reviews-pod") == bookinfo.reviews[version].settings.host
    assert len(bookinfo.ratings.asked) == (0 if version == "v1" else 1)


def test_page_has_nothing_from_elsewhere_but_its_own_style(bookinfo: Bookinfo) -> None:
    page = bookinfo.page("v2")
    assert not re.search(r"https?://|url\(|<script|style=", page.text)
    (sheet,) = re.findall(r'<link rel="stylesheet" href="([^"]*)">', page.text)
    style = bookinfo.get(bookinfo.pages["v1"], sheet)
    assert (style.status, style.headers["Content-Type"]) == (200, "text/css; charset=utf-8")
    assert ".red" in style.text


def test_who_signs_in_is_named_until_they_sign_out(bookinfo: Bookinfo) -> None:
    server = bookinfo.pages["v1"]
    assert bookinfo.page().element("sign-in").get("action") == "/login"
    answer = bookinfo.post(server, "/login", "username=jason&passwd=")
    assert (answer.status, answer.headers["Location"]) == (303, "/productpage")
    assert set(answer.headers["Set-Cookie"].split("; ")) == {
        "session=jason", "Path=/", "HttpOnly", "SameSite=Lax",
    }  # fmt: skip
    page = bookinfo.get(server, "/productpage", Cookie=cookie(answer))
    assert page.words("user") == "jason (sign out)"
    assert page.element("sign-out").get("href") == "/logout"
    assert 'id="sign-in"' not in page.text
    answer = bookinfo.get(server, "/logout", Cookie="session=jason")
    assert (answer.status, answer.headers["Location"]) == (303, "/productpage")
    assert answer.headers["Set-Cookie"].startswith('session="";')
    assert "Max-Age=0" in answer.headers["Set-Cookie"].split("; ")
    assert bookinfo.page().element("sign-in") is not None


@pytest.mark.parametrize("name", ["jason", "Jason B.", "<b>", "a=b; c", '"quoted"', "100%"])
def test_any_name_comes_back_as_it_was_given(bookinfo: Bookinfo, name: str) -> None:
    server = bookinfo.pages["v1"]
    answer = bookinfo.post(server, "/login", urlencode({"username": f" {name} ", "passwd": "x"}))
    page = bookinfo.get(server, "/productpage", Cookie=f"other=1; {cookie(answer)}")
    assert page.words("user-name") == name
    (asked,) = bookinfo.reviews["v1"].asked
    assert asked["end-user"] == name


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"", "", 400),
        (b"username=", "", 400),
        (b"username=a&username=b", "", 400),
        (b"username=a%0d%0ax-b:%201", "", 400),
        (b"username=%c3%a9", "", 400),
        (b"\xff", "", 400),
        (b"username=" + b"a" * 65, "", 400),
        (b"&" * 10, "", 400),
        (b"username=jason", "application/json", 415),
        (b"username=" + b"a" * 17_000, "", 413),
    ],
)
def test_unusable_name_is_refused_in_words(
    bookinfo: Bookinfo, body: bytes, content_type: str, status: int
) -> None:
    answer = bookinfo.post(bookinfo.pages["v1"], "/login", body, content_type)
    assert answer.status == status
    assert answer.words("problem").endswith(".")
    assert "Set-Cookie" not in answer.headers


def test_page_escapes_what_it_is_told(bookinfo: Bookinfo) -> None:
    async def lie(_: web.Request) -> web.Response:
        review = {"reviewer": "<i>", "text": "<q>", "rating": {"error": "<u>"}}
        return web.json_response({"podname": "<p>", "clustername": "<c>", "reviews": [review]})

    bookinfo.reviews["v1"].fault = lie
    text = bookinfo.page(user="%3Cs%3E").text
    assert not re.search("<[iqucs]>", text)
    for letter in "iqupcs":
        assert f"&lt;{letter}&gt;" in text


@pytest.mark.parametrize("version", VERSIONS)
def test_page_without_details_has_reviews_all_the_same(bookinfo: Bookinfo, version: str) -> None:
    bookinfo.run(bookinfo.details.stop())
    page = bookinfo.page(version)
    assert page.status == 200
    assert page.words("details") == (
        "Error fetching product details! "
        "Sorry, product details are currently unavailable for this book."
    )
    assert page.words("reviews-heading") == "Book Reviews"
    assert len(page.stars()) == (0 if version == "v1" else 2)


def test_page_without_reviews_has_details_all_the_same(bookinfo: Bookinfo) -> None:
    bookinfo.run(bookinfo.reviews["v2"].stop())
    page = bookinfo.page("v2")
    assert page.status == 200
    assert page.words("reviews") == (
        "Error fetching product reviews! "
        "Sorry, product reviews are currently unavailable for this book."
    )
    assert page.words("details-heading") == "Book Details"


def test_page_without_ratings_says_so_where_stars_would_be(bookinfo: Bookinfo) -> None:
    bookinfo.run(bookinfo.ratings.stop())
    for version, times in (("v1", 0), ("v2", 2), ("v3", 2)):
        page = bookinfo.page(version)
        assert page.words("reviews-heading") == "Book Reviews"
        assert page.stars() == []
        said = page.words("reviews").count("Ratings service is currently unavailable")
        assert said == times


def test_ratings_that_end_with_500_for_jason_are_there_for_others(bookinfo: Bookinfo) -> None:
    async def abort(request: web.Request) -> web.Response | None:
        return web.Response(status=500) if request.headers.get("end-user") == "jason" else None

    bookinfo.ratings.fault = abort
    page = bookinfo.page("v2", "jason")
    assert page.words("reviews-heading") == "Book Reviews"
    assert page.words("reviews").count("Ratings service is currently unavailable") == 2
    assert page.stars() == []
    assert len(bookinfo.page("v2", "anna").stars()) == len(bookinfo.page("v2").stars()) == 2


@pytest.mark.parametrize(
    "answer",
    [
        web.Response,
        lambda: web.Response(text="<html>"),
        lambda: web.json_response({"error": "busy"}, status=503),
        lambda: web.Response(status=302, headers={"Location": "/health"}),
        lambda: web.json_response([]),
        lambda: web.json_response({"id": "0"}),
        lambda: web.json_response({"podname": "p", "clustername": None, "reviews": [{}]}),
        lambda: web.json_response({"podname": "p", "clustername": None, "reviews": [
            {"reviewer": "r", "text": "t", "rating": {"stars": 6, "color": "red"}}]}),
        lambda: web.json_response({"podname": "p", "clustername": None, "reviews": [
            {"reviewer": "r", "text": "t", "rating": {"stars": 5, "color": "x y"}}]}),
    ],
)  # fmt: skip
def test_unusable_answer_is_not_shown(bookinfo: Bookinfo, answer: type[web.Response]) -> None:
    async def instead(_: web.Request) -> web.Response:
        return answer()

    bookinfo.reviews["v1"].fault = bookinfo.details.fault = instead
    page = bookinfo.page()
    assert page.status == 200
    assert page.words("details-heading") == "Error fetching product details!"
    assert page.words("reviews-heading") == "Error fetching product reviews!"


def test_reviews_are_asked_twice_and_details_once(bookinfo: Bookinfo) -> None:
    async def fail(_: web.Request) -> web.Response:
        return web.Response(status=500)

    bookinfo.reviews["v1"].fault = bookinfo.details.fault = fail
    bookinfo.page()
    assert len(bookinfo.reviews["v1"].asked) == 2
    assert len(bookinfo.details.asked) == 1


def test_second_try_is_enough(bookinfo: Bookinfo) -> None:
    async def fail_once(_: web.Request) -> web.Response | None:
        return web.Response(status=500) if len(bookinfo.reviews["v2"].asked) == 1 else None

    bookinfo.reviews["v2"].fault = fail_once
    assert len(bookinfo.page("v2").stars()) == 2


@pytest.mark.parametrize("path", ["/", "/index.html"])
def test_index_leads_to_the_book(bookinfo: Bookinfo, path: str) -> None:
    page = bookinfo.get(bookinfo.pages["v1"], path)
    assert page.status == 200
    assert page.element("product").get("href") == "/productpage"


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/nothing", 404, None),
        ("GET", "/static/../__main__.py", 404, None),
        ("GET", "/login", 405, "POST"),
        ("POST", "/productpage", 405, "GET,HEAD"),
    ],
)
def test_unknown_path_and_wrong_method(
    bookinfo: Bookinfo, method: str, path: str, status: int, allow: str | None
) -> None:
    answer = bookinfo.run(bookinfo.send(bookinfo.pages["v1"], path, method))
    assert (answer.status, answer.headers.get("Allow")) == (status, allow)
    assert answer.words("problem").endswith(".")
