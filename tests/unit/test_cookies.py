from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from steps.voting.cookie_gate import Headers, Seen
from steps.voting.cookies import seen_with, view_with

PAGE = (
    '<p id="results">Cats: 2 | Dogs: 4</p><p id="version">version: 2.0</p>'
    '<p id="host">host: pod-1</p><p id="store">store: mysql</p>'
)


class App(ThreadingHTTPServer):
    """Answers with the page, or with the status that a header names; keeps what it was sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str, list[tuple[str, str]]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: App

    def do_GET(self) -> None:
        self.server.asked.append((self.command, self.path, self.headers.items()))
        self.send_response(int(self.headers.get("X-Status", "200")))
        self.end_headers()
        self.wfile.write(PAGE.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def app() -> Iterator[App]:
    with App() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_headers_are_sent_as_they_stand(app: App) -> None:
    sent = Headers("", ("a=1;;featureflag=on", ""), ("X-Cookie", 'featureflag="on"'))
    response = view_with(app.url, sent)
    assert (response.status, response.body, response.error) == (200, PAGE, "")
    assert 0 < response.seconds < 5
    ((method, path, headers),) = app.asked
    assert (method, path) == ("GET", "/")
    assert [(name, value) for name, value in headers if "Cookie" in name] == [
        ("Cookie", "a=1;;featureflag=on"),
        ("Cookie", ""),
        ("X-Cookie", 'featureflag="on"'),
    ]


def test_the_version_of_each_is_seen(app: App) -> None:
    served = Headers("ordinary", ("a=1",))
    refused = Headers("ordinary", ("a=2",), ("X-Status", "503"))
    seen = seen_with(app.url, [served, refused])
    assert seen[0] == Seen(served, "2.0")
    assert (seen[1].headers, seen[1].version) == (refused, None)
    assert "HTTP 503" in seen[1].problem


def test_no_answer_is_a_problem_that_is_shown() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    (seen,) = seen_with(f"http://127.0.0.1:{port}", [Headers("ordinary", ())])
    assert seen.version is None
    assert "no answer (ConnectionRefusedError: " in seen.problem


def test_what_does_not_speak_http_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        talker = threading.Thread(target=_talk, args=(listener,))
        talker.start()
        response = view_with(f"http://127.0.0.1:{listener.getsockname()[1]}", Headers("", ()))
        talker.join()
    assert response.status is None
    assert "BadStatusLine" in response.error


def _talk(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(b"-ERR unknown command\r\n")
