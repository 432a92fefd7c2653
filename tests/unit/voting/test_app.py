from __future__ import annotations

import asyncio
import json
import logging
import re
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from voting.counts import Category

from tests.unit.voting.conftest import Voting

if TYPE_CHECKING:
    from tests.unit.voting.conftest import Answer

LINE = re.compile(r' *<div id="results"> (.*) </div>')


def shown(answer: Answer) -> str:
    """What the tutorial's `grep results` leaves of an answer, headers included."""
    headers = [f"{name}: {value}" for name, value in answer.headers.items()]
    (line,) = [line for line in [*headers, *answer.text.splitlines()] if "results" in line]
    match = LINE.fullmatch(line)
    assert match, line
    return match[1]


def element(answer: Answer, name: str) -> str:
    """The text of the page's element with this id."""
    match = re.search(rf'<(\w+) id="{name}"[^>]*>(.*?)</\1>', answer.text, re.DOTALL)
    assert match, f"no element {name}"
    return re.sub(r"<[^>]*>", "", match[2])


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged as an error of the application's own."""
    return [record.message for record in caplog.records if record.levelno >= logging.ERROR]


def test_page_shows_counts_version_host_and_store(voting: Voting) -> None:
    page = voting.get()
    assert page.status == 200
    assert shown(page) == "Cats: 0 | Dogs: 0"
    assert element(page, "version") == "version: 1.0"
    assert element(page, "host") == "host: voting-app-1-0-abc"
    assert element(page, "store") == "store: redis"
    assert element(page, "status") == ""
    assert page.headers["Cache-Control"] == "no-store"


def test_page_has_nothing_from_elsewhere(voting: Voting) -> None:
    assert not re.search(r"https?://|url\(|<script", voting.get().text)


def test_page_view_is_one_call_to_analytics(voting: Voting) -> None:
    voting.get()
    assert len(voting.asked) == 1


def test_analytics_answers_both_counts_and_text(voting: Voting) -> None:
    voting.store.votes = {"a": Category.CATS, "b": Category.DOGS, "c": Category.DOGS}
    answer = voting.run(voting.send("GET", "/analytics", server=voting.analytics))
    assert json.loads(answer.text) == {
        "category1": {"name": "Cats", "count": 1},
        "category2": {"name": "Dogs", "count": 2},
        "text": "Cats: 1 | Dogs: 2",
    }


def test_vote_is_stored_counted_and_acknowledged(voting: Voting) -> None:
    page = voting.post("vote=Dogs&id=v-1")
    assert page.status == 200
    assert page.headers["x-vote-id"] == "v-1"
    assert "v-1" in element(page, "status")
    assert shown(page) == "Cats: 0 | Dogs: 1"
    assert voting.store.votes == {"v-1": Category.DOGS}


def test_form_of_the_page_carries_a_new_id_each_time(voting: Voting) -> None:
    pattern = r'<input type="hidden" name="id" value="([0-9a-f-]{36})" autocomplete="off">'
    ids = {match for _ in range(3) for match in re.findall(pattern, voting.get().text)}
    assert len(ids) == 3


@pytest.mark.parametrize("repeated", ["vote=Cats&id=same", "vote=Cats"])
def test_repeated_vote_counts_once(voting: Voting, repeated: str) -> None:
    for _ in range(3):
        page = voting.post(repeated, x_request_id="retried")
        assert page.status == 200
        assert page.headers["x-vote-id"] in {"same", "retried"}
    assert shown(page) == "Cats: 1 | Dogs: 0"


def test_id_of_the_other_category_is_refused(voting: Voting) -> None:
    voting.post("vote=Cats&id=one")
    page = voting.post("vote=Dogs&id=one")
    assert page.status == 409
    assert "x-vote-id" not in page.headers
    assert voting.store.votes == {"one": Category.CATS}


