"""Probes inside the app's pods: the page as one of them serves it, and what the store answers."""

from __future__ import annotations

from meshproof.cluster.cluster import Cluster
from steps.voting.voting_page import Page, parse_page

# The application's image has Python and no curl.
FETCH = (
    "import sys, urllib.request as web; "
    "sys.stdout.write(web.urlopen(sys.argv[1], timeout=10).read().decode())"
)
#: Prints what Redis answers to a command, and nothing where the connection ends without an answer.
COMMAND = """
import socket, sys
with socket.create_connection(("voting-storage", 6379), timeout=10) as connection:
    try:
        connection.sendall(sys.argv[1].encode() + b"\\r\\n")
        sys.stdout.write(connection.recv(100).decode())
    except ConnectionError:
        pass
"""
LOCAL_PAGE = "http://127.0.0.1:8080/"


def page_of(cluster: Cluster, namespace: str, pod: str) -> Page:
    """Return the page that one app pod serves. Raises ``CommandFailed`` or ``PromiseBroken``."""
    done = cluster.exec(namespace, pod, "voting-app", "python3", "-c", FETCH, LOCAL_PAGE)
    return parse_page(done.stdout)


def answer_of_redis(
    cluster: Cluster, namespace: str, pod: str, container: str, command: str = "PING"
) -> str:
    """Ask storage from inside a pod on a connection of its own; what comes back.

    A new connection, as one that was open before a policy came may outlive it. Empty
    where no byte of Redis came back.
    """
    done = cluster.exec(namespace, pod, container, "python3", "-c", COMMAND, command)
    return done.stdout.strip()
