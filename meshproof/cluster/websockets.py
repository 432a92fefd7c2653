"""Websockets to the API server, by which commands are run and ports forwarded, opened in time.

The Kubernetes client waits for ever for a server that takes a connection and says nothing.
"""

from __future__ import annotations

from typing import Any

from kubernetes.stream import ws_client
from websocket import WebSocket

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


def open_in_time() -> None:
    """Have the Kubernetes client open its websockets in time: it takes no deadline for them."""
    ws_client.WebSocket = DeadlineWebSocket  # by this name it makes them
