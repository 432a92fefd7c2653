from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import cycle
from types import SimpleNamespace

import pytest

from meshproof.analysis.sampling import EvenClaim
from meshproof.analysis.sequential import even_test
from meshproof.cluster.cluster import Cluster
from meshproof.mesh.ingress import Ingress
from meshproof.process import Completed, run
from steps.voting import views as module
from steps.voting.views import (
    ANYONE,
    AT_ONCE,
    BOTH,
    as_lines,
    ask_at_once,
    deviations,
    sample_analytics,
    sample_at_once,
    sample_evenly,
    sample_views,
    versions_of,
    view_of,
)
from steps.voting.voting_app import FLAG, Response, VotingApp
from steps.voting.voting_page import read_text

PAGE = """
<p id="version">version: 1.0</p>
<p id="host">host: voting-app-1-0-x</p>
<p id="store">store: redis</p>
<div id="results"> {text} </div>
"""


def response(text: str, status: int = 200) -> Response:
    return Response("GET", "http://127.0.0.1/", status, PAGE.format(text=text), "", 0.01)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Cats: 2 | Dogs: 4", ("1.0", (2, 4))),
        ("Cats: 2/6 (33%) | Dogs: 4/6 (67%)", ("1.1", (2, 4))),
        ("Cats: 0/0 (0%) | Dogs: 0/0 (0%)", ("1.1", (0, 0))),
        ("Cats: 2/6 (33%) | Dogs: 4/7 (67%)", None),
        ("Cats: 2/6 (33%) | Dogs: 3/6 (67%)", None),
        ("Cats: 2 | Dogs: 4 ", None),
        ("Cats: 2 | Dogs: 4/6 (67%)", None),
        ("", None),
    ],
)
def test_the_format_of_the_text_tells_the_version(
    text: str, read: tuple[str, tuple[int, int]] | None
) -> None:
    assert read_text(text) == read


def test_a_view_keeps_version_counts_and_pod() -> None:
    view = view_of(0.5, response("Cats: 1/4 (25%) | Dogs: 3/4 (75%)"))
    assert (view.version, view.counts, view.source) == ("1.1", (1, 3), "voting-app-1-0-x")
    assert (view.problem, view.app) == ("", "1.0")
    assert str(view) == "app 1.0, analytics 1.1 at 0.50 s, from pod voting-app-1-0-x"


@pytest.mark.parametrize(
    "answer",
    [
        response("Cats: 1 | Dogs: 3", status=503),
        response("something else"),
        Response("GET", "http://127.0.0.1/", None, "", "ConnectionError: refused", 0.0),
    ],
)
def test_a_view_of_anything_else_has_no_version_and_says_why(answer: Response) -> None:
    view = view_of(0.5, answer)
    assert (view.version, view.counts) == (None, None)
    assert view.problem


def test_deviations_are_all_that_show_no_allowed_version() -> None:
    views = [
        view_of(0, response("Cats: 1 | Dogs: 1")),
        view_of(1, response("Cats: 1/2 (50%) | Dogs: 1/2 (50%)")),
        view_of(2, response("Cats: 1 | Dogs: 1", status=503)),
    ]
    assert versions_of(views) == {"1.0": 1, "1.1": 1, None: 1}
    assert deviations(views, ["1.1"]) == [views[0], views[2]]
    assert deviations(views, ["1.0", "1.1"]) == [views[2]]


def test_evidence_is_one_json_object_a_line() -> None:
    lines = as_lines([view_of(0, response("Cats: 1 | Dogs: 1"))]).splitlines()
    assert [json.loads(line)["version"] for line in lines] == ["1.0"]


class Gateway:
    """A page that is app 2.0 for who holds the flag; each connection remembers who asked."""

    def __init__(self) -> None:
        self.connections: list[list[dict[str, str]]] = []
        self.closed = 0
        self.under_way = 0
        self.most_under_way = 0
        #: The texts that the pages show, in turn.
        self.texts: Iterator[str] = cycle(["Cats: 1 | Dogs: 1"])
        self.counting = threading.Lock()
        #: Where the first view of each connection waits for the others, so that no view of
        #: a busy machine is over before another begins.
        self.together = threading.Barrier(1)

    def connect(self, url: str, *, host: str | None = None) -> Connection:
        assert url == "http://127.0.0.1"
        return Connection(self)


class Connection(VotingApp):
    def __init__(self, gateway: Gateway) -> None:
        super().__init__(Ingress("http://127.0.0.1"))
        self.gateway = gateway
        self.asked: list[dict[str, str]] = []
        gateway.connections.append(self.asked)

    def view(self, *, headers: Mapping[str, str] | None = None) -> Response:
        assert headers is not None
        self.asked.append(dict(headers))
        gateway = self.gateway
        with gateway.counting:
            gateway.under_way += 1
            gateway.most_under_way = max(gateway.most_under_way, gateway.under_way)
        if len(self.asked) == 1:
            gateway.together.wait(timeout=60)
        with gateway.counting:
            gateway.under_way -= 1
        page = PAGE.replace("1.0", "2.0") if headers else PAGE
        return Response("GET", self.url, 200, page.format(text=next(gateway.texts)), "", 0.01)

    def close(self) -> None:
        with self.gateway.counting:
            self.gateway.closed += 1


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Gateway:
    gateway = Gateway()
    monkeypatch.setattr(module, "VotingApp", SimpleNamespace(at=gateway.connect))
    return gateway


