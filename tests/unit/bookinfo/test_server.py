from __future__ import annotations

import asyncio
import json
import logging
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from bookinfo.__main__ import main, run
from bookinfo.logs import JsonFormatter
from bookinfo.settings import VERSIONS, Address, Component, Settings, SettingsError

from meshproof.paths import PROJECT
from tests.servers import end_by_signal, free_port

if TYPE_CHECKING:
    from aiohttp import web

    from tests.unit.bookinfo.conftest import Bookinfo

REVIEWS = {"BOOKINFO_COMPONENT": "reviews", "BOOKINFO_VERSION": "v3"}
#: What the image holds, as it lies there.
CONTENT = PROJECT / "images" / "bookinfo"


def test_defaults_are_those_of_the_manifests() -> None:
    settings = Settings.from_environment(REVIEWS)
    assert (settings.component, settings.version) == (Component.REVIEWS, "v3")
    assert settings.listen == Address("0.0.0.0", 9080)
    assert settings.details_url == "http://details:9080"
    assert settings.reviews_url == "http://reviews:9080"
    assert settings.ratings_url == "http://ratings:9080"
    assert settings.drain == 5
    assert settings.log_level == "INFO"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BOOKINFO_COMPONENT", "storage"),
        ("BOOKINFO_VERSION", "v4"),
        ("BOOKINFO_LISTEN", "9080"),
        ("BOOKINFO_LISTEN", "a:0"),
        ("BOOKINFO_RATINGS_URL", "ratings:9080"),
        ("BOOKINFO_RATINGS_URL", "http://ratings:9080/"),
        ("BOOKINFO_DRAIN_SECONDS", "soon"),
        ("BOOKINFO_DRAIN_SECONDS", "nan"),
        ("BOOKINFO_LOG_LEVEL", "loud"),
    ],
)
def test_unusable_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} is "):
        Settings.from_environment(REVIEWS | {name: value})


@pytest.mark.parametrize("component", [each for each in Component if each != Component.REVIEWS])
def test_only_reviews_has_later_versions(component: Component) -> None:
    assert list(VERSIONS[component]) == ["v1"]
    with pytest.raises(SettingsError, match=r"^BOOKINFO_VERSION is 'v2'"):
        Settings.from_environment({"BOOKINFO_COMPONENT": component, "BOOKINFO_VERSION": "v2"})


@pytest.mark.parametrize("name", REVIEWS)
def test_component_and_version_have_no_default(name: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} is ''"):
        Settings.from_environment({key: REVIEWS[key] for key in REVIEWS if key != name})


def test_wrong_setting_ends_the_process_with_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BOOKINFO_COMPONENT", raising=False)
    with pytest.raises(SystemExit, match=r"^bookinfo: BOOKINFO_COMPONENT is ''; .*\.$"):
        main()


def test_stopping_pod_is_not_healthy_and_serves_on(bookinfo: Bookinfo) -> None:
    server = bookinfo.pages["v2"]
    assert "Connection" not in bookinfo.page("v2").headers
    server.stopping.set()
    assert bookinfo.get(server, "/health").status == 503
    page = bookinfo.page("v2")
    assert (page.status, page.headers["Connection"]) == (200, "close")
    assert len(page.stars()) == 2


def test_stopping_pod_finishes_what_it_has(bookinfo: Bookinfo) -> None:
    may_answer = asyncio.Event()

    async def wait(_: web.Request) -> None:
        await may_answer.wait()

    bookinfo.ratings.fault = wait
    server = bookinfo.reviews["v2"]

    async def scenario() -> int:
        asked = asyncio.create_task(bookinfo.send(server, "/reviews/0"))
        while not bookinfo.ratings.asked:
            await asyncio.sleep(0.001)
        stop = asyncio.create_task(server.stop())
        while True:
            try:
                socket.create_server(server.settings.listen).close()
            except OSError:
                await asyncio.sleep(0.001)
            else:
                break  # the port is free, so it has stopped listening
        may_answer.set()
        answer = await asked
        await stop
        return answer.status

    assert bookinfo.run(scenario()) == 200


@pytest.mark.parametrize("component", Component)
def test_sigterm_ends_the_process_in_order(
    component: Component,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = Settings.from_environment(
        {
            "BOOKINFO_COMPONENT": component,
            "BOOKINFO_VERSION": list(VERSIONS[component])[-1],
            "BOOKINFO_LISTEN": f"127.0.0.1:{free_port()}",
            "BOOKINFO_DRAIN_SECONDS": "0.05",
        }
    )

    with caplog.at_level(logging.INFO, "bookinfo"):
        end_by_signal(run(settings), settings.listen)
    assert [record.message for record in caplog.records] == ["serving", "stopping", "stopped"]


def test_requests_are_logged_and_probes_and_secrets_are_not(
    bookinfo: Bookinfo, caplog: pytest.LogCaptureFixture
) -> None:
    formatter = JsonFormatter(Settings.from_environment(REVIEWS))
    with caplog.at_level(logging.INFO, "aiohttp.access"):
        bookinfo.get(bookinfo.reviews["v3"], "/health")
        bookinfo.get(
            bookinfo.reviews["v3"], "/reviews/0?secret=1",
            x_request_id="r-1", end_user="jason", authorization="secret", cookie="secret=1",
        )  # fmt: skip
    lines = [formatter.format(record) for record in caplog.records]
    assert all("\n" not in line and "secret" not in line for line in lines)
    of_ratings, of_reviews = map(json.loads, lines)
    assert of_ratings["path"] == "/ratings/0"
    assert of_reviews.pop("time").endswith("+00:00")
    assert of_reviews.pop("duration_ms") >= 0
    assert of_reviews == {
        "level": "info", "component": "reviews", "version": "v3", "event": "request",
        "method": "GET", "path": "/reviews/0", "status": 200, "request_id": "r-1",
        "end_user": "jason", "peer": "127.0.0.1",
    }  # fmt: skip


def test_what_is_not_available_is_logged_with_the_reason(
    bookinfo: Bookinfo, caplog: pytest.LogCaptureFixture
) -> None:
    bookinfo.run(bookinfo.ratings.stop())
    bookinfo.page("v2")
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    line = json.loads(JsonFormatter(Settings.from_environment(REVIEWS)).format(record))
    assert (line["event"], line["reason"]) == ("unavailable", "no connection")
    assert line["url"] == bookinfo.ratings.url


def test_templates_are_read_by_productpage_alone() -> None:
    code = "import sys, bookinfo.__main__; print('jinja2' in sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=CONTENT, capture_output=True, text=True, check=True
    )
    assert told.stdout == "False\n"


def test_libraries_are_those_that_the_voting_application_has() -> None:
    """So these tests, which run beside its libraries, run beside the image's own."""
    own, voting = (pinned(PROJECT / "images" / name) for name in ("bookinfo", "voting"))
    assert own
    assert own.items() <= voting.items()


def pinned(folder: Path) -> dict[str, str]:
    lines = folder.joinpath("requirements.txt").read_text().splitlines()
    return dict(line.removesuffix(" \\").split("==") for line in lines if "==" in line)


def test_both_images_install_python_in_the_same_words() -> None:
    """The engine has the layer once, then."""
    bookinfo, voting = (installation(PROJECT / "images" / name) for name in ("bookinfo", "voting"))
    assert "python3-minimal" in bookinfo
    assert bookinfo == voting


def installation(folder: Path) -> str:
    """The first RUN of a Dockerfile."""
    after = folder.joinpath("Dockerfile").read_text().partition("RUN ")[2]
    return after.partition("\n\n")[0]
