"""Asking a proxy, or istiod, itself: a port that is open to the pod only, through the API server.

A port-forward made by the Kubernetes client costs some tens of milliseconds, so that it is kept
for the next question; starting istioctl or kubectl for each takes ten times that.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from http.client import HTTPConnection, HTTPException
from typing import Any

from kubernetes.client.exceptions import ApiException
from kubernetes.stream import ws_client

from meshproof.cluster.cluster import Cluster
from meshproof.errors import EnvironmentBroken
from meshproof.mesh.kept_forwards import KEPT, Forwarded, Place
from meshproof.timeouts import stretched

#: Envoy's admin port, open to the pod itself only.
ADMIN_PORT = 15000
#: The port at which istioctl asks istiod for what it debugs with.
ISTIOD_PORT = 15014
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
    sentence = f"The proxy of pod {pod}.{namespace} does not answer: nothing can be said of it."
    return _ask(cluster, namespace, pod, ADMIN_PORT, queries, sentence)


def ask_istiod(cluster: Cluster, namespace: str, pod: str, queries: Sequence[str]) -> list[Any]:
    """Ask an istiod for each query (a path), over one connection, and return what it answers.

    Raises ``EnvironmentBroken`` where it does not answer, or its debug interface is off.
    """
    sentence = (
        f"istiod (pod {pod}.{namespace}) does not say what it sends to proxies: "
        "tls-check needs its debug interface."
    )
    return _ask(cluster, namespace, pod, ISTIOD_PORT, queries, sentence)


def istiod_metrics(cluster: Cluster, namespace: str, pod: str) -> str:
    """Return what an istiod counts, in Prometheus' text format.

    Raises ``EnvironmentBroken`` where it does not answer.
    """
    sentence = f"istiod (pod {pod}.{namespace}) does not say what it counts (/metrics)."
    return str(_ask(cluster, namespace, pod, ISTIOD_PORT, ["/metrics"], sentence, read=str)[0])


def _ask(
    cluster: Cluster,
    namespace: str,
    pod: str,
    port: int,
    queries: Sequence[str],
    sentence: str,
    *,
    read: Callable[[str], Any] = json.loads,
) -> list[Any]:
    place = (cluster.kubeconfig, namespace, pod, port)
    forwarded = KEPT.take(place)
    try:
        if forwarded:
            # The other side may have closed it since, as a proxy does that is started anew; and a
            # cluster that was stopped for a while is waited for where one is opened, not here.
            with suppress(OSError, HTTPException):
                return _said(place, forwarded, queries, read)
        forwarded = _opened(cluster, namespace, pod, port)
        return _said(place, forwarded, queries, read)
    except ApiException as error:
        raise EnvironmentBroken(sentence, str(error.reason).strip()) from error
    except (OSError, HTTPException, ValueError) as error:
        told = forwarded.forward.error(port) if forwarded else None
        reason = told or f"{type(error).__name__} {error}"
        raise EnvironmentBroken(sentence, reason.strip()) from error


def _said(
    place: Place, forwarded: Forwarded, queries: Sequence[str], read: Callable[[str], Any]
) -> list[Any]:
    """What is answered over a connection, which is kept where it answers all and stays open."""
    with ExitStack() as unless_kept:
        unless_kept.callback(forwarded.connection.close)
        said = [read(_answer(forwarded.connection, query)) for query in queries]
        if forwarded.connection.sock is not None:
            unless_kept.pop_all()
            KEPT.keep(place, forwarded)
    return said


def _opened(cluster: Cluster, namespace: str, pod: str, port: int) -> Forwarded:
    """Connect to a port of a pod. Raises ``ApiException``."""
    forward = port_forward(cluster, namespace, pod, port)
    connection = HTTPConnection("127.0.0.1", port)
    # Once closed, it would connect to that port of this machine.
    connection.auto_open = 0
    connection.sock = forward.socket(port)
    connection.sock.settimeout(stretched(ANSWER_TIMEOUT))
    return Forwarded(connection, forward)


def _answer(connection: HTTPConnection, query: str) -> str:
    connection.request("GET", query)
    response = connection.getresponse()
    text: bytes = response.read()
    if response.status != 200:
        raise ValueError(f"HTTP {response.status}: {text[:200]!r}")
    return text.decode()
