from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from urllib3.exceptions import ProtocolError

from meshproof.mesh.ingress import told_of
from steps.voting.voting_app import FLAG, Response, VotingApp

PAGE = (
    '<p id="results">Cats: 2 | Dogs: 4</p><p id="version">version: 1.0</p>'
    '<p id="host">host: pod-1</p><p id="store">store: redis</p>'
)


class Gateway(ThreadingHTTPServer):
    """Answers with the status that the path names, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str, str]] = []
        self.connections = 0
        self.headers: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 2**16  # head and body in one packet, or the client waits 40 ms for the second
    server: Gateway

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def answer(self) -> None:
        form = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self.server.asked.append((self.command, self.path, form))
        self.server.headers.append(dict(self.headers))
        if self.path == "/reset":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        body = PAGE.encode()
        status = int(self.path[1:]) if self.path[1:].isdigit() else 200
        self.send_response(status)
        if status == 303:
            self.send_header("Location", "/")
        more = 10 if self.path == "/cut-short" else 0
        if form:
            self.send_header("x-vote-id", "7")
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body) + more))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = bool(more)

    do_GET = do_POST = answer  # noqa: N815 - the names that http.server looks for

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_view(gateway: Gateway) -> None:
    response = VotingApp.at(gateway.url + "/").view()
    assert (response.method, response.url) == ("GET", gateway.url + "/")
    assert (response.status, response.body, response.error) == (200, PAGE, "")
    assert response.page.counts == (2, 4)
    assert 0 < response.seconds < 5
    assert str(response).startswith(f"GET {gateway.url}/: HTTP 200 after ")
    assert gateway.asked == [("GET", "/", "")]


def test_a_view_with_the_flag(gateway: Gateway) -> None:
    response = VotingApp.at(gateway.url).view(headers=FLAG)
    assert gateway.headers[0]["Cookie"] == "featureflag=on"
    assert response.headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("choice", ["Cats", "Dogs", "reset"])
def test_a_vote(gateway: Gateway, choice: str) -> None:
    assert VotingApp.at(gateway.url).vote(choice).page.counts == (2, 4)
    assert gateway.asked == [("POST", "/", f"vote={choice}")]


def test_a_vote_with_an_id_and_headers_of_its_own(gateway: Gateway) -> None:
    ingress = VotingApp.at(gateway.url)
    ingress.vote("Cats", vote_id="vote-1", headers={"x-ot-span-context": "vote-1"})
    assert gateway.asked == [("POST", "/", "vote=Cats&id=vote-1")]
    assert gateway.headers[0]["x-ot-span-context"] == "vote-1"


def test_headers_are_found_in_any_case(gateway: Gateway) -> None:
    ingress = VotingApp.at(gateway.url)
    assert ingress.vote("Cats").headers["X-Vote-Id"] == "7"
    assert "x-vote-id" not in ingress.view().headers


def test_another_host_is_asked_for_by_its_name(gateway: Gateway) -> None:
    VotingApp.at(gateway.url, host="plain-text.example").view()
    VotingApp.at(gateway.url).view()
    hosts = [headers["Host"] for headers in gateway.headers]
    assert hosts == ["plain-text.example", gateway.url.removeprefix("http://")]


@pytest.mark.parametrize("status", [303, 403, 404, 500, 503])
def test_any_other_status_is_an_answer_and_no_page(gateway: Gateway, status: int) -> None:
    response = VotingApp.at(gateway.url).request("GET", f"/{status}")
    assert (response.status, response.body) == (status, PAGE)
    with pytest.raises(ValueError, match=f"HTTP {status} after"):
        _ = response.page
    assert len(gateway.asked) == 1


def test_what_answers_200_with_something_else_is_no_page() -> None:
    response = Response("GET", "http://voting/", 200, "welcome", "", 0.01)
    with pytest.raises(ValueError, match="it has no “version”"):
        _ = response.page


def test_connections_are_kept_between_requests(gateway: Gateway) -> None:
    ingress = VotingApp.at(gateway.url)
    for _ in range(3):
        ingress.view()
    assert (len(gateway.asked), gateway.connections) == (3, 1)


def test_nothing_is_tried_again(gateway: Gateway) -> None:
    response = VotingApp.at(gateway.url).request("GET", "/reset")
    assert response.status is None
    assert response.error.startswith("ProtocolError: ")
    assert gateway.asked == [("GET", "/reset", "")]


def test_an_answer_that_is_cut_short_is_no_answer(gateway: Gateway) -> None:
    response = VotingApp.at(gateway.url).request("GET", "/cut-short")
    assert (response.status, response.body) == (None, "")
    assert "Error: " in response.error


def test_a_refused_connection_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    response = VotingApp.at(f"http://127.0.0.1:{port}").view()
    assert (response.status, response.body) == (None, "")
    assert "Connection refused" in response.error
    assert str(response).startswith(
        f"GET http://127.0.0.1:{port}/: no answer (NewConnectionError: "
    )
    with pytest.raises(ValueError, match="no answer"):
        _ = response.page


def test_what_does_not_speak_http_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ingress = VotingApp.at(f"http://127.0.0.1:{listener.getsockname()[1]}")
        talker = threading.Thread(target=_talk, args=(listener,))
        talker.start()
        response = ingress.view()
        talker.join()
    assert response.status is None
    assert response.error


def _talk(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection, suppress(ConnectionError):
        connection.sendall(b"-ERR unknown command\r\n\r\n")


def test_the_environments_proxy_and_passwords_are_not_part_of_the_way_in(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    netrc = tmp_path_factory.mktemp("home") / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password something\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://192.0.2.1:3128")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert VotingApp.at(gateway.url).view().status == 200
    assert "Authorization" not in gateway.headers[0]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            ProtocolError("Connection aborted.", ConnectionResetError(104, "Connection reset")),
            "ProtocolError: Connection aborted: Connection reset",
        ),
        (
            ProtocolError("Connection broken", ValueError("a bad chunk")),
            "ProtocolError: Connection broken: a bad chunk",
        ),
        (ProtocolError("It ended"), "ProtocolError: It ended"),
        (ProtocolError(), "ProtocolError: "),
    ],
)
def test_what_kept_a_request_from_an_answer_is_told_in_words(
    error: ProtocolError, said: str
) -> None:
    assert told_of(error) == said
