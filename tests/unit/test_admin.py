"""Asking a proxy, over a port-forward that is a stand-in."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import ws_client

from meshproof.errors import EnvironmentBroken
from meshproof.mesh import admin
from meshproof.mesh.admin import ask_istiod, ask_proxy
from meshproof.mesh.kept_forwards import KEPT, Forwarded, KeptForwards

#: Gets a request's first line, returns the whole answer.
Proxy = Callable[[str], bytes]


class Forward:
    """A connection to a proxy that answers as it is told to."""

    def __init__(self, proxy: Proxy, error: str | None = None, closes: bool = False) -> None:
        self.near, self.far = socket.socketpair()
        self._error = error
        self._closes = closes
        self.thread = threading.Thread(target=self._serve, args=(proxy,), daemon=True)
        self.thread.start()

    def socket(self, port: int) -> socket.socket:
        assert port in (15000, 15014)
        return self.near

    def error(self, port: int) -> str | None:
        assert port in (15000, 15014)
        return self._error

    def _serve(self, proxy: Proxy) -> None:
        with self.far, self.far.makefile("rb") as requests:
            while line := requests.readline():
                while requests.readline().strip():
                    pass
                answer = proxy(line.decode())
                if not answer:
                    return
                self.far.sendall(answer)
                if self._closes and b" /a " not in line:
                    return


@pytest.fixture
def forwards(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Forward]]:
    """The connections that are handed out, in turn; all are closed in the end."""
    waiting: list[Forward] = []
    given: list[Forward] = []

    def portforward(_: object, method: str, url: str, *, headers: object) -> Forward:
        assert method == "GET"
        assert re.fullmatch(
            r"https://cluster/api/v1/namespaces/(voting|other)/pods/"
            r"((app-1|app-2)/portforward\?ports=15000|istiod-1/portforward\?ports=15014)",
            url,
        )
        if not waiting:
            raise ApiException(status=0, reason="Handshake status 404 Not Found")
        given.append(waiting.pop(0))
        return given[-1]

    monkeypatch.setattr(ws_client, "portforward_call", portforward)
    yield waiting
    KEPT.close()
    for forward in given:
        assert forward.near.fileno() == -1, "left open"
        forward.thread.join(5)


@pytest.fixture
def hang(forwards: list[Forward], monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy that says nothing until the test ends, and is not waited for as long as others."""
    assert not forwards  # which are closed after it
    monkeypatch.setattr(admin, "ANSWER_TIMEOUT", 0.05)
    done = threading.Event()

    def hang(_: str) -> bytes:
        done.wait(5)
        return b""

    yield hang
    done.set()


