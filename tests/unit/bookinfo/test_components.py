from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from bookinfo.client import PASSED_ON
from bookinfo.ratings import MOST_PRODUCTS, MOST_REVIEWERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.unit.bookinfo.conftest import Bookinfo

UNAVAILABLE = {"error": "Ratings service is currently unavailable"}
FIVE_AND_FOUR = {"Reviewer1": 5, "Reviewer2": 4}


def test_health_is_in_the_words_of_each_component(bookinfo: Bookinfo) -> None:
    page = bookinfo.get(bookinfo.pages["v1"], "/health")
    assert (page.status, page.text) == (200, "Product page is healthy")
    for server, name in (
        (bookinfo.details, "Details"),
        (bookinfo.reviews["v3"], "Reviews"),
        (bookinfo.ratings, "Ratings"),
    ):
        health = bookinfo.get(server, "/health")
        assert (health.status, json.loads(health.text)) == (200, {"status": f"{name} is healthy"})


def test_health_needs_no_other_component(bookinfo: Bookinfo) -> None:
    for server in (bookinfo.details, bookinfo.ratings, *bookinfo.reviews.values()):
        bookinfo.run(server.stop())
    assert bookinfo.get(bookinfo.pages["v2"], "/health").status == 200


def test_details_are_facts_of_the_book(bookinfo: Bookinfo) -> None:
    answer = json.loads(bookinfo.get(bookinfo.details, "/details/7").text)
    assert answer == {
        "id": 7, "author": "William Shakespeare", "year": 1595, "type": "paperback", "pages": 200,
        "publisher": "PublisherA", "language": "English", "ISBN-10": "1234567890",
        "ISBN-13": "123-1234567890",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("version", "ratings"),
    [
        ("v1", [None, None]),
        ("v2", [{"stars": 5, "color": "black"}, {"stars": 4, "color": "black"}]),
        ("v3", [{"stars": 5, "color": "red"}, {"stars": 4, "color": "red"}]),
    ],
)
def test_reviews_say_where_they_come_from_and_have_their_versions_ratings(
    bookinfo: Bookinfo, version: str, ratings: list[Mapping[str, object] | None]
) -> None:
    server = bookinfo.reviews[version]
    answer = json.loads(bookinfo.get(server, "/reviews/0").text)
    assert (answer["id"], answer["podname"]) == ("0", server.settings.host)
    assert answer["clustername"] is None
    assert [review["reviewer"] for review in answer["reviews"]] == ["Reviewer1", "Reviewer2"]
    assert all(review["text"] for review in answer["reviews"])
    assert [review.get("rating") for review in answer["reviews"]] == ratings
    assert all(("rating" in review) == (version != "v1") for review in answer["reviews"])


@pytest.mark.parametrize(
    "answer",
    [
        lambda: web.Response(status=500),
        lambda: web.Response(text="nonsense"),
        lambda: web.json_response([]),
        lambda: web.json_response({"ratings": 5}),
        lambda: web.json_response({"ratings": {"Reviewer1": "5", "Reviewer2": 6}}),
    ],
)
def test_reviews_without_usable_ratings_say_so(
    bookinfo: Bookinfo, answer: type[web.Response]
) -> None:
    async def instead(_: web.Request) -> web.Response:
        return answer()

    bookinfo.ratings.fault = instead
    for version in ("v2", "v3"):
        reviews = bookinfo.get(bookinfo.reviews[version], "/reviews/0")
        assert reviews.status == 200
        found = [review["rating"] for review in json.loads(reviews.text)["reviews"]]
        assert found == [UNAVAILABLE, UNAVAILABLE]
    assert len(bookinfo.ratings.asked) == 2


def test_reviewer_without_a_rating_is_the_only_one(bookinfo: Bookinfo) -> None:
    bookinfo.post(bookinfo.ratings, "/ratings/0", json.dumps({"Reviewer2": 1}), "application/json")
    answer = json.loads(bookinfo.get(bookinfo.reviews["v3"], "/reviews/0").text)
    found = [review["rating"] for review in answer["reviews"]]
    assert found == [UNAVAILABLE, {"stars": 1, "color": "red"}]