def test_reset_sets_both_counts_to_zero(voting: Voting) -> None:
    voting.post("vote=Cats")
    voting.post("vote=Dogs")
    page = voting.post("vote=reset")
    assert page.status == 200
    assert shown(page) == "Cats: 0 | Dogs: 0"
    assert "x-vote-id" not in page.headers


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"vote=Fish", {}, 400),
        (b"", {}, 400),
        (b"\xff\x00", {}, 400),
        (b"vote=Cats&id=no%20id", {}, 400),
        (b"vote=Cats", {"Content_Type": "application/json"}, 415),
        (b"vote=Cats", {"Content_Type": ";;;"}, 415),
        (b"vote=Cats", {"Content_Encoding": "gzip"}, 415),
        (b"vote=Cats&x=" + b"x" * 16 * 1024, {}, 413),
        (b"vote=Cats", {"Cookie": "a=" + "x" * 9000}, 431),
    ],
)
def test_bad_vote_is_refused_and_not_counted(
    voting: Voting,
    body: bytes,
    headers: dict[str, str],
    status: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    page = voting.post(body, **headers)
    assert page.status == status
    assert element(page, "problem")
    assert "x-vote-id" not in page.headers
    assert voting.store.votes == {}
    assert errors(caplog) == []


FORM = b"Content-Type: application/x-www-form-urlencoded\r\nConnection: close\r\n"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n" + FORM + b"\r\nzz\r\nvote",
        b"GET / HTTP/1.1\r\nHost: a\r\nCookie: \x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nCookie: a=\x01\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nCookie: " + b"x" * 100_000 + b"\r\n\r\n",
    ],
)
def test_malformed_request_is_refused(voting: Voting, request_bytes: bytes) -> None:
    assert re.match(rb"HTTP/1\.[01] 4\d\d ", voting.raw(request_bytes))
    assert voting.get().status == 200


@pytest.mark.parametrize("foreign", ["é".encode(), b"\xe9", b"\xff\xfe", "漢".encode()])
def test_cookies_of_other_applications_lock_nobody_out(voting: Voting, foreign: bytes) -> None:
    for flag, checked in ((b"; featureflag=on", b'aria-checked="true"'), (b"", b'"false"')):
        answer = voting.raw(
            b"GET / HTTP/1.1\r\nHost: a\r\nCookie: a=" + foreign + flag
            + b"\r\nConnection: close\r\n\r\n"
        )  # fmt: skip
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert checked in answer


def test_vote_whose_sender_goes_away_is_not_counted(
    voting: Voting, caplog: pytest.LogCaptureFixture
) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\n" + FORM + b"Content-Length: 9\r\n\r\n"

    async def leave() -> None:
        _, writer = await asyncio.open_connection(*voting.app.address)
        writer.write(head + b"vote=")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    voting.run(leave())
    assert voting.get().status == 200
    assert voting.store.votes == {}
    assert errors(caplog) == []


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/nothing", 404, None),
        ("PUT", "/", 405, "GET,HEAD,POST"),
        ("GET", "/featureflag/set", 405, "POST"),
    ],
)
def test_unknown_path_and_wrong_method(
    voting: Voting, method: str, path: str, status: int, allow: str | None
) -> None:
    answer = voting.run(voting.send(method, path))
    assert answer.status == status
    assert answer.headers.get("Allow") == allow
    assert element(answer, "problem")


def test_tracing_headers_are_passed_on_and_cookies_are_not(voting: Voting) -> None:
    names = (
        "x-request-id x-b3-traceid x-b3-spanid x-b3-parentspanid x-b3-sampled x-b3-flags b3 "
        "traceparent tracestate x-ot-span-context"
    )
    sent = {name: f"value-of-{name}" for name in names.split()}
    voting.run(voting.send("GET", headers={**sent, "Cookie": "featureflag=on", "x-other": "1"}))
    (asked,) = voting.asked
    assert {name: asked.get(name) for name in sent} == sent
    assert "Cookie" not in asked
    assert "x-other" not in asked


def test_tracing_header_that_cannot_be_passed_on_is_left_out(voting: Voting) -> None:
    answer = voting.raw(
        b"GET / HTTP/1.1\r\nHost: a\r\ntraceparent: \xff\r\nb3: 0\r\nConnection: close\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 200 ")
    (asked,) = voting.asked
    assert "traceparent" not in asked
    assert asked["b3"] == "0"


