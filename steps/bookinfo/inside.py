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


#: The answers, by who asked.
Answers = Mapping[str, Sequence[Answer]]


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


def told(answers: Answers) -> Observation:
    """All answers, written down."""
    return Observation(
        texts={
            f"what ratings answered {user}": "".join(f"{one}\n" for one in given)
            for user, given in answers.items()
        }
    )


def statuses(given: Sequence[Answer]) -> str:
    """Say how many answers had which status."""
    return by_name(Counter(f"HTTP {one.status}" if one.status else one.error for one in given))


def jason_gets(answers: Answers, status: int, least: float, most: float) -> Observation:
    """Hold jason's answers against a status, and against when they came, in seconds."""
    given = answers[JASON]
    wrong = [one for one in given if one.status != status or not least <= one.seconds <= most]
    took = sorted(one.seconds for one in given)
    span = f"after {took[0]:.2f} to {took[-1]:.2f} s" if took else "never"
    first = f", first: {wrong[0]}" if wrong else ""
    said = f"{number(len(given), 'answer')} to {JASON}: {statuses(given)}, {span}"
    return Observation(
        results=[f"{said}."],
        problems=[
            *unless(given, f"ratings were not asked as {JASON}"),
            *unless(not wrong, f"{said}: {len(wrong)} of them otherwise than HTTP {status} "
                               f"within {least:g} to {most:g} s{first}"),
        ],
    )  # fmt: skip


def others_unharmed(answers: Answers, demand: AlwaysDemand, most: float) -> Observation:
    """Hold the answers to everyone else against 200 within a time, in seconds."""
    given = answers[EVERYONE_ELSE]
    wrong = [one for one in given if one.status != 200 or one.seconds > most]
    claim = demand.claim(len(given), len(wrong), "answers")
    first = f"; first: {wrong[0]}; in all: {statuses(given)}" if wrong else ""
    return Observation(
        results=[f"Ratings answered {EVERYONE_ELSE} with 200 within {most:g} s: {claim}."],
        problems=unless(claim.holds, f"{EVERYONE_ELSE}: {claim}{first}"),
    )


def asked(
    tutorial: Tutorial, others: int, keep: Callable[[Observation], object]
) -> dict[str, list[Answer]]:
    """Ask as `ask_ratings` does, and keep all that came."""
    answers = ask_ratings(tutorial, others)
    keep(told(answers))
    return answers


def unharmed(answers: Answers, most: float) -> Observation:
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