def test_posted_ratings_are_kept_for_their_product(bookinfo: Bookinfo) -> None:
    ratings = {"Reviewer1": 1, "Reviewer2": 2}
    answer = bookinfo.post(bookinfo.ratings, "/ratings/3", json.dumps(ratings), "application/json")
    assert (answer.status, json.loads(answer.text)) == (200, {"id": 3, "ratings": ratings})
    for product, expected in ((3, ratings), (0, FIVE_AND_FOUR)):
        answer = bookinfo.get(bookinfo.ratings, f"/ratings/{product}")
        assert json.loads(answer.text) == {"id": product, "ratings": expected}


@pytest.mark.parametrize(
    "body",
    [
        b"", b"\xff", b"[]", b"5", b'{"a": 0}', b'{"a": 6}', b'{"a": 1.5}', b'{"a": true}',
        json.dumps({str(number): 1 for number in range(MOST_REVIEWERS + 1)}).encode(),
    ],
)  # fmt: skip
def test_unusable_ratings_are_refused_and_change_nothing(bookinfo: Bookinfo, body: bytes) -> None:
    answer = bookinfo.post(bookinfo.ratings, "/ratings/0", body, "application/json")
    assert answer.status == 400
    assert json.loads(answer.text)["error"].startswith("Ratings have to be ")
    assert json.loads(bookinfo.get(bookinfo.ratings, "/ratings/0").text)["ratings"] == FIVE_AND_FOUR


def test_ratings_of_more_products_than_there_is_room_for_are_refused(bookinfo: Bookinfo) -> None:
    async def fill() -> list[int]:
        return [
            (await bookinfo.send(bookinfo.ratings, f"/ratings/{number}", "POST", body="{}")).status
            for number in range(MOST_PRODUCTS + 1)
        ]

    statuses = bookinfo.run(fill())
    assert statuses == [200] * MOST_PRODUCTS + [507]
    assert bookinfo.post(bookinfo.ratings, "/ratings/0", '{"Reviewer1": 1}').status == 200


@pytest.mark.parametrize("product", ["x", "-1", "1.5", "%C2%B2", "1234567890", "1%2F2"])
def test_product_has_to_be_a_number(bookinfo: Bookinfo, product: str) -> None:
    for server, path in (
        (bookinfo.details, "/details/"),
        (bookinfo.reviews["v2"], "/reviews/"),
        (bookinfo.ratings, "/ratings/"),
        (bookinfo.pages["v2"], "/api/v1/products/"),
    ):
        answer = bookinfo.get(server, path + product)
        assert answer.status == 400
        assert "digits" in json.loads(answer.text)["error"]
    assert bookinfo.ratings.asked[1:] == []


def test_api_hands_on_what_the_components_answer(bookinfo: Bookinfo) -> None:
    page = bookinfo.pages["v2"]
    (product,) = json.loads(bookinfo.get(page, "/api/v1/products").text)
    assert (product["id"], product["title"]) == (0, "The Comedy of Errors")
    assert "William Shakespeare" in product["descriptionHtml"]
    for path, server, own in (
        ("", bookinfo.details, "/details/0"),
        ("/reviews", bookinfo.reviews["v2"], "/reviews/0"),
        ("/ratings", bookinfo.ratings, "/ratings/0"),
    ):
        answer = bookinfo.get(page, f"/api/v1/products/0{path}")
        assert (answer.status, answer.text) == (200, bookinfo.get(server, own).text)


def test_api_says_what_is_not_available_with_its_status(bookinfo: Bookinfo) -> None:
    async def abort(_: web.Request) -> web.Response:
        return web.Response(status=503)

    page = bookinfo.pages["v2"]
    bookinfo.details.fault = abort
    bookinfo.run(bookinfo.ratings.stop())
    bookinfo.run(bookinfo.reviews["v2"].stop())
    for path, name, status in (
        ("", "details", 503),
        ("/reviews", "reviews", 500),
        ("/ratings", "ratings", 500),
    ):
        answer = bookinfo.get(page, f"/api/v1/products/0{path}")
        assert answer.status == status
        assert json.loads(answer.text) == {
            "error": f"Sorry, product {name} are currently unavailable for this book."
        }


