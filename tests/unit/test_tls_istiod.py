"""What istiod's debug interface says, in samples of its shape."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from meshproof.cluster.cluster import Cluster
from meshproof.errors import EnvironmentBroken
from meshproof.tls import istiod
from meshproof.tls.istiod import Connection, Mesh, read_control_plane, read_intended, rule_mode

Json = dict[str, Any]
CDS = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
LDS = "type.googleapis.com/envoy.config.listener.v3.Listener"
ONE, OTHER = ("istio-system", "istiod-1"), ("canary", "istiod-canary-1")


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster("fake", tmp_path / "kubeconfig", tmp_path)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str, str], Any]:
    """What is answered, by the istiod's namespace and name, and the path."""
    known: dict[tuple[str, str, str], Any] = {}

    def ask(_: object, namespace: str, pod: str, queries: Sequence[str]) -> list[Any]:
        if (namespace, pod, queries[0]) not in known:
            raise EnvironmentBroken(f"istiod (pod {pod}.{namespace}) does not answer.")
        return [known[namespace, pod, query] for query in queries]

    monkeypatch.setattr(istiod, "ask_istiod", ask)
    return known


Answers = dict[tuple[str, str, str], Any]


def test_all_istiods_are_asked_who_is_connected(cluster: Cluster, answers: Answers) -> None:
    answers |= {
        (*ONE, "/debug/connections"): {
            "totalClients": 2,
            "clients": [{"connectionId": "a-b.voting-3"}, {"connectionId": "c.voting-b-11"}],
        },
        (*ONE, "/debug/syncz"): [
            {
                "proxy": "a-b.voting",
                "resources": {
                    LDS: {"sent": "1", "lastError": "no such filter"},
                    CDS: {"acked": "1"},
                },
            },
            {"proxy": "c.voting-b"},
        ],
        (*ONE, "/debug/mesh"): {"enableAutoMtls": True, "rootNamespace": "istio-system"},
        (*OTHER, "/debug/connections"): {"totalClients": 0},
        (*OTHER, "/debug/syncz"): [],
        (*OTHER, "/debug/mesh"): {"enableAutoMtls": False},
    }
    plane = read_control_plane(cluster, [ONE, OTHER])
    off, on = Mesh(auto_mtls=False), Mesh(auto_mtls=True, root="istio-system")
    assert plane.mesh == off
    assert plane.connections == {
        "a-b.voting": Connection(ONE, "a-b.voting-3", on, {"Listener": "no such filter"}),
        "c.voting-b": Connection(ONE, "c.voting-b-11", on),
    }


def state(istiod: tuple[str, str], *connections: str) -> Answers:
    connected = {"clients": [{"connectionId": name} for name in connections]}
    said = {"connections": connected, "syncz": [], "mesh": {}}
    return {(*istiod, f"/debug/{path}"): answer for path, answer in said.items()}


def test_of_several_istiods_one_may_be_silent(cluster: Cluster, answers: Answers) -> None:
    """A proxy that is not connected to the others may be connected to that one."""
    answers |= state(ONE, "a.voting-3")
    plane = read_control_plane(cluster, [ONE, OTHER])
    assert plane.connection("a.voting") == Connection(ONE, "a.voting-3")
    with pytest.raises(EnvironmentBroken, match=r"istiod-canary-1\.canary"):
        plane.connection("b.voting")
    assert read_control_plane(cluster, [ONE]).connection("b.voting") is None
    answers.clear()
    with pytest.raises(EnvironmentBroken, match="does not answer"):
        read_control_plane(cluster, [ONE, OTHER])


def test_istiod_is_not_asked_about_what_it_would_take_for_another(
    cluster: Cluster, answers: Answers
) -> None:
    """It takes any connection whose name has in it what it is asked for."""
    answers |= state(ONE, "web-0.voting-5", "my-web-0.voting-57", "x-web-0.voting-7")
    answers |= state(OTHER, "other.voting-5", "an-other.voting-5")
    plane = read_control_plane(cluster, [ONE, OTHER])
    with pytest.raises(EnvironmentBroken, match=r"the proxy of pod web-0\.voting"):
        plane.connection("web-0.voting")
    assert plane.connection("my-web-0.voting") == Connection(ONE, "my-web-0.voting-57")


