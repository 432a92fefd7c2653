"""Websockets to the API server, by which commands are run and ports forwarded, opened in time.

The Kubernetes client waits for ever for a server that takes a connection and says nothing, and
leaves open what the other side has ended.
"""

from __future__ import annotations

from typing import Any

from kubernetes.stream import ws_client
from websocket import WebSocket, WebSocketException

from meshproof.timeouts import stretched

#: Seconds until one is open, as for any other call (`meshproof.cluster.cluster.API_TIMEOUT`).
OPEN_TIMEOUT = 30.0


class DeadlineWebSocket(WebSocket):
    """A websocket that waits `OPEN_TIMEOUT` until it is open."""

    def connect(self, url: str, **options: Any) -> None:
        """Open it. Raises ``WebSocketTimeoutException``, and as the class that it is does."""
        options.setdefault("timeout", stretched(OPEN_TIMEOUT))
        super().connect(url, **options)  # type: ignore[no-untyped-call]
        self.settimeout(None)  # from here on whoever asks says how long that may take


class WholePortForward(ws_client.PortForward):  # type: ignore[misc]  # it has no types
    """A port-forward that ends whole, whoever ends it: its reader sees the end, and no more."""

    def _proxy(self) -> None:
        """Pass on what comes, in a thread of its own, until either side ends it."""
        try:
            super()._proxy()
        except (OSError, WebSocketException):
            pass  # reset, or silent for too long: it has ended, too
        finally:
            for port in self.local_ports.values():
                port.python.close()
            self.websocket.shutdown()


def open_in_time() -> None:
    """Have the Kubernetes client open its websockets in time, and end its port-forwards whole."""
    # By these names it makes them.
    ws_client.WebSocket = DeadlineWebSocket
    ws_client.PortForward = WholePortForward