def test_refusal_by_a_json_component_is_json(bookinfo: Bookinfo) -> None:
    for server in (bookinfo.details, bookinfo.reviews["v1"], bookinfo.ratings):
        answer = bookinfo.get(server, "/productpage")
        assert answer.status == 404
        assert json.loads(answer.text) == {"error": "There is nothing at this address."}
    answer = bookinfo.get(bookinfo.pages["v1"], "/api/v1/products/0/nothing")
    assert json.loads(answer.text) == {"error": "There is nothing at this address."}


def test_user_goes_from_productpage_to_reviews_to_ratings(bookinfo: Bookinfo) -> None:
    bookinfo.page("v2", "jason")
    for asked in (bookinfo.details, bookinfo.reviews["v2"], bookinfo.ratings):
        (headers,) = asked.asked
        assert headers.getall("end-user") == ["jason"]


@pytest.mark.parametrize("cookie", [None, "session=", "session=%0a", "Session=jason", "a=session"])
def test_nobody_is_a_user_who_did_not_sign_in(bookinfo: Bookinfo, cookie: str | None) -> None:
    headers = {"end-user": "jason"} | ({"Cookie": cookie} if cookie else {})
    page = bookinfo.run(bookinfo.send(bookinfo.pages["v2"], "/productpage", headers=headers))
    assert page.element("sign-in") is not None
    for asked in (bookinfo.details, bookinfo.reviews["v2"], bookinfo.ratings):
        (received,) = asked.asked
        assert "end-user" not in received


def test_user_is_who_signed_in_whoever_else_was_sent(bookinfo: Bookinfo) -> None:
    bookinfo.get(bookinfo.pages["v2"], "/productpage", end_user="jason", Cookie="session=anna")
    (headers,) = bookinfo.ratings.asked
    assert headers.getall("end-user") == ["anna"]


def test_tracing_headers_and_the_callers_own_are_passed_on_and_no_others(
    bookinfo: Bookinfo,
) -> None:
    names = (
        "x-request-id x-b3-traceid x-b3-spanid x-b3-parentspanid x-b3-sampled x-b3-flags b3 "
        "x-ot-span-context x-datadog-trace-id x-datadog-parent-id x-datadog-sampling-priority "
        "traceparent tracestate x-cloud-trace-context grpc-trace-bin sw8 user-agent authorization "
        "jwt"
    )
    sent = {name: f"value-of-{name}" for name in names.split()} | {"cookie": "session=jason; a=1"}
    assert set(sent) == set(PASSED_ON)
    page = bookinfo.pages["v3"]
    bookinfo.run(bookinfo.send(page, "/productpage", headers=sent | {"x-other": "1"}))
    for asked in (bookinfo.details, bookinfo.reviews["v3"], bookinfo.ratings):
        (headers,) = asked.asked
        assert {name: headers.get(name) for name in sent} == sent
        assert "x-other" not in headers


def test_nothing_is_made_up_for_a_caller_who_sends_nothing(bookinfo: Bookinfo) -> None:
    async def bare() -> bytes:
        reader, writer = await asyncio.open_connection(*bookinfo.pages["v2"].settings.listen)
        writer.write(
            b"GET /productpage HTTP/1.1\r\nHost: a\r\nb3: \xff\r\nConnection: close\r\n\r\n"
        )
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer

    assert bookinfo.run(bare()).startswith(b"HTTP/1.1 200 ")
    (headers,) = bookinfo.ratings.asked
    assert not set(map(str.lower, headers)) & {*PASSED_ON, "end-user"}


def test_one_visitors_cookies_never_reach_another(bookinfo: Bookinfo) -> None:
    async def set_cookie(_: web.Request) -> web.Response:
        return web.Response(headers={"Set-Cookie": "session=jason; Path=/"})

    bookinfo.reviews["v1"].fault = set_cookie
    bookinfo.page()
    bookinfo.page()
    assert all("cookie" not in headers for headers in bookinfo.reviews["v1"].asked)
