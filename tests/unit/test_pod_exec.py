from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from meshproof.cluster.cluster import Cluster
from meshproof.probes import pod_exec as module
from meshproof.probes.pod_exec import ask_from, ready_by_port, ready_endpoints
from meshproof.process import CommandFailed
from steps.voting.inside import answer_of_redis, page_of

PAGE = (
    '<p id="results">Cats: 2 | Dogs: 4</p><p id="version">version: 1.0</p>'
    '<p id="host">host: pod-1</p><p id="store">store: redis</p>'
)


class Kubectl:
    """A kubectl that keeps its arguments and runs a body."""

    def __init__(self, script: Callable[[str, str], Path], log: Path) -> None:
        self._script = script
        self._log = log

    def does(self, body: str) -> None:
        self._script("kubectl", f'printf "%s\\n" "$*" >> {self._log}\n{body}')

    @property
    def calls(self) -> list[str]:
        return self._log.read_text().splitlines()


@pytest.fixture
def kubectl(script: Callable[[str, str], Path], tmp_path: Path) -> Kubectl:
    return Kubectl(script, tmp_path / "calls")


def test_the_page_of_a_pod(cluster: Cluster, kubectl: Kubectl) -> None:
    kubectl.does(f"echo '{PAGE}'")
    assert page_of(cluster, "voting", "pod-1").counts == (2, 4)
    (line,) = kubectl.calls
    assert line.startswith("exec -n voting pod-1 -c voting-app -- python3 -c import sys")
    assert line.endswith(" http://127.0.0.1:8080/")


def test_a_pod_that_serves_something_else(cluster: Cluster, kubectl: Kubectl) -> None:
    kubectl.does("echo starting")
    with pytest.raises(ValueError, match="not the voting page"):
        page_of(cluster, "voting", "pod-1")


def test_a_pod_that_cannot_be_asked(cluster: Cluster, kubectl: Kubectl) -> None:
    kubectl.does("echo 'pods \"pod-1\" not found' >&2; exit 1")
    with pytest.raises(CommandFailed, match="not found"):
        page_of(cluster, "voting", "pod-1")


@pytest.mark.parametrize(
    ("printed", "answer"),
    [
        ("200 {}", (200, "{}")),
        ("403 RBAC: access denied", (403, "RBAC: access denied")),
        ("0 <urlopen error no such name>", (0, "<urlopen error no such name>")),
    ],
)
def test_a_url_is_asked_from_inside_a_pod(
    cluster: Cluster, kubectl: Kubectl, printed: str, answer: tuple[int, str]
) -> None:
    kubectl.does(f"echo '{printed}'")
    assert ask_from(cluster, "voting", "pod-1", "voting-app", "http://probe:8080/") == answer
    assert kubectl.calls[0].startswith("exec -n voting pod-1 -c voting-app -- python3 -c")


def test_redis_is_asked_from_inside_a_pod(cluster: Cluster, kubectl: Kubectl) -> None:
    kubectl.does("echo +PONG")
    assert answer_of_redis(cluster, "voting", "pod-1", "voting-app") == "+PONG"
    assert kubectl.calls[0].startswith("exec -n voting pod-1 -c voting-app -- python3 -c")
    assert kubectl.calls[-1] == " PING"
    answer_of_redis(cluster, "voting", "pod-1", "voting-app", "ECHO hello")
    assert kubectl.calls[-1] == " ECHO hello"


def endpoint(pod: str, *, ready: bool = True) -> dict[str, Any]:
    return {"targetRef": {"name": pod}, "conditions": {"ready": ready}}


def test_ready_endpoints_by_the_ports_that_their_pods_have(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = [{"name": "redis", "port": 6379}, {"name": "mysql", "port": 3306}]
    slices = [
        {"ports": [{"name": "redis"}], "endpoints": [endpoint("one"), endpoint("b", ready=False)]},
        {"ports": [{"name": "mysql"}], "endpoints": [endpoint("two")]},
        {"ports": None, "endpoints": None},
    ]
    answers: dict[str, dict[str, Any]] = {
        "services/storage": {"spec": {"ports": ports}},
        "endpointslices": {"items": slices},
    }

    def get(_: Cluster, path: str) -> dict[str, Any]:
        (answer,) = (answers[ending] for ending in answers if ending in path)
        return answer

    monkeypatch.setattr(module, "get", get)
    assert ready_by_port(cluster, "voting", "storage") == {6379: ["one"], 3306: ["two"]}
    assert ready_endpoints(cluster, "voting", "storage") == ["one", "two"]
