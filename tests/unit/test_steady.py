from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from meshproof.analysis.timeline import Request, Timeline
from meshproof.probes import steady
from meshproof.probes.steady import SteadyTraffic, User, steady_traffic
from meshproof.waiting import REQUESTS_ANSWERED, NotConverged, converge
from steps.voting.voters import request_of, views_and_votes, votes_amiss
from steps.voting.voting_app import Response

PAGE = (
    '<p id="version">version: {version}</p><p id="host">host: a</p>'
    '<p id="store">store: redis</p><div id="results"> Cats: 1 | Dogs: 2 </div>'
)


def response(
    status: int | None = 200, body: str = PAGE, headers: dict[str, str] | None = None
) -> Response:
    body = body.format(version="1.0")
    return Response("POST", "http://a/", status, body, "", 0.1, headers or {})


def test_a_view_that_is_served_is_no_problem() -> None:
    seen = request_of(1.0, "u", response(), "", "")
    assert (seen.problem, seen.version, seen.store) == ("", "1.0", "redis")


@pytest.mark.parametrize("answer", [response(503), response(None), response(body="<p>no page</p>")])
def test_whatever_is_not_the_page_is_a_problem(answer: Response) -> None:
    assert request_of(1.0, "u", answer, "", "").problem


@pytest.mark.parametrize("headers", [{}, {"x-vote-id": "other"}])
def test_a_vote_that_is_not_acknowledged_is_a_problem(headers: dict[str, str]) -> None:
    assert (
        "not acknowledged"
        in request_of(1.0, "u", response(headers=headers), "Cats", "id-1").problem
    )


def test_a_vote_that_is_acknowledged_is_none() -> None:
    seen = request_of(1.0, "u", response(headers={"x-vote-id": "id-1"}), "Cats", "id-1")
    assert (seen.problem, seen.acknowledged) == ("", "id-1")


VOTE = Request(
    1.0, 0.1, "u", "POST", 200, "1.0", "redis", "Cats", "id-1", "id-1", ""
)  # fmt: skip
LOST = replace(VOTE, status=503, version="", store="", acknowledged="", problem="HTTP 503")


@pytest.mark.parametrize(
    ("request_", "redis", "mysql", "amiss"),
    [
        (VOTE, [("id-1", "Cats")], [], False),
        (VOTE, [], [], True),
        (VOTE, [], [("id-1", "Cats")], True),
        (VOTE, [("id-1", "Cats")], [("id-1", "Cats")], True),
        (VOTE, [("id-1", "Cats"), ("id-1", "Cats")], [], True),
        (VOTE, [("id-1", "Dogs")], [], True),
        (VOTE, [("id-1", "Cats"), ("id-2", "Cats")], [], True),
        (replace(VOTE, store=""), [], [("id-1", "Cats")], False),
        (LOST, [], [], False),
        (LOST, [], [("id-1", "Cats")], False),
        (LOST, [("id-1", "Cats")], [("id-1", "Cats")], True),
    ],
)
def test_each_acknowledged_vote_is_in_its_store_once(
    request_: Request, redis: list[tuple[str, str]], mysql: list[tuple[str, str]], amiss: bool
) -> None:
    found = votes_amiss(Timeline((), (request_,)), {"redis": redis, "mysql": mysql})
    assert bool(found) is amiss


def test_a_vote_that_is_amiss_says_where_it_is_held() -> None:
    twice = [("id-1", "Cats"), ("id-1", "Dogs")]
    (lost,) = votes_amiss(Timeline((), (VOTE,)), {"redis": [], "mysql": []})
    (doubled,) = votes_amiss(Timeline((), (VOTE,)), {"redis": twice, "mysql": []})
    assert lost.endswith(": held nowhere")
    assert doubled.endswith(": held in redis for Cats and in redis for Dogs")


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer("")

    def do_POST(self) -> None:
        form = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self._answer(form.partition("id=")[2])

    def _answer(self, vote_id: str) -> None:
        body = PAGE.format(version="2.0" if self.headers["Cookie"] else "1.0").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("x-vote-id", vote_id)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_users_go_on_until_the_end_and_each_request_is_written_down(url: str) -> None:
    with steady_traffic(url) as traffic:
        traffic.begin(User("plain", 200, views_and_votes({}), fresh=True))
        traffic.begin(User("flagged", 200, views_and_votes({"Cookie": "featureflag=on"})))
        with traffic.step("a step"):
            traffic.await_requests(4)
    timeline = traffic.timeline()
    (step,) = timeline.steps
    inside = timeline.between(step.begin, step.end)
    assert all(Counter(r.user for r in inside)[user] >= 4 for user in ("plain", "flagged"))
    assert timeline.failed == []
    assert {r.version for r in timeline.requests if r.user == "flagged"} == {"2.0"}
    assert {r.version for r in timeline.requests if r.user == "plain"} == {"1.0"}
    assert [step.title for step in timeline.steps] == ["a step"]
    assert len({r.vote_id for r in timeline.requests if r.vote}) == sum(
        1 for r in timeline.requests if r.vote
    )


@pytest.mark.parametrize(("every", "expected"), [(1, "CDCD"), (3, "C  D  C")])
def test_one_request_in_so_many_is_a_vote_in_turn(url: str, every: int, expected: str) -> None:
    with steady_traffic(url) as traffic:
        traffic.begin(User("voter", 200, views_and_votes({}, votes=every)))
        traffic.await_requests(len(expected))
    asked = traffic.timeline().requests[: len(expected)]
    assert "".join(request.vote[:1] or " " for request in asked) == expected


def test_nobody_is_asked_for_more_requests_than_a_user_may_make(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steady, "MOST_REQUESTS", 2)
    said = "tireless was not to make more than 2 requests"
    with pytest.raises(RuntimeError, match=said), steady_traffic(url) as traffic:
        traffic.begin(User("tireless", 1000, views_and_votes({})))
        while len(traffic.timeline().requests) < 2:
            pass


@pytest.mark.parametrize(
    "wait",
    [lambda traffic: traffic.await_requests(2), lambda traffic: traffic.end(after=2)],
    ids=["meanwhile", "at the end"],
)
def test_a_user_who_is_not_answered_so_often_is_waited_for_in_vain(
    url: str, monkeypatch: pytest.MonkeyPatch, wait: Callable[[SteadyTraffic], None]
) -> None:
    with steady_traffic(url) as traffic:
        traffic.begin(User("slow", 0.01, views_and_votes({})))
        converge(
            lambda: traffic.timeline().requests,
            until=bool,
            what="the first request is answered",
            timeout=REQUESTS_ANSWERED,
        )
        brief = replace(REQUESTS_ANSWERED, seconds=0.05)
        monkeypatch.setattr(steady, "REQUESTS_ANSWERED", brief)
        with pytest.raises(NotConverged, match=r"every user has been answered 2 times(.|\n)*slow"):
            wait(traffic)
        assert len(traffic.timeline().requests) == 1


def test_at_the_end_each_is_answered_so_often_after_the_last_step(url: str) -> None:
    with steady_traffic(url) as traffic:
        traffic.begin(User("plain", 200, views_and_votes({})))
        traffic.begin(User("slower", 50, views_and_votes({})))
        with traffic.step("the last step"):
            pass
        traffic.end(after=5)
        asked = len(traffic.timeline().requests)
        traffic.end(after=5)  # nobody is there to be waited for
    timeline = traffic.timeline()
    (step,) = timeline.steps
    after = Counter(r.user for r in timeline.between(step.end, math.inf))
    assert after["plain"] >= 5
    assert after["slower"] >= 5
    assert len(timeline.requests) == asked