def answer(body: str, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


@pytest.fixture
def cluster() -> Any:
    api = ApiClient(Configuration(host="https://cluster"))
    return SimpleNamespace(api=api, kubeconfig=Path("kubeconfig"))


def test_all_queries_go_over_one_connection(forwards: list[Forward], cluster: Any) -> None:
    heard: list[str] = []

    def proxy(line: str) -> bytes:
        heard.append(line.split()[1])
        return answer(f'{{"configs": [{len(heard)}]}}')

    forwards.append(Forward(proxy))
    said = ask_proxy(cluster, "voting", "app-1", ["/config_dump?a", "/config_dump?b"])
    assert said == [{"configs": [1]}, {"configs": [2]}]
    assert heard == ["/config_dump?a", "/config_dump?b"]


def said(what: str) -> bytes:
    return answer(f'{{"said": "{what}"}}')


def said_by(name: str, _: str) -> bytes:
    return said(name)


def ask(cluster: Any, *queries: str) -> list[str]:
    return [one["said"] for one in ask_proxy(cluster, "voting", "app-1", queries)]


def test_the_next_question_goes_over_the_same_connection(
    forwards: list[Forward], cluster: Any
) -> None:
    forwards.append(Forward(lambda line: said(line.split()[1])))
    assert ask(cluster, "/a") == ["/a"]
    assert ask(cluster, "/b", "/c") == ["/b", "/c"]


def test_a_connection_leads_to_one_port_of_one_pod_of_one_cluster(
    forwards: list[Forward], cluster: Any
) -> None:
    other: Any = SimpleNamespace(api=cluster.api, kubeconfig=Path("other"))
    places: list[tuple[Callable[..., list[Any]], Any, str, str]] = [
        (ask_proxy, cluster, "voting", "app-1"),
        (ask_proxy, cluster, "voting", "app-2"),
        (ask_proxy, cluster, "other", "app-1"),
        (ask_proxy, other, "voting", "app-1"),
        (ask_istiod, cluster, "voting", "istiod-1"),
    ]
    forwards += [Forward(partial(said_by, str(number))) for number, _ in enumerate(places)]
    for _ in range(2):
        for number, (ask_one, where, namespace, pod) in enumerate(places):
            assert ask_one(where, namespace, pod, ["/a"]) == [{"said": str(number)}]


def stale(line: str) -> bytes:
    """Answers the first question whole, and none after it."""
    return said("first") if line.split()[1] == "/a" else b""


def cut(line: str) -> bytes:
    """Answers the first question whole, and half of those after it."""
    return said("first") if line.split()[1] == "/a" else said("never")[:-4]


@pytest.mark.parametrize("proxy", [stale, cut])
def test_a_connection_that_was_closed_since_is_opened_anew(
    forwards: list[Forward], cluster: Any, proxy: Proxy
) -> None:
    forwards += [Forward(proxy, closes=True), Forward(lambda line: said(line.split()[1]))]
    assert ask(cluster, "/a") == ["first"]
    # What it is asked for comes from the new one from the first to the last.
    assert ask(cluster, "/b", "/c") == ["/b", "/c"]


def test_a_kept_connection_that_hangs_is_opened_anew(
    forwards: list[Forward], cluster: Any, hang: Proxy
) -> None:
    def first(line: str) -> bytes:
        return said("first") if line.split()[1] == "/a" else hang(line)

    forwards += [Forward(first), Forward(lambda line: said(line.split()[1]))]
    assert ask(cluster, "/a") == ["first"]
    assert ask(cluster, "/b") == ["/b"]


def test_nobody_else_is_asked_once_a_proxy_says_that_it_closes(
    forwards: list[Forward], cluster: Any
) -> None:
    body = '{"said": "last"}'
    last = f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    for _ in range(2):
        forwards.append(Forward(lambda _: last.encode()))
    assert ask(cluster, "/a") == ["last"]
    assert ask(cluster, "/a") == ["last"]
    forwards.append(Forward(lambda _: last.encode()))
    with pytest.raises(EnvironmentBroken) as caught:
        ask(cluster, "/a", "/b")
    assert "NotConnected" in caught.value.details


def test_what_a_kept_connection_says_is_not_asked_for_twice(
    forwards: list[Forward], cluster: Any
) -> None:
    heard: list[str] = []

    def once(line: str) -> bytes:
        heard.append(line)
        return said("first") if len(heard) == 1 else answer("off", "404 Not Found")

    forwards += [Forward(once), Forward(lambda _: said("second"))]
    ask(cluster, "/a")
    with pytest.raises(EnvironmentBroken):
        ask(cluster, "/b")
    # Nor is it kept.
    assert ask(cluster, "/c") == ["second"]


def test_the_connections_that_were_used_last_are_kept() -> None:
    kept = KeptForwards(most=2)
    closed: list[str] = []

    def forwarded(name: str) -> Any:
        return SimpleNamespace(connection=SimpleNamespace(close=lambda: closed.append(name)))

    def place(pod: str) -> tuple[Path, str, str, int]:
        return Path("kubeconfig"), "voting", pod, 15000

    first: Forwarded = forwarded("a")
    kept.keep(place("a"), first)
    kept.keep(place("b"), forwarded("b"))
    taken = kept.take(place("a"))
    assert taken is first and kept.take(place("a")) is None
    kept.keep(place("a"), first)
    kept.keep(place("c"), forwarded("c"))
    assert closed == ["b"]
    kept.keep(place("c"), forwarded("another c"))
    assert closed == ["b", "c"]
    kept.close()
    assert closed == ["b", "c", "a", "another c"]
    assert kept.take(place("a")) is None


@pytest.mark.parametrize(
    ("proxy", "error", "reason"),
    [
        (lambda _: b"", None, "RemoteDisconnected"),
        (lambda _: b"", "connection refused in the pod", "connection refused in the pod"),
        (lambda _: answer("no such page", "404 Not Found"), None, "HTTP 404: b'no such page'"),
        (lambda _: answer("not JSON"), None, "JSONDecodeError"),
    ],
)
def test_a_proxy_that_does_not_answer_is_a_broken_environment(
    forwards: list[Forward], cluster: Any, proxy: Proxy, error: str | None, reason: str
) -> None:
    forwards.append(Forward(proxy, error))
    with pytest.raises(EnvironmentBroken) as caught:
        ask_proxy(cluster, "voting", "app-1", ["/config_dump"])
    assert caught.value.sentence == (
        "The proxy of pod app-1.voting does not answer: nothing can be said of it."
    )
    assert reason in caught.value.details


def test_a_proxy_that_hangs_is_not_waited_for(
    forwards: list[Forward], cluster: Any, hang: Proxy
) -> None:
    forwards.append(Forward(hang))
    with pytest.raises(EnvironmentBroken) as caught:
        ask_proxy(cluster, "voting", "app-1", ["/config_dump"])
    assert caught.value.details == "TimeoutError timed out"


@pytest.mark.usefixtures("forwards")
def test_a_pod_that_cannot_be_reached_is_a_broken_environment(cluster: Any) -> None:
    with pytest.raises(EnvironmentBroken) as caught:
        ask_proxy(cluster, "voting", "app-1", ["/config_dump"])
    assert "404 Not Found" in caught.value.details


def test_istiod_is_asked_at_its_own_port(forwards: list[Forward], cluster: Any) -> None:
    forwards.append(Forward(lambda _: answer('[{"proxy": "a.b"}]')))
    assert ask_istiod(cluster, "voting", "istiod-1", ["/debug/syncz"]) == [[{"proxy": "a.b"}]]


def test_an_istiod_without_its_debug_interface_is_told(
    forwards: list[Forward], cluster: Any
) -> None:
    forwards.append(Forward(lambda _: answer("404 page not found", "404 Not Found")))
    with pytest.raises(EnvironmentBroken) as caught:
        ask_istiod(cluster, "voting", "istiod-1", ["/debug/syncz"])
    assert "tls-check needs its debug interface" in caught.value.sentence
    assert "HTTP 404" in caught.value.details