def test_without_an_istiod_there_is_nobody_to_ask(cluster: Cluster) -> None:
    with pytest.raises(EnvironmentBroken, match="No istiod runs"):
        read_control_plane(cluster, [])


def test_what_istiod_would_send_is_read_by_type_and_name(
    cluster: Cluster, answers: Answers
) -> None:
    proxy = "proxyID=a.voting-3"
    listener = {"@type": LDS, "name": "virtualInbound"}
    outbound = {"@type": CDS, "name": "outbound|80||x", "metadata": {"a_b": 1}}
    assigned = {"@type": "x.ClusterLoadAssignment", "clusterName": "outbound|80||x"}
    answers |= {
        (*ONE, f"/debug/config_dump?{proxy}&types=lds"): {"configs": [listener]},
        (*ONE, f"/debug/config_dump?{proxy}&types=cds,eds"): {"configs": [outbound, assigned]},
        (*ONE, f"/debug/sidecarz?{proxy}"): {"destinationRules": {"x": [{"rule": {}}]}},
    }
    connection = Connection(ONE, "a.voting-3", refused={"Cluster": "why"})
    server = read_intended(cluster, connection, ["Listener"])
    assert server.resources == {"Listener": {"virtualInbound": listener}}
    assert (server.rules, server.refused) == ({}, {"Cluster": "why"})
    client = read_intended(cluster, connection, ["ClusterLoadAssignment", "Cluster"])
    assert client.resources == {
        "Cluster": {"outbound|80||x": outbound | {"metadata": {"aB": 1}}},
        "ClusterLoadAssignment": {"outbound|80||x": assigned},
    }
    assert client.rules == {"x": [{"rule": {}}]}
    answers[(*ONE, f"/debug/sidecarz?{proxy}")] = {"destinationRules": None}
    assert read_intended(cluster, connection, ["ClusterLoadAssignment", "Cluster"]).rules == {}


TLS: Json = {"tls": {}}  # DISABLE, which protobuf's JSON leaves out
AT_PORT: Json = {"portLevelSettings": [{"port": {"number": 6379}, "loadBalancer": {}}]}
TLS_AT_PORT: Json = {"portLevelSettings": [{"port": {"number": 6379}, **TLS}]}


@pytest.mark.parametrize(
    ("whole", "part", "port", "mode"),
    [
        (None, None, 6379, ""),
        ({}, {}, 6379, ""),
        (TLS, None, 6379, "DISABLE"),
        ({"tls": {"mode": "SIMPLE"}}, None, 6379, "SIMPLE"),
        (TLS, {}, 6379, "DISABLE"),
        ({}, TLS, 6379, "DISABLE"),
        (TLS, {"tls": {"mode": "ISTIO_MUTUAL"}}, 6379, "ISTIO_MUTUAL"),
        (TLS | AT_PORT, None, 6379, ""),
        (TLS | AT_PORT, None, 3306, "DISABLE"),
        (TLS_AT_PORT, None, 6379, "DISABLE"),
        (TLS_AT_PORT, None, 3306, ""),
        (TLS, AT_PORT, 6379, ""),
        (TLS, AT_PORT, 3306, "DISABLE"),
        ({}, TLS_AT_PORT, 6379, "DISABLE"),
    ],
)
def test_the_mode_that_a_rule_asks_for(
    whole: Json | None, part: Json | None, port: int, mode: str
) -> None:
    def policy(said: Json | None) -> Json:
        return {} if said is None else {"trafficPolicy": said}

    subsets = [{"name": "other", **policy(TLS)}, {"name": "v1", **policy(part)}]
    spec = policy(whole) | {"subsets": subsets}
    rules = [
        {"rule": {"name": "a", "namespace": "other", "Spec": policy(TLS)}},
        {"rule": {"name": "a", "namespace": "voting", "Spec": spec}},
    ]
    assert rule_mode(rules, "a/voting", port, "v1") == mode
    if not part:
        assert rule_mode(rules, "a/voting", port) == mode


def test_a_rule_that_istiod_does_not_know_has_no_mode() -> None:
    assert rule_mode([], "gone/voting", 80) is None
    assert rule_mode([{"rule": {"name": "a", "namespace": "b", "Spec": None}}], "a/b", 80) == ""
