from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from meshproof.analysis.wire import Place
from meshproof.cluster.cluster import Cluster
from meshproof.engine.engine import Engine
from meshproof.errors import EnvironmentBroken
from meshproof.probes import capture as module
from meshproof.probes.capture import Captured, capture, packet_filter, places
from meshproof.waiting import Timeout

APP = Place("voting-app 1.0", "app-1", "10.244.0.5", "node-1")
STORAGE = Place("voting-storage 1.0", "storage-1", "10.244.1.6", "node-2")
LISTENING = "echo 'tcpdump: listening on any, link-type LINUX_SLL2 (Linux cooked v2)' >&2"
#: Writes each line that it gets, as tcpdump does with the packet that is sent for it.
ECHO = 'while read -r line; do echo "$line"; done'


def last_words(dropped: str = "0 packets dropped by kernel") -> str:
    return f"printf '9 packets captured\\n10 packets received by filter\\n{dropped}\\n' >&2"


class Docker:
    """A docker whose `exec` does as it is told, and keeps what happened."""

    def __init__(self, script: Callable[[str, str], Path], log: Path) -> None:
        self._script = script
        self.log = log

    def does(self, *body: str) -> Engine:
        begin, end = (f'echo "{word} $3" >> {self.log}' for word in ("begin", "end"))
        return Engine("docker", str(self._script("docker", "\n".join([begin, *body, end]))))

    def note(self, word: str) -> None:
        with self.log.open("a") as log:
            log.write(f"{word}\n")

    @property
    def noted(self) -> list[str]:
        return self.log.read_text().splitlines()


@pytest.fixture
def docker(script: Callable[[str, str], Path], tmp_path: Path) -> Docker:
    return Docker(script, tmp_path / "log")


def test_traffic_is_made_while_tcpdump_listens_and_is_in_the_capture(docker: Docker) -> None:
    engine = docker.does(LISTENING, ECHO, last_words())
    (captured,) = capture(engine, [APP], lambda: docker.note("traffic"))
    assert docker.noted == ["begin node-1", "traffic", "end node-1"]
    assert captured.pcap.startswith(b"last-packet-")
    assert captured.filter == packet_filter([APP.address])
    assert str(captured) == (
        "packets on node node-1: 9 captured, 10 received by filter, 0 dropped by kernel"
    )


def test_each_node_is_captured_on_once(docker: Docker) -> None:
    engine = docker.does(LISTENING, ECHO, last_words())
    captured = capture(engine, [STORAGE, APP, APP], lambda: None)
    assert [one.node for one in captured] == ["node-1", "node-2"]
    assert sorted(docker.noted) == ["begin node-1", "begin node-2", "end node-1", "end node-2"]


@pytest.mark.parametrize(
    "dropped",
    [
        "1 packet dropped by kernel",
        "26 packets dropped by kernel",
        "0 packets dropped by kernel\\n2 packets dropped by interface",
        "Killed",
    ],
)
def test_what_was_dropped_makes_a_capture_worthless(docker: Docker, dropped: str) -> None:
    engine = docker.does(LISTENING, ECHO, last_words(dropped))
    with pytest.raises(EnvironmentBroken, match=r"may be missing.*node-1") as error:
        capture(engine, [APP], lambda: None)
    assert "10 packets received by filter" in error.value.details


def test_a_node_without_tcpdump(docker: Docker) -> None:
    engine = docker.does("echo 'bash: tcpdump: command not found' >&2; exit 127")
    with pytest.raises(EnvironmentBroken, match="cannot be captured on node node-1") as error:
        capture(engine, [APP], lambda: docker.note("traffic"))
    assert error.value.details == "bash: tcpdump: command not found"
    assert docker.noted == ["begin node-1"]


def test_a_tcpdump_that_writes_no_more(docker: Docker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CAPTURE", Timeout("brief", 0.2, 0.02, "a test"))
    engine = docker.does(LISTENING, "cat >/dev/null", last_words())
    with pytest.raises(EnvironmentBroken, match="cannot be captured on node node-1"):
        capture(engine, [APP], lambda: None)


def test_a_tcpdump_that_does_not_end(docker: Docker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "END_TIMEOUT", 0.1)
    engine = docker.does(LISTENING, ECHO, "exec sleep 60")
    with pytest.raises(EnvironmentBroken, match="may be missing"):
        capture(engine, [APP], lambda: None)


def test_tcpdump_ends_where_the_traffic_fails(docker: Docker) -> None:
    def fail() -> None:
        raise ValueError("no vote was answered")

    engine = docker.does(LISTENING, ECHO, last_words())
    with pytest.raises(ValueError, match="no vote was answered"):
        capture(engine, [APP], fail)
    assert docker.noted == ["begin node-1", "end node-1"]


def test_without_an_engine_nothing_is_captured() -> None:
    with pytest.raises(EnvironmentBroken, match="no container engine"):
        capture(None, [APP], lambda: pytest.fail("traffic without a capture"))


def test_the_filter_is_of_what_goes_between_the_pods() -> None:
    assert packet_filter(["10.0.0.2", "10.0.0.1", "10.0.0.2"]) == (
        "(tcp and (src host 10.0.0.1 or src host 10.0.0.2) and (dst host 10.0.0.1 or "
        "dst host 10.0.0.2)) or (udp and dst host 127.0.0.1 and dst port 9)"
    )


def test_statistics_of_single_packets() -> None:
    captured = Captured("node-1", "", b"", "1 packet captured\n1 packet dropped by kernel\n")
    assert captured.statistics == {"captured": 1, "dropped by kernel": 1}
    assert not captured.complete


def pod(name: str, address: str | None, **labels: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {"nodeName": "node-1", "containers": []},
        "status": {"podIP": address} if address else {},
    }


def test_places_are_those_of_the_pods_and_of_the_ingress_gateway(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pods: Mapping[str, Any] = {
        "/api/v1/namespaces/voting/pods": {
            "items": [
                pod("app-1", "10.244.0.5", app="voting-app", version="1.0"),
                pod("app-2", None, app="voting-app", version="1.0"),
            ]
        },
        "/api/v1/namespaces/istio-system/pods?labelSelector=istio%3Dingressgateway": {
            "items": [pod("gateway-1", "10.244.0.2", app="istio-ingressgateway")]
        },
    }
    monkeypatch.setattr(module, "get", lambda _, path: pods[path])
    assert places(Cluster("fake", tmp_path, tmp_path), "voting") == [
        APP,
        Place("istio-ingressgateway", "gateway-1", "10.244.0.2", "node-1"),
    ]
