"""Page views, many of them, each written down: which analytics answered, from where, when."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from typing import Any

from meshproof.analysis.sequential import SequentialTest
from meshproof.cluster.cluster import Cluster
from meshproof.wording import quoted
from steps.voting.voting_app import Response, VotingApp
from steps.voting.voting_page import SHARES, SIMPLE, read_text

#: Asks analytics as an app pod does, over its sidecar. Arguments: URL, requests at most,
#: whether each gets a connection of its own, and the rule by which what came ends it before, or
#: null. Only the rule looks at an answer here; what it was is read where the answers arrive.
#: Prints a JSON list.
FROM_A_POD = """
import http.client, json, re, sys, time, urllib.parse
url, count, fresh = urllib.parse.urlsplit(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "fresh"
rule = json.loads(sys.argv[4])
kinds = [re.compile(pattern) for pattern in rule["kinds"]] if rule else []
counts = [0 for _ in kinds]

def decided(body):
    text = json.loads(body)["text"]
    for number, kind in enumerate(kinds):
        if kind.fullmatch(text):
            counts[number] += 1
    samples, difference = sum(counts), abs(counts[0] - counts[1])
    accept, reject = rule["accept_from"], rule["reject_until"]
    if difference < len(accept) and samples >= accept[difference]:
        return True
    return difference >= len(reject) or samples <= reject[difference]

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
        reason = f"{type(problem).__name__}: {problem}"
        body, status, error, connection = "", None, reason, None
    seen.append([at - begun, time.monotonic() - at, status, body, error])
    if rule and status == 200 and decided(body):
        break
print(json.dumps(seen), flush=True)
sys.stdin.readline()  # that all of it has arrived
"""
ANALYTICS = "http://voting-analytics:8080/analytics"
#: The versions of analytics that an even split is between.
BOTH = ("1.0", "1.1")
#: Connections through the ingress that what holds always is sampled on: on 2 cores twice as many
#: are hardly quicker.
AT_ONCE = 4
#: The one user of a sample for which it does not matter who asks, and what they send.
ANYONE = ""
WITHOUT_HEADERS: Mapping[str, dict[str, str]] = {ANYONE: {}}

#: Makes one request of a user: on a connection, by the number of the turn, with their headers.
Ask = Callable[[VotingApp, int, dict[str, str]], Response]
#: What came of it, and when it was asked for, in seconds since the sampling began.
Answer = tuple[float, Response]


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


def sample_views(ingress: VotingApp, count: int) -> list[View]:
    """View the page ``count`` times, one after another; nothing is tried again.

    The pages are read once all are there.
    """
    begun = time.monotonic()
    answers = [(time.monotonic() - begun, ingress.view(headers={})) for _ in range(count)]
    return [view_of(at, response) for at, response in answers]


def sample_evenly(ingress: VotingApp, test: SequentialTest) -> list[View]:
    """View the page until it is decided whether both versions of analytics come evenly.

    One view after another, each looked at before the next, and no more than the test's most;
    nothing is tried again. A view of neither version counts for that, and for nothing else.
    """
    views: list[View] = []
    seen: Counter[str | None] = Counter()
    begun = time.monotonic()
    while len(views) < test.most and not test.decision(*(seen[version] for version in BOTH)):
        at = time.monotonic() - begun
        views.append(view_of(at, ingress.view(headers={})))
        seen[views[-1].version] += 1
    return views


def sample_at_once(
    source: VotingApp, count: int, users: Mapping[str, dict[str, str]] = WITHOUT_HEADERS
) -> dict[str, list[View]]:
    """View the page ``count`` times as each of the users; raises and asks as `ask_at_once` does.

    The pages are read once all are there.
    """
    asked = ask_at_once(
        source, count, users, lambda ingress, _, headers: ingress.view(headers=headers)
    )
    return {user: [view_of(at, seen) for at, seen in answers] for user, answers in asked.items()}


def ask_at_once(
    source: VotingApp, count: int, users: Mapping[str, dict[str, str]], ask: Ask
) -> dict[str, list[Answer]]:
    """Ask ``count`` times as each of the users, by the headers that they send.

    Several requests are under way at once, each on a connection of its own. On every connection
    the users come in turn, as from a proxy between them and the ingress; nothing is tried again.
    Returns the answers by user, in the order in which they were asked for.
    """
    begun = time.monotonic()
    # Whichever connection is free takes the next turn, so that none is left at the end with
    # requests of its own; next() of it is one step of the interpreter.
    turns = iter(range(count))

    def on_a_connection(_: int) -> dict[str, list[Answer]]:
        answers: dict[str, list[Answer]] = {user: [] for user in users}
        with closing(VotingApp.at(source.url, host=source.host)) as ingress:
            for turn in turns:
                for user, headers in users.items():
                    at = time.monotonic() - begun
                    answers[user].append((at, ask(ingress, turn, headers)))
        return answers

    with ThreadPoolExecutor(AT_ONCE) as pool:
        shares = list(pool.map(on_a_connection, range(AT_ONCE)))
    return {
        user: sorted((one for answers in shares for one in answers[user]), key=lambda one: one[0])
        for user in users
    }


def sample_analytics(
    cluster: Cluster,
    namespace: str,
    pod: str,
    count: int,
    *,
    fresh: bool = False,
    until: SequentialTest | None = None,
) -> list[View]:
    """Ask analytics from inside an app pod, in one call of `kubectl exec`.

    It is asked ``count`` times, one after another, or until a test of whether both versions
    come evenly is decided. ``fresh`` gives each request a connection of its own. Raises
    ``CommandFailed`` where the pod cannot be asked at all.
    """
    mode, rule = "fresh" if fresh else "kept", json.dumps(until and _rule(until))
    done = cluster.exec(
        namespace, pod, "voting-app",
        "python3", "-c", FROM_A_POD, ANALYTICS, str(count), mode, rule,
        acknowledged=True,
    )  # fmt: skip
    views = []
    for at, seconds, status, body, error in json.loads(done.stdout):
        text = json.loads(body)["text"] if status == 200 else ""
        views.append(_view(at, seconds, status, pod, text, error or body))
    return views


def _rule(test: SequentialTest) -> dict[str, Any]:
    return {
        "kinds": [SIMPLE.pattern, SHARES.pattern],
        "accept_from": test.accept_from,
        "reject_until": test.reject_until,
    }


def _view(
    at: float, seconds: float, status: int | None, source: str, text: str, problem: str
) -> View:
    read = read_text(text) if status == 200 else None
    if read is None:
        code = f"HTTP {status}" if status else "no answer"
        said = quoted(text or problem)
        return View(at, seconds, status, source, None, None, f"{code}: {said}")
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
