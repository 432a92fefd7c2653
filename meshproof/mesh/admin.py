"""Asking a proxy itself: its admin port, reached through the API server.

A port-forward made by the Kubernetes client costs some tens of milliseconds;
starting istioctl or kubectl for each question takes ten times that.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException
from typing import Any

from kubernetes.client.exceptions import ApiException
from kubernetes.stream import ws_client

from meshproof.cluster.cluster import Cluster
from meshproof.errors import EnvironmentBroken

#: Envoy's admin port, open to the pod itself only.
ADMIN_PORT = 15000
#: Seconds for one answer; a proxy takes some 10 ms.
ANSWER_TIMEOUT = 5.0


def port_forward(cluster: Cluster, namespace: str, pod: str, port: int) -> ws_client.PortForward:
    """Reach a port of a pod. Raises ``ApiException``."""
    # What `stream.portforward` does, without the import of every model (a second) and
    # without its change of the client, which threads share.
    method, url, headers, *_ = cluster.api.param_serialize(
        "GET",
        f"/api/v1/namespaces/{namespace}/pods/{pod}/portforward",
        query_params=[("ports", str(port))],
        auth_settings=["BearerToken"],
    )
    return ws_client.portforward_call(cluster.api.configuration, method, url, headers=headers)


def ask_proxy(
    cluster: Cluster, namespace: str, pod: str, queries: Sequence[str]
) -> list[dict[str, Any]]:
    """Ask the proxy of a pod for each query, over one connection, and return what it answers.

    Raises ``EnvironmentBroken`` where it does not answer.
    """
    try:
        forward = port_forward(cluster, namespace, pod, ADMIN_PORT)
    except ApiException as error:
        raise _silent(pod, namespace, str(error.reason)) from error
    connection = HTTPConnection("127.0.0.1", ADMIN_PORT)
    connection.sock = forward.socket(ADMIN_PORT)
    connection.sock.settimeout(ANSWER_TIMEOUT)
    try:
        return [_answer(connection, query) for query in queries]
    except (OSError, HTTPException, ValueError) as error:
        reason = forward.error(ADMIN_PORT) or f"{type(error).__name__} {error}"
        raise _silent(pod, namespace, reason) from error
    finally:
        connection.close()


def _answer(connection: HTTPConnection, query: str) -> dict[str, Any]:
    connection.request("GET", query)
    response = connection.getresponse()
    text = response.read()
    if response.status != 200:
        raise ValueError(f"HTTP {response.status}: {text[:200]!r}")
    answer: dict[str, Any] = json.loads(text)
    return answer


def _silent(pod: str, namespace: str, reason: str) -> EnvironmentBroken:
    return EnvironmentBroken(
        f"The proxy of pod {pod}.{namespace} does not answer: nothing can be said of it.",
        reason.strip(),
    )