@pytest.mark.parametrize("count", [1, AT_ONCE, 2 * AT_ONCE + 1])
def test_users_view_the_page_in_turn_on_each_connection(gateway: Gateway, count: int) -> None:
    gateway.together = threading.Barrier(min(count, AT_ONCE))
    views = sample_at_once(VotingApp.at("http://127.0.0.1"), count, {"with": FLAG, "without": {}})
    for asked in gateway.connections:
        assert asked == [FLAG, {}] * (len(asked) // 2)
    assert len(gateway.connections) == gateway.closed == AT_ONCE
    assert gateway.most_under_way == min(count, AT_ONCE)
    assert {user: [view.app for view in seen] for user, seen in views.items()} == {
        "with": ["2.0"] * count,
        "without": ["1.0"] * count,
    }


def test_views_that_were_under_way_at_once_are_told_in_the_order_of_their_begin(
    gateway: Gateway,
) -> None:
    views = sample_at_once(VotingApp.at("http://127.0.0.1"), 3 * AT_ONCE)[ANYONE]
    assert len(views) == 3 * AT_ONCE
    assert [view.at for view in views] == sorted(view.at for view in views)


def test_shares_are_sampled_one_after_another(gateway: Gateway) -> None:
    views = sample_views(Connection(gateway), 3)
    assert gateway.connections == [[{}] * 3]
    assert (len(views), gateway.most_under_way) == (3, 1)


def test_each_user_is_asked_for_as_the_caller_says(gateway: Gateway) -> None:
    asked: list[tuple[int, bool]] = []

    def ask(connection: VotingApp, number: int, headers: dict[str, str]) -> Response:
        asked.append((number, bool(headers)))
        return connection.view(headers=headers)

    answers = ask_at_once(
        VotingApp.at("http://127.0.0.1"), 2 * AT_ONCE, {"with": FLAG, "without": {}}, ask
    )
    assert {user: len(seen) for user, seen in answers.items()} == dict.fromkeys(
        ("with", "without"), 2 * AT_ONCE
    )
    turns = [(turn, flag) for turn in range(2 * AT_ONCE) for flag in (False, True)]
    assert sorted(asked) == turns


# Evenly

TEXTS = {"1.0": "Cats: 1 | Dogs: 3", "1.1": "Cats: 1/4 (25%) | Dogs: 3/4 (75%)", None: "else"}
TEST = even_test(0.9, 0.99, 0.001)
#: What comes in turn, and how many samples it takes.
RUNS = [
    pytest.param(["1.0", "1.1"], "even", 10, id="even"),
    pytest.param(["1.1"], "uneven", 13, id="one kind"),
    pytest.param(["1.0", None, "1.1", None], "even", 19, id="with others between"),
    pytest.param([None], None, TEST.most, id="others only"),
]


@pytest.mark.parametrize(("kinds", "decision", "samples"), RUNS)
def test_the_ingress_is_asked_until_it_is_decided(
    gateway: Gateway, kinds: list[str | None], decision: str | None, samples: int
) -> None:
    gateway.texts = cycle(TEXTS[kind] for kind in kinds)
    views = sample_evenly(Connection(gateway), TEST)
    assert gateway.connections == [[{}] * samples]
    assert gateway.most_under_way == 1
    assert _claim(views).decision == decision
    assert len(views) == samples


def _claim(views: list[module.View]) -> EvenClaim:
    seen = [view.version for view in views if view.version in BOTH]
    return EvenClaim(seen, BOTH, alternative=0.9, power=0.99, alpha=0.001)


class Analytics(HTTPServer):
    def __init__(self, kinds: list[str | None]) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.texts = cycle(TEXTS[kind] for kind in kinds)
        self.connections = 0


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 2**16  # head and body in one packet, or the client waits 40 ms for the second
    server: Analytics

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_GET(self) -> None:
        body = json.dumps({"text": next(self.server.texts)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Pod(Cluster):
    """Runs here what is to run in a pod."""

    def exec(
        self,
        namespace: str,
        pod: str,
        container: str,
        *argv: str,
        check: bool = True,
        stdin: str | None = None,
        acknowledged: bool = False,
    ) -> Completed:
        assert (namespace, pod, container, argv[0]) == ("voting", "app-1", "voting-app", "python3")
        assert acknowledged, "the end of a long output may be lost"
        return run([sys.executable, *argv[1:]], timeout=60, check=check, stdin="\n")


def sampled_in_a_pod(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, kinds: list[str | None], **how: object
) -> tuple[list[module.View], int]:
    """The views that a pod gets, and on how many connections."""
    server = Analytics(kinds)
    monkeypatch.setattr(module, "ANALYTICS", f"http://127.0.0.1:{server.server_port}/analytics")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        pod = Pod(cluster.name, cluster.kubeconfig, cluster.tools)
        views = sample_analytics(pod, "voting", "app-1", TEST.most, **how)  # type: ignore[arg-type]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    return views, server.connections


@pytest.mark.parametrize(("kinds", "decision", "samples"), RUNS)
def test_a_pod_ends_where_the_claim_is_decided(
    cluster: Cluster,
    monkeypatch: pytest.MonkeyPatch,
    kinds: list[str | None],
    decision: str | None,
    samples: int,
) -> None:
    views, connections = sampled_in_a_pod(cluster, monkeypatch, kinds, until=TEST)
    assert _claim(views).decision == decision
    assert (len(views), connections) == (samples, 1)
    assert {view.source for view in views} == {"app-1"}


@pytest.mark.parametrize("fresh", [False, True])
def test_without_a_test_a_pod_asks_as_often_as_it_is_told(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, fresh: bool
) -> None:
    views, connections = sampled_in_a_pod(cluster, monkeypatch, ["1.0", "1.1"], fresh=fresh)
    assert versions_of(views).total() == len(views) == TEST.most
    assert connections == (TEST.most if fresh else 1)


def test_the_rule_for_a_pod_fits_on_a_command_line() -> None:
    # kubectl sends it as part of a URL.
    assert len(json.dumps(module._rule(even_test(0.6, 0.999, 1e-7)))) < 8000
