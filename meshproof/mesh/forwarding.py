"""A port of this machine that leads to an ingress gateway through the API server.

For a cluster whose gateway has no address that this machine reaches. Each connection has a
port-forward of its own: one that is cut costs no other.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.objects import get
from meshproof.cluster.pods import pod_state
from meshproof.cluster.shape import GatewayShape
from meshproof.errors import EnvironmentBroken
from meshproof.mesh.admin import port_forward
from meshproof.mesh.discovery import HTTP_PORT, routers

#: Bytes read at once, and connections that wait to be taken.
CHUNK, WAITING = 2**16, 128


def target_port(service: Mapping[str, Any], pod: Mapping[str, Any]) -> int:
    """Return the port of a pod that a Service's port 80 leads to. Raises ``LookupError``."""
    target = next(
        port.get("targetPort", HTTP_PORT)
        for port in service["spec"]["ports"]
        if port["port"] == HTTP_PORT
    )
    if isinstance(target, int):
        return target
    named = {
        port.get("name"): int(port["containerPort"])
        for container in pod["spec"]["containers"]
        for port in container.get("ports") or ()
    }
    return named[target]


def ready(pods: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the gateway's pods that are ready and stay."""
    return [pod for pod in routers(pods) if pod_state(pod).settled]


class Forwarder:
    """Listens on a port of the loopback address, and leads whoever connects to a gateway's pod."""

    def __init__(self, cluster: Cluster, gateway: GatewayShape, service: Mapping[str, Any]) -> None:
        """Begin to listen; it ends with the process. Raises ``OSError``."""
        self.cluster = cluster
        self.gateway = gateway
        self.service = service
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=WAITING)
        threading.Thread(target=self._take, daemon=True).start()

    @property
    def port(self) -> int:
        """The port."""
        return int(self._listening.getsockname()[1])

    def close(self) -> None:
        """Take no more connections."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def reach(self) -> socket.socket:
        """Connect to a pod of the gateway. Raises ``ApiException``, ``EnvironmentBroken``."""
        pods = ready(get(self.cluster, self.gateway.pods_path)["items"])
        if not pods:
            raise EnvironmentBroken(f"No pod of the gateway {self.gateway.service} is ready.")
        pod, port = pods[0]["metadata"]["name"], target_port(self.service, pods[0])
        forward = port_forward(self.cluster, self.gateway.namespace, pod, port)
        found: socket.socket = forward.socket(port)
        return found

    def _take(self) -> None:
        while True:
            try:
                caller, _ = self._listening.accept()
            except OSError:  # it was closed
                return
            threading.Thread(target=self._lead, args=(caller,), daemon=True).start()

    def _lead(self, caller: socket.socket) -> None:
        try:
            there = self.reach()
        except (ApiException, HTTPError, OSError, LookupError, EnvironmentBroken):
            caller.close()  # as a gateway that is not there
            return
        back = threading.Thread(target=_pass_on, args=(there, caller), daemon=True)
        back.start()
        _pass_on(caller, there)
        back.join()
        caller.close()
        there.close()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    """Pass on what comes until no more does, and say so; a connection that broke has ended."""
    with suppress(OSError):
        while data := source.recv(CHUNK):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
