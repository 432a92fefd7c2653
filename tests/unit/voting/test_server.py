from __future__ import annotations

import asyncio
import json
import logging
import socket
from operator import itemgetter
from typing import TYPE_CHECKING

import pytest
import voting.__main__
import voting.server
from aiohttp.test_utils import make_mocked_request
from aiohttp.typedefs import Handler
from aiohttp.web import Request, Response, StreamResponse, middleware
from voting.__main__ import run
from voting.counts import Category
from voting.errors import UnavailableError
from voting.logs import JsonFormatter
from voting.server import Drain
from voting.settings import Address, Settings
from voting.store.redis import RedisStore

from tests.servers import end_by_signal, free_port

if TYPE_CHECKING:
    from tests.unit.voting.conftest import Voting


def test_health_of_the_process_and_of_its_store_are_apart(voting: Voting) -> None:
    for server in (voting.app, voting.analytics):
        voting.store.available = True
        for path in ("live", "ready", "store"):
            assert voting.run(voting.send("GET", f"/healthz/{path}", server=server)).status == 200
        voting.store.available = False
        store = voting.run(voting.send("GET", "/healthz/store", server=server))
        assert store.status == 503
        assert json.loads(store.text) == {
            "error": "Storage is not available: it was taken away.",
            "unavailable": "storage",
        }
        for path in ("live", "ready"):
            assert voting.run(voting.send("GET", f"/healthz/{path}", server=server)).status == 200


def test_stopping_pod_is_not_ready_and_serves_on(voting: Voting) -> None:
    assert "Connection" not in voting.get().headers
    voting.app.stopping.set()
    assert voting.get("/healthz/ready").status == 503
    assert voting.get("/healthz/live").status == 200
    vote = voting.post("vote=Cats")
    assert (vote.status, vote.headers["Connection"]) == (200, "close")
    refusal = voting.post("vote=Fish")
    assert (refusal.status, refusal.headers["Connection"]) == (400, "close")


def test_stopping_pod_finishes_what_it_has(voting: Voting) -> None:
    voting.store.may_cast.clear()

    async def scenario() -> int:
        vote = asyncio.create_task(
            voting.send(
                "POST",
                body="vote=Cats&id=last",
                headers={"Content-Type": "application/x-www-form-urlencoded"},
            )
        )
        while not voting.store.casting:
            await asyncio.sleep(0)
        stop = asyncio.create_task(voting.app.stop())
        while True:
            try:
                socket.create_server(voting.app.address).close()
            except OSError:
                await asyncio.sleep(0.001)
            else:
                break  # the port is free, so the app has stopped listening
        voting.store.may_cast.set()
        answer = await vote
        await stop
        return answer.status

    assert voting.run(scenario()) == 200
    assert voting.store.votes == {"last": Category.CATS}


#: A request under way: when it comes, when it is answered, and its path.
Asked = tuple[float, float, str]


@pytest.mark.parametrize(
    ("asked", "ended"),
    [
        ([], 12),
        ([(9.5, 9.5, "/")], 12),
        ([(11.5, 11.5, "/")], 13.5),
        ([(11.5, 12.5, "/")], 14.5),
        ([(9.5, 11, "/")], 13),
        ([(11.5, 99, "/")], 15),
        ([(11.5, 11.5, "/healthz/ready")], 12),
        ([(11.5, 11.5, "/"), (13, 13, "/analytics"), (14.5, 14.5, "/")], 15),
        ([(12.5, 12.5, "/")], 12),
    ],
    ids=[
        "nobody asks", "somebody asked before", "somebody asks", "somebody waits for the answer",
        "somebody waits from before", "somebody waits for ever", "a probe asks",
        "somebody never stops asking", "somebody asks when it is over",
    ],
)  # fmt: skip
def test_stopping_pod_serves_on_for_two_seconds_after_a_request_and_for_five_at_most(
    asked: list[Asked], ended: float
) -> None:
    clock = 9.0
    drain = Drain(5, now=lambda: clock, sleep=lambda seconds: pass_to(clock + seconds))
    answered = [asyncio.Event() for _ in asked]
    tasks = []

    def comes(number: int) -> None:
        async def handler(_: Request) -> Response:
            await answered[number].wait()
            return Response()

        request = make_mocked_request("GET", asked[number][2])
        tasks.append(asyncio.create_task(drain.notice(request, handler)))

    def is_answered(number: int) -> None:
        answered[number].set()

    async def pass_to(end: float) -> None:
        nonlocal clock
        begun, clock = clock, end
        happens = [(at, comes, number) for number, (at, _, _) in enumerate(asked)]
        happens += [(at, is_answered, number) for number, (_, at, _) in enumerate(asked)]
        for at, what, number in sorted(happens, key=itemgetter(0)):
            if begun <= at < end:
                clock = at
                what(number)
                for _ in range(3):  # until the request has come to its handler, or to its end
                    await asyncio.sleep(0)
        clock = end

    async def scenario() -> None:
        await pass_to(10)
        await drain.over()
        for task in tasks:
            task.cancel()

    asyncio.run(scenario())
    assert clock == ended


