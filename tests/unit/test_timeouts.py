"""Deadlines on slower ground: all of them longer, by one factor."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client

from meshproof.cluster.cluster import API_TIMEOUT, DeadlineClient
from meshproof.environment.options import option_flags, read_options
from meshproof.errors import UsageFailure
from meshproof.process import CommandFailed, run
from meshproof.timeouts import factor_told, stretch, stretched
from meshproof.waiting import Clock, NotConverged, Timeout, converge

DEADLINE = Timeout("a-page", 10, 1, "it takes a second")


@pytest.fixture
def twice() -> Iterator[None]:
    """Ground that is half as fast."""
    stretch(2)
    yield
    stretch(1)


def waited() -> tuple[float, str]:
    """How long something that never comes is waited for, and what is said then."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    with pytest.raises(NotConverged) as caught:
        converge(lambda: 1, until=lambda seen: False, what="it comes", timeout=DEADLINE,
                 clock=Clock(lambda: now[0], sleep))  # fmt: skip
    return now[0], str(caught.value)


def test_deadlines_are_as_documented_by_themselves() -> None:
    assert (stretched(30), factor_told()) == (30, "")
    assert waited()[0] == 10


@pytest.mark.usefixtures("twice")
def test_waits_are_longer_and_say_so() -> None:
    seconds, told = waited()
    assert seconds == 20
    assert "timeout “a-page”, 20 s" in told
    assert factor_told() == "2 times as long as documented"


@pytest.mark.usefixtures("twice")
def test_commands_have_longer() -> None:
    program = [sys.executable, "-c", "import time; time.sleep(60)"]
    with pytest.raises(CommandFailed, match=r"within 0\.4 s"):
        run(program, timeout=0.2)


@pytest.mark.parametrize("factor", [1, 3])
@pytest.mark.parametrize("asked", [None, 5])
def test_calls_of_the_api_have_longer(
    monkeypatch: pytest.MonkeyPatch, factor: int, asked: float | None
) -> None:
    seen: dict[str, Any] = {}
    monkeypatch.setattr(client.ApiClient, "call_api", lambda self, *a, **how: seen.update(how))
    stretch(factor)
    try:
        DeadlineClient().call_api("/version", "GET", _request_timeout=asked)
    finally:
        stretch(1)
    assert seen["_request_timeout"] == (asked or API_TIMEOUT) * factor


@pytest.mark.parametrize("factor", ["0.5", "0", "-1", "21", "twice", "nan"])
def test_a_factor_that_cannot_be_is_refused(factor: str) -> None:
    with pytest.raises(UsageFailure, match="--timeout-scale"):
        read_options({"timeout_scale": factor})


@pytest.mark.parametrize("url", ["https://a", "a.example", "http://", "http://a/page", "ftp://a"])
def test_a_way_in_that_cannot_be_is_refused(url: str) -> None:
    with pytest.raises(UsageFailure, match="--ingress-url"):
        read_options({"cluster": "existing", "kube_context": "c", "ingress_url": url})


def test_a_way_in_goes_with_an_existing_cluster_alone() -> None:
    with pytest.raises(UsageFailure, match="--ingress-url goes with --cluster existing"):
        read_options({"ingress_url": "http://a:8080"})
    found = read_options({"cluster": "existing", "kube_context": "c", "ingress_url": "http://a:8/"})
    assert found.ingress_url == "http://a:8"


@pytest.mark.parametrize("name", ["istio_namespace", "revision", "ingress"])
def test_what_names_a_mesh_goes_with_an_existing_cluster_alone(name: str) -> None:
    flag = option_flags(name)
    with pytest.raises(UsageFailure, match=f"{flag} goes with --cluster existing"):
        read_options({name: "a/b"})
    found = read_options({"cluster": "existing", "kube_context": "c", name: "a/b"})
    assert getattr(found, name) == "a/b"


@pytest.mark.parametrize("ingress", ["a", "a/", "/a", "a/b/c", "A/b"])
def test_a_gateway_that_cannot_be_is_refused(ingress: str) -> None:
    with pytest.raises(UsageFailure, match="--ingress: must be NAMESPACE/NAME"):
        read_options({"cluster": "existing", "kube_context": "c", "ingress": ingress})
