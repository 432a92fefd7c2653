from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from meshproof.cluster.cluster import Cluster
from meshproof.probes.forged_certificate import KeyPair
from meshproof.probes.non_mesh_client import Attempt, OutsideClient, Target, answered, targets_of

HTTP = Target("pod-1:8080", "voting-app", "10.244.0.9", 8080, "http")
MYSQL = Target("pod-3:3306", "voting-storage", "10.244.0.7", 3306, "mysql")
REDIS = Target("pod-2:6379", "voting-storage", "10.244.0.8", 6379, "redis")


def service(
    name: str, port: int, protocol: str, target: int | str | None = None, **labels: str
) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "voting", "labels": labels},
        "spec": {
            "selector": {"app": name},
            "ports": [{"port": port, "targetPort": target or port, "name": protocol}],
        },
    }


def pod(name: str, app: str, address: str, **ports: int) -> dict[str, Any]:
    named = [{"name": key, "containerPort": number} for key, number in ports.items()]
    return {
        "metadata": {"name": name, "labels": {"app": app, "version": "1.0"}},
        "spec": {"containers": [{"ports": named}, {}]},
        "status": {"podIP": address},
    }


def test_targets_are_each_service_and_each_pod_behind_it() -> None:
    services = [service("voting-app", 8080, "http"), service("voting-storage", 6379, "redis")]
    pods = [
        pod("pod-1", "voting-app", "10.244.0.9"),
        pod("pod-2", "voting-storage", "10.244.0.8"),
        pod("probe", "other", "10.244.0.7"),
    ]
    assert targets_of(services, pods) == [
        Target("Service voting-app:8080", "voting-app", "voting-app.voting", 8080, "http"),
        HTTP,
        Target(
            "Service voting-storage:6379", "voting-storage", "voting-storage.voting", 6379,
            "redis",
        ),
        REDIS,
    ]  # fmt: skip


def test_a_port_by_name_is_that_of_each_pod_that_has_it() -> None:
    storage = service("voting-storage", 6379, "redis", "redis")
    pods = [
        pod("pod-2", "voting-storage", "10.244.0.8", redis=6379),
        pod("pod-3", "voting-storage", "10.244.0.7", mysql=3306),
    ]
    assert targets_of([storage], pods)[1:] == [REDIS]


def test_a_service_that_a_scenario_added_is_no_target() -> None:
    probe = service("probe-1", 8080, "http", **{"meshproof-probe": "true"})
    assert targets_of([probe], [pod("pod-1", "probe-1", "10.244.0.9")]) == []


@pytest.mark.parametrize(
    ("target", "received", "served", "refused"),
    [
        (HTTP, "HTTP/1.1 200 OK\r\n", True, False),
        (HTTP, "HTTP/1.1 403 Forbidden\r\n", False, False),
        (HTTP, "", False, True),
        (REDIS, "$3\r\nm-1\r\n", True, False),
        (REDIS, "-ERR\r\n", False, False),
        (REDIS, "", False, True),
        (MYSQL, "J\0\0\0\n10.11.6-MariaDB\0", True, False),
        (MYSQL, "E\0\0\0\xffj\x04Host is blocked", False, False),
        (MYSQL, "", False, True),
    ],
)
def test_what_comes_back_decides(
    target: Target, received: str, served: bool, refused: bool
) -> None:
    attempt = Attempt(target, "m-1", connected=True, received=received, end="closed")
    assert (attempt.served, attempt.refused) == (served, refused)
    assert answered([attempt]) == ([] if refused else [str(attempt)])


def test_what_was_never_reached_is_not_called_refused() -> None:
    attempt = Attempt(HTTP, "m-1", connected=False, received="", end="TimeoutError timed out")
    assert not attempt.refused
    assert answered([attempt]) == ["pod-1:8080: no connection (TimeoutError timed out)"]


def test_every_question_carries_the_marker() -> None:
    assert HTTP.request("m-1", tls=False).startswith(
        "GET /?m-1 HTTP/1.1\r\nHost: voting-app:8080\r\n"
    )
    assert REDIS.request("m-1", tls=True) == "*2\r\n$4\r\nECHO\r\n$3\r\nm-1\r\n"


def test_a_server_that_speaks_first_is_waited_for_once_a_proxy_knows_the_callers_protocol() -> None:
    assert MYSQL.request("m-1", tls=True) == ""
    assert MYSQL.request("m-1", tls=False) == "m-1"


def test_a_key_is_read_and_not_an_argument(cluster: Cluster, script: Any, tmp_path: Path) -> None:
    answers = json.dumps([[True, "", "closed"], [False, "", "refused"]])
    log = tmp_path / "log"
    script(
        "kubectl", f"printf '%s\\n' \"$*\" >> {log}; cat >> {tmp_path / 'read'}\necho '{answers}'"
    )
    client = OutsideClient(cluster, "outside", "client-1")
    shown = KeyPair("CERTIFICATE", "KEY")
    attempts = client.ask([HTTP, REDIS], shown=shown, alpn=["istio"])
    assert [(one.target, one.connected) for one in attempts] == [(HTTP, True), (REDIS, False)]
    read = json.loads((tmp_path / "read").read_text())
    assert (read["key"], read["alpn"], read["tls"]) == ("KEY", ["istio"], True)
    assert "KEY" not in log.read_text()
    assert log.read_text().startswith("exec -i -n outside client-1 -c client -- python3 -c")
