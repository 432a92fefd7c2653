"""Page views, many of them, each written down: which analytics answered, from where, when."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, replace

from meshproof.cluster.cluster import Cluster
from meshproof.probes.ingress import Ingress, Response
from meshproof.probes.page import read_text

#: Asks analytics as an app pod does, over its sidecar. Arguments: URL, requests, and
#: whether each gets a connection of its own. Prints a JSON list.
FROM_A_POD = """
import http.client, json, sys, time, urllib.parse
url, count, fresh = urllib.parse.urlsplit(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "fresh"
begun, seen, connection = time.monotonic(), [], None
for _ in range(count):
    at = time.monotonic()
    try:
        if connection is None or fresh:
            connection = http.client.HTTPConnection(url.hostname, url.port, timeout=10)
        connection.request("GET", url.path)
        answer = connection.getresponse()
        body, status, error = answer.read().decode(), answer.status, ""
        if fresh:
            connection.close()
    except Exception as problem:
        body, status, error, connection = "", None, repr(problem), None
    seen.append([at - begun, time.monotonic() - at, status, body, error])
json.dump(seen, sys.stdout)
"""
ANALYTICS = "http://voting-analytics:8080/analytics"
#: Connections through the ingress that what holds always is sampled on: on 2 cores twice as many
#: are hardly quicker.
AT_ONCE = 4
#: The one user of a sample for which it does not matter who asks, and what they send.
ANYONE = ""
WITHOUT_HEADERS: Mapping[str, dict[str, str]] = {ANYONE: {}}


@dataclass(frozen=True)
class View:
    """One answer. ``at`` is seconds since the sampling began; ``source`` is the app pod.

    ``version`` is that of the analytics, told by the format of its text (U2, U3);
    None, with the ``problem``, where the answer has neither format. ``app`` is the version
    of the app, empty where analytics were asked themselves, or the answer is no page.
    """

    at: float
    seconds: float
    status: int | None
    source: str
    version: str | None
    counts: tuple[int, int] | None
    problem: str = ""
    app: str = ""

    def __str__(self) -> str:
        """Return the answer in a line."""
        shown = f"analytics {self.version}" if self.version else self.problem
        if self.app:
            shown = f"app {self.app}, {shown}"
        return f"{shown} at {self.at:.2f} s, from pod {self.source or 'unknown'}"


def view_of(at: float, response: Response) -> View:
    """Read one page view."""
    try:
        page = response.page
    except ValueError as error:
        return View(at, response.seconds, response.status, "", None, None, str(error))
    view = _view(at, response.seconds, response.status, page.host, page.results, "")
    return replace(view, app=page.version)


def sample_views(ingress: Ingress, count: int) -> list[View]:
    """View the page ``count`` times, one after another; nothing is tried again."""
    return _in_turn(ingress, count, WITHOUT_HEADERS, time.monotonic())[ANYONE]


def sample_at_once(
    source: Ingress, count: int, users: Mapping[str, dict[str, str]] = WITHOUT_HEADERS
) -> dict[str, list[View]]:
    """View the page ``count`` times as each of the users, by the headers that they send.

    Several views are under way at once, each on a connection of its own. On every connection
    the users come in turn, as from a proxy between them and the ingress; nothing is tried again.
    """
    begun = time.monotonic()

    def share(index: int) -> dict[str, list[View]]:
        with closing(Ingress(source.url, host=source.host)) as ingress:
            return _in_turn(ingress, len(range(index, count, AT_ONCE)), users, begun)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        shares = list(pool.map(share, range(AT_ONCE)))
    return {
        user: sorted((view for seen in shares for view in seen[user]), key=lambda view: view.at)
        for user in users
    }


def _in_turn(
    ingress: Ingress, count: int, users: Mapping[str, dict[str, str]], begun: float
) -> dict[str, list[View]]:
    views: dict[str, list[View]] = {user: [] for user in users}
    for _ in range(count):
        for user, headers in users.items():
            at = time.monotonic() - begun
            views[user].append(view_of(at, ingress.view(headers=headers)))
    return views


def sample_analytics(
    cluster: Cluster, namespace: str, pod: str, count: int, *, fresh: bool
) -> list[View]:
    """Ask analytics ``count`` times from inside an app pod, in one call of `kubectl exec`.

    ``fresh`` gives each request a connection of its own. Raises ``CommandFailed``
    where the pod cannot be asked at all.
    """
    mode = "fresh" if fresh else "kept"
    done = cluster.exec(
        namespace, pod, "voting-app", "python3", "-c", FROM_A_POD, ANALYTICS, str(count), mode
    )
    views = []
    for at, seconds, status, body, error in json.loads(done.stdout):
        text = json.loads(body)["text"] if status == 200 else ""
        views.append(_view(at, seconds, status, pod, text, error or body))
    return views


def _view(
    at: float, seconds: float, status: int | None, source: str, text: str, problem: str
) -> View:
    read = read_text(text) if status == 200 else None
    if read is None:
        return View(at, seconds, status, source, None, None, f"HTTP {status}: {text or problem!r}")
    version, counts = read
    return View(at, seconds, status, source, version, counts)


def versions_of(views: Iterable[View]) -> Counter[str | None]:
    """Count the views by the version of analytics; None counts those that showed neither."""
    return Counter(view.version for view in views)


def deviations(views: Sequence[View], versions: Iterable[str]) -> list[View]:
    """Return the views that show none of these versions."""
    allowed = set(versions)
    return [view for view in views if view.version not in allowed]


def as_lines(views: Iterable[View]) -> str:
    """Write views down, one JSON object a line, as evidence."""
    return "".join(json.dumps(asdict(view)) + "\n" for view in views)
