"""The timeouts of the original, as long as they are: B2's fault is made of nothing else."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from aiohttp import web

    from tests.unit.bookinfo.conftest import Answer, Bookinfo

#: Seconds by which an answer may be late on a busy machine.
SLACK = 2.0


def test_delay_of_7_seconds_for_jason(bookinfo: Bookinfo, caplog: pytest.LogCaptureFixture) -> None:
    """What the task of fault injection tells, and what it tells of version 3; in 10 seconds."""

    async def delay(request: web.Request) -> None:
        match request.headers.get("end-user"):
            case "jason":
                await asyncio.sleep(7)
            case "nobody waits so long":
                await asyncio.sleep(11)

    bookinfo.ratings.fault = delay
    jason = {"Cookie": "session=jason"}

    async def scenario() -> tuple[Answer, ...]:
        pages, reviews = bookinfo.pages, bookinfo.reviews
        return await asyncio.gather(
            bookinfo.send(pages["v2"], "/productpage", headers=jason),
            bookinfo.send(pages["v3"], "/productpage", headers=jason),
            bookinfo.send(pages["v2"], "/productpage", headers={"Cookie": "session=anna"}),
            bookinfo.send(reviews["v2"], "/reviews/0", headers={"end-user": "jason"}),
            bookinfo.send(
                reviews["v2"], "/reviews/0", headers={"end-user": "nobody waits so long"}
            ),
            bookinfo.send(pages["v2"], "/api/v1/products/0/ratings", headers=jason),
        )

    second, third, other, patient, exhausted, ratings = bookinfo.run(scenario())

    # productpage gives up on version 2 after twice 3 s, a second before it has its stars.
    assert second.words("reviews") == (
        "Error fetching product reviews! "
        "Sorry, product reviews are currently unavailable for this book."
    )
    assert second.words("details-heading") == "Book Details"
    assert 6 <= second.seconds < 6 + SLACK
    # Version 3 gives up on ratings in time.
    assert third.words("reviews").count("Ratings service is currently unavailable") == 2
    assert third.words("reviews-heading") == "Book Reviews"
    assert 2.5 <= third.seconds < 2.5 + SLACK
    # Nobody else waits.
    assert len(other.stars()) == 2
    assert other.seconds < SLACK
    # Version 2 itself waits for its stars, but for no more than 10 s.
    found = [review["rating"]["color"] for review in json.loads(patient.text)["reviews"]]
    assert found == ["black", "black"]
    assert 7 <= patient.seconds < 7 + SLACK
    assert "unavailable" in exhausted.text
    assert 10 <= exhausted.seconds < 10 + SLACK
    assert ratings.status == 500
    assert 3 <= ratings.seconds < 3 + SLACK
    assert len(bookinfo.reviews["v2"].asked) == 2 + 1 + 2
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_productpage_waits_3_seconds_for_details(bookinfo: Bookinfo) -> None:
    async def delay(_: web.Request) -> None:
        await asyncio.sleep(4)

    bookinfo.details.fault = delay
    page = bookinfo.page()
    assert page.words("details-heading") == "Error fetching product details!"
    assert page.words("reviews-heading") == "Book Reviews"
    assert 3 <= page.seconds < 3 + SLACK
    assert len(bookinfo.details.asked) == 1
