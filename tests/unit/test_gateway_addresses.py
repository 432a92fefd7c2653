"""Where a gateway is reached: its address, a node's port, or through the API server."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.shape import DEFAULT
from meshproof.errors import EnvironmentBroken
from meshproof.mesh import forwarding
from meshproof.mesh.addresses import first_there, node_ports, page_at, stated_address
from meshproof.mesh.forwarding import Forwarder, target_port


def service(**port: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "istio-ingressgateway", "namespace": "istio-system"},
        "spec": {"ports": [{"port": 15021, "nodePort": 31021}, {"port": 80, **port}]},
    }


@pytest.mark.parametrize(
    ("stated", "address"),
    [
        ({}, None),
        ({"loadBalancer": {}}, None),
        ({"loadBalancer": {"ingress": [{"hostname": "a.example"}]}}, "a.example"),
        ({"loadBalancer": {"ingress": [{}, {"ip": "10.0.0.1"}]}}, "10.0.0.1"),
    ],
)
def test_the_address_is_the_one_that_the_service_states(
    stated: dict[str, Any], address: str | None
) -> None:
    assert stated_address({**service(), "status": stated}) == address


def test_public_addresses_of_nodes_come_first() -> None:
    nodes = [
        {"status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.1"},
                                  {"type": "Hostname", "address": "one"}]}},
        {"status": {"addresses": [{"type": "ExternalIP", "address": "192.0.2.1"}]}},
    ]  # fmt: skip
    found = node_ports(service(nodePort=30080), nodes)
    assert found == [("192.0.2.1", 30080), ("10.0.0.1", 30080)]
    assert node_ports(service(), nodes) == []


def test_a_page_names_its_port_where_it_is_not_https_own() -> None:
    assert page_at("a.example") == "http://a.example"
    assert page_at("10.0.0.1", 30080) == "http://10.0.0.1:30080"
    assert page_at("2001:db8::1", 30080) == "http://[2001:db8::1]:30080"


def test_who_refuses_is_there_and_who_is_silent_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    ends: dict[str, OSError] = {"silent": TimeoutError(), "refuses": ConnectionRefusedError()}

    def connect(place: tuple[str, int], timeout: float) -> socket.socket:
        raise ends[place[0]]

    monkeypatch.setattr(socket, "create_connection", connect)
    assert first_there([("silent", 1), ("refuses", 2)]) == ("refuses", 2)
    assert first_there([("silent", 1)]) is None


def test_a_services_port_leads_to_a_number_or_a_name() -> None:
    pod = {"spec": {"containers": [{"ports": [{"name": "http2", "containerPort": 8080}]}]}}
    assert target_port(service(targetPort=8081), pod) == 8081
    assert target_port(service(targetPort="http2"), pod) == 8080
    assert target_port(service(), pod) == 80
    with pytest.raises(LookupError):
        target_port(service(targetPort="other"), pod)


@pytest.fixture
def forwarder(cluster: Cluster) -> Iterator[Forwarder]:
    made = Forwarder(cluster, DEFAULT.gateway, service())
    yield made
    made.close()


def test_what_is_sent_gets_there_and_back(
    forwarder: Forwarder, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends: list[socket.socket] = []

    def reach(_: Forwarder) -> socket.socket:
        near, far = socket.socketpair()
        ends.append(far)

        def answer() -> None:
            asked = b""
            while data := far.recv(4096):
                asked += data
            far.sendall(asked.upper())
            far.close()

        threading.Thread(target=answer, daemon=True).start()
        return near

    monkeypatch.setattr(Forwarder, "reach", reach)
    for text in (b"one", b"two" * 100_000):
        with socket.create_connection(("127.0.0.1", forwarder.port), 5) as user:
            threading.Thread(target=_send, args=(user, text), daemon=True).start()
            got = b""
            while data := user.recv(2**16):
                got += data
        assert got == text.upper()
    assert len(ends) == 2


def _send(user: socket.socket, text: bytes) -> None:
    user.sendall(text)
    user.shutdown(socket.SHUT_WR)


def test_where_no_pod_is_ready_the_connection_ends_and_the_next_is_taken(
    forwarder: Forwarder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarding, "get", lambda *_: {"items": []})
    with pytest.raises(EnvironmentBroken, match="No pod of the gateway"):
        forwarder.reach()
    for _ in range(2):
        user = socket.create_connection(("127.0.0.1", forwarder.port), 5)
        with user, suppress(ConnectionResetError):
            assert user.recv(1) == b""
