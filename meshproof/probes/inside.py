"""Probes inside a pod: the page as one app pod serves it, and the votes in the store itself."""

from __future__ import annotations

from meshproof.cluster.cluster import Cluster
from meshproof.probes.page import Page, parse_page

# The application's image has Python and no curl.
FETCH = (
    "import sys, urllib.request as web; "
    "sys.stdout.write(web.urlopen(sys.argv[1], timeout=10).read().decode())"
)
LOCAL_PAGE = "http://127.0.0.1:8080/"
CATEGORIES = ("Cats", "Dogs")


def page_of(cluster: Cluster, namespace: str, pod: str) -> Page:
    """Return the page that one app pod serves. Raises ``CommandFailed`` or ``ValueError``."""
    done = cluster.exec(namespace, pod, "voting-app", "python3", "-c", FETCH, LOCAL_PAGE)
    return parse_page(done.stdout)


def votes_in_redis(cluster: Cluster, namespace: str, pod: str) -> tuple[int, int]:
    """Count the votes for cats and dogs in Redis itself, by ``redis-cli`` in the storage pod."""
    counts = [
        cluster.exec(
            namespace, pod, "voting-storage", "redis-cli", "SCARD", f"votes:{category}"
        ).stdout
        for category in CATEGORIES
    ]
    return int(counts[0]), int(counts[1])