def test_flag_is_set_for_15_minutes_and_the_whole_site(voting: Voting) -> None:
    answer = voting.post("", "/featureflag/set")
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    assert set(answer.headers["Set-Cookie"].split("; ")) == {
        "featureflag=on",
        "Max-Age=900",
        "Path=/",
        "HttpOnly",
        "SameSite=Lax",
    }


def test_flag_is_cleared(voting: Voting) -> None:
    answer = voting.post("", "/featureflag/clear")
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    assert answer.headers["Set-Cookie"].startswith('featureflag="";')
    assert {"Max-Age=0", "Path=/"} <= set(answer.headers["Set-Cookie"].split("; "))


@pytest.mark.parametrize(
    ("cookie", "checked", "action"),
    [("a=1; featureflag=on", "true", "clear"), ("featureflag=off", "false", "set")],
)
def test_toggle_follows_the_cookie(voting: Voting, cookie: str, checked: str, action: str) -> None:
    page = voting.get(Cookie=cookie)
    assert f'action="/featureflag/{action}"' in page.text
    assert re.search(rf'<button id="toggle" role="switch" aria-checked="{checked}">', page.text)


def test_missing_storage_is_named_and_recovered_from(voting: Voting) -> None:
    voting.store.available = False
    for page in (voting.get(), voting.post("vote=Cats"), voting.post("vote=reset")):
        assert page.status == 503
        assert 'data-unavailable="storage"' in page.text
        assert element(page, "problem").startswith("Storage is not available: ")
        assert "x-vote-id" not in page.headers
        assert page.headers["Retry-After"] == "1"
    voting.store.available = True
    assert shown(voting.post("vote=Cats")) == "Cats: 1 | Dogs: 0"


def test_missing_analytics_is_named_and_recovered_from(voting: Voting) -> None:
    voting.get()
    voting.run(voting.analytics.stop())
    page = voting.get()
    assert page.status == 503
    assert 'data-unavailable="analytics"' in page.text
    voting.restart_analytics()
    assert shown(voting.get()) == "Cats: 0 | Dogs: 0"


def test_stored_vote_is_acknowledged_without_analytics(voting: Voting) -> None:
    voting.run(voting.analytics.stop())
    page = voting.post("vote=Cats&id=kept")
    assert page.status == 200
    assert page.headers["x-vote-id"] == "kept"
    assert 'data-unavailable="analytics"' in page.text
    assert voting.store.votes == {"kept": Category.CATS}
    voting.restart_analytics()


@pytest.mark.parametrize(
    "answer",
    [
        web.Response,
        lambda: web.Response(status=503, text="no healthy upstream"),
        lambda: web.Response(status=302, headers={"Location": "/healthz/live"}),
        lambda: web.json_response([]),
        lambda: web.json_response({"text": "Cats: 1 | Dogs: 1"}),
        lambda: web.json_response(
            {"category1": {"count": 1}, "category2": {"count": 1}, "text": "two\nlines"}
        ),
    ],
)
def test_unusable_answer_of_analytics_is_not_shown(
    voting: Voting, answer: type[web.Response]
) -> None:
    voting.analytics_answer = answer
    page = voting.get()
    assert page.status == 503
    assert 'data-unavailable="analytics"' in page.text
    assert "results" not in page.text


def test_page_escapes_what_it_is_told(voting: Voting) -> None:
    voting.analytics_answer = lambda: web.json_response(
        {"category1": {"count": 1}, "category2": {"count": 1}, "text": "<b>"}
    )
    assert shown(voting.get()) == "&lt;b&gt;"


def test_every_page_of_the_second_version_says_so_and_looks_different() -> None:
    second = Voting("2.0")
    pages = [
        second.get(),
        second.get("/nothing"),
        second.post("vote=Cats"),
        second.post("vote=Fish"),
    ]
    second.store.available = False
    pages += [second.get(), second.post("vote=Dogs")]
    second.close()
    assert [page.status for page in pages] == [200, 404, 200, 400, 503, 503]
    assert shown(pages[2]) == "Cats: 1/1 (100%) | Dogs: 0/1 (0%)"
    for page in pages:
        assert '<html lang="en" class="major-2">' in page.text
        assert element(page, "version") == "version: 2.0"
        assert element(page, "host") == "host: voting-app-2-0-abc"
        assert element(page, "store") == "store: mysql"