def test_told_not_to_drain_it_stops_at_once() -> None:
    asyncio.run(Drain(0, sleep=lambda _: pytest.fail("it waits")).over())


def process(component: str, **more: str) -> Settings:
    """The settings of a process that listens on a port of its own."""
    variables = {
        "VOTING_COMPONENT": component,
        "VOTING_VERSION": "1.0",
        "VOTING_LISTEN": f"127.0.0.1:{free_port()}",
    }
    return Settings.from_environment({**variables, **more})


@pytest.mark.parametrize("component", ["app", "analytics"])
def test_sigterm_ends_the_process_in_order(
    component: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = process(component, VOTING_DRAIN_SECONDS="0.05")
    with caplog.at_level(logging.INFO, "voting"):
        end_by_signal(run(settings), settings.listen)
    assert [record.message for record in caplog.records] == ["serving", "stopping", "stopped"]


def test_the_process_ends_once_it_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voting.server, "QUIET_SECONDS", 0.05)
    settings = process("analytics", VOTING_DRAIN_SECONDS="300")
    end_by_signal(run(settings), settings.listen, asked=["/nothing"])


def test_a_drain_is_told_of_each_request_and_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    told = []

    class Telling(Drain):
        @middleware
        async def notice(self, request: Request, handler: Handler) -> StreamResponse:
            told.append(request.path)
            return await handler(request)

        async def over(self) -> None:
            told.append("the end")

    monkeypatch.setattr(voting.__main__, "Drain", Telling)
    settings = process("analytics")
    end_by_signal(run(settings), settings.listen, asked=["/nothing", "/healthz/live"])
    assert told == ["/nothing", "/healthz/live", "the end"]


def test_requests_are_logged_and_probes_are_not(
    voting: Voting, caplog: pytest.LogCaptureFixture
) -> None:
    formatter = JsonFormatter(
        Settings.from_environment({"VOTING_COMPONENT": "app", "VOTING_VERSION": "1.0"})
    )
    with caplog.at_level(logging.INFO, "aiohttp.access"):
        voting.get("/healthz/ready")
        voting.run(voting.send("GET", "/?secret=1", headers={"x-request-id": "r-1"}))
    lines = [formatter.format(record) for record in caplog.records]
    app_line = next(json.loads(line) for line in lines if '"path": "/"' in line)
    assert all("\n" not in line and "healthz" not in line for line in lines)
    assert app_line.pop("time").endswith("+00:00")
    assert app_line.pop("duration_ms") >= 0
    assert app_line == {
        "level": "info",
        "component": "app",
        "version": "1.0",
        "event": "request",
        "method": "GET",
        "path": "/",
        "status": 200,
        "request_id": "r-1",
        "peer": "127.0.0.1",
    }


def test_error_is_logged_in_one_line() -> None:
    formatter = JsonFormatter(
        Settings.from_environment({"VOTING_COMPONENT": "app", "VOTING_VERSION": "1.0"})
    )
    record = logging.makeLogRecord({"msg": "failed", "levelname": "ERROR"})
    try:
        raise ValueError("why")
    except ValueError as error:
        record.exc_info = (ValueError, error, error.__traceback__)
    line = formatter.format(record)
    assert "\n" not in line
    assert "ValueError: why" in json.loads(line)["error"]


def test_store_that_cannot_be_reached_is_unavailable() -> None:
    async def scenario() -> None:
        store = RedisStore(Address("127.0.0.1", free_port()), 0.2)
        with pytest.raises(UnavailableError, match=r"^Storage is not available: no connection"):
            await store.cast(Category.CATS, "id")
        await store.close()

    asyncio.run(scenario())


def test_silent_store_is_given_up_in_time() -> None:
    async def scenario() -> None:
        async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            silent.append(writer)

        silent: list[asyncio.StreamWriter] = []
        address = Address("127.0.0.1", free_port())
        async with await asyncio.start_server(say_nothing, *address):
            store = RedisStore(address, 0.05)
            with pytest.raises(UnavailableError, match=r"no answer within 0\.05 s"):
                await asyncio.wait_for(store.counts(), 2)
            await store.close()
            for writer in silent:
                writer.close()

    asyncio.run(scenario())
