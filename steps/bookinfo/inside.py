"""Ratings, asked from inside a pod of reviews as somebody: what comes back, and when."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from meshproof.analysis.observation import Observation, unless
from meshproof.analysis.strength import AlwaysDemand
from meshproof.suite.tutorial import Tutorial
from meshproof.wording import by_name, number
from steps.bookinfo.readers import ANNA, EVERYONE_ELSE, JASON

APP, ASKING = "reviews", "v2"
URL = "http://ratings:9080/ratings/0"
#: Asks ratings over the pod's own sidecar, each user on connections of their own beside the others.
#: Arguments: URL, the seconds after which nobody begins another request, and the users as JSON:
#: name, header, how often, and on how many connections.
#: Prints a JSON list: name, status or null, seconds, and what kept it from an answer.
ASK = """
import http.client, json, sys, threading, time, urllib.parse
url, users = urllib.parse.urlsplit(sys.argv[1]), json.loads(sys.argv[3])
seen, deadline = [], time.monotonic() + float(sys.argv[2])

def ask(name, header, turns):
    connection = None
    for _ in turns:
        at = time.monotonic()
        if at > deadline:
            break
        try:
            if connection is None:
                connection = http.client.HTTPConnection(url.hostname, url.port, timeout=30)
            connection.request("GET", url.path, headers={"end-user": header} if header else {})
            answer = connection.getresponse()
            answer.read()
            status, error = answer.status, ""
        except Exception as problem:
            status, error, connection = None, f"{type(problem).__name__}: {problem}", None
        seen.append([name, status, time.monotonic() - at, error])

threads = []
for name, header, count, at_once in users:
    turns = iter(range(count))
    threads += [threading.Thread(target=ask, args=(name, header, turns)) for _ in range(at_once)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps(seen), flush=True)
sys.stdin.readline()  # that all of it has arrived
"""
#: Seconds after which nothing more is asked: where everybody has to wait, some answers tell.
MOST_SECONDS = 20.0
#: Seconds by which a timer may be early.
EARLY = 0.05
#: Connections of everyone else, signed in or not.
OF_OTHERS = 2
#: Requests of jason, each of which may take seconds, so all of them at once.
OF_JASON = 10


@dataclass(frozen=True)
class Answer:
    """What ratings answered: the status, or None and why; and after how many seconds."""

    status: int | None
    seconds: float
    error: str = ""

    def __str__(self) -> str:
        """Return it in a line."""
        came = f"HTTP {self.status}" if self.status else f"no answer ({self.error})"
        return f"{came} after {self.seconds:.2f} s"


@dataclass(frozen=True)
class Answers:
    """The answers, by who asked, and how surely those to some kinds of users must say so."""

    given: Mapping[str, Sequence[Answer]]
    demands: Mapping[str, AlwaysDemand]

    def kept(self) -> Observation:
        """All answers, written down."""
        return Observation(
            texts={
                f"what ratings answered {user}": "".join(f"{one}\n" for one in given)
                for user, given in self.given.items()
            }
        )

    def show(self, users: str, shown: str) -> Observation:
        """Hold the answers to a kind of user against a status: `status 200`, say."""
        status = int(shown.removeprefix("status "))
        return self._held(users, f"HTTP {status}", lambda one: one.status == status)

    def come(self, users: str, least: float, most: float) -> Observation:
        """Hold how long the answers to a kind of user took against two limits, in seconds."""
        return self._held(
            users,
            f"within {least:g} to {most:g} s",
            lambda one: least - EARLY <= one.seconds <= most,
        )

    def _held(self, users: str, what: str, holds: Callable[[Answer], bool]) -> Observation:
        given, demand = self.given[users], self.demands.get(users)
        wrong = [one for one in given if not holds(one)]
        first = f"; first: {wrong[0]}" if wrong else ""
        if demand:
            claim = demand.claim(len(given), len(wrong), "answers")
            right, told = claim.holds, f"{users}: {claim}"
        else:
            right = bool(given) and not wrong
            told = f"{number(len(given), 'answer')} to {users}: {statuses(given)}, {span(given)}"
        return Observation(
            results=[f"Answers of ratings, to be {what}: {told}."],
            problems=unless(right, f"{told}, not all {what}{first}; in all: {statuses(given)}"),
        )


def span(given: Sequence[Answer]) -> str:
    """Say after how many seconds answers came."""
    took = sorted(one.seconds for one in given)
    return f"after {took[0]:.2f} to {took[-1]:.2f} s" if took else "never"


def ask_ratings(tutorial: Tutorial, others: int) -> dict[str, list[Answer]]:
    """Ask ratings from a pod of reviews v2 as jason, and so often as everyone else meanwhile.

    Raises ``PromiseBroken`` where there is no such pod, ``CommandFailed`` where it cannot be asked.
    """
    half = others // 2
    users = [
        (JASON, JASON, OF_JASON, OF_JASON),
        (EVERYONE_ELSE, "", others - half, OF_OTHERS),
        (EVERYONE_ELSE, ANNA, half, OF_OTHERS),
    ]
    done = tutorial.cluster.exec(
        tutorial.namespace, tutorial.pod_of(APP, ASKING).name, APP,
        "python3", "-c", ASK, URL, str(MOST_SECONDS), json.dumps(users),
        acknowledged=True,
    )  # fmt: skip
    found: dict[str, list[Answer]] = {JASON: [], EVERYONE_ELSE: []}
    for name, status, seconds, error in json.loads(done.stdout):
        found[name].append(Answer(status, seconds, error))
    return found


def statuses(given: Sequence[Answer]) -> str:
    """Say how many answers had which status."""
    return by_name(Counter(f"HTTP {one.status}" if one.status else one.error for one in given))


def asked(tutorial: Tutorial, demand: AlwaysDemand) -> Answers:
    """Ask as `ask_ratings` does, as everyone else so often as is demanded."""
    return Answers(ask_ratings(tutorial, demand.samples), {EVERYONE_ELSE: demand})


def unharmed(answers: Mapping[str, Sequence[Answer]], most: float) -> Observation:
    """Hold the answers to everybody against 200 within a time, in seconds."""
    given = [one for each in answers.values() for one in each]
    wrong = [one for one in given if one.status != 200 or one.seconds > most]
    return Observation(
        baselines=[
            f"Before, {len(given) - len(wrong)} of {len(given)} answers of ratings were 200 within "
            f"{most:g} s."
        ],
        problems=[
            *unless(all(answers.values()), "ratings were not asked as everybody"),
            *unless(not wrong, f"{len(wrong)} of {len(given)} answers were otherwise before, "
                               f"first: {wrong[0] if wrong else ''}"),
        ],
    )  # fmt: skip
