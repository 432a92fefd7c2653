"""Who asked which pod, by what the pods and their proxies logged themselves."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from meshproof.analysis.observation import Observation, unless
from meshproof.cluster.logs import whole_logs
from meshproof.errors import PromiseBroken
from meshproof.mesh.access_log import seconds_since
from meshproof.mesh.ingress import Ingress
from meshproof.plugin.preflight import PodLog
from meshproof.suite.tutorial import Tutorial
from meshproof.waiting import LOGS_WRITTEN, converge
from meshproof.wording import by_name, number
from steps.bookinfo.product_page import BLACK_STARS, NO_REVIEWS, RED_STARS
from steps.bookinfo.readers import EVERYONE_ELSE, JASON, reader, signed_in
from steps.bookinfo.views import view, view_of

#: The components that are asked for each page, or for its reviews.
ASKED = ("details", "reviews", "ratings")


@dataclass(frozen=True)
class Entry:
    """A request as a component logged it: when, by its own clock, and for whom."""

    time: str
    end_user: str


@dataclass(frozen=True)
class Viewed:
    """Pages that were viewed: since when (this machine's clock), and so many by each user.

    ``marker`` is the name of who viewed one before all others, and in the path of that view.
    ``shown`` is what all of them show of their reviews.
    """

    begun: float
    marker: str
    reader: str
    shown: tuple[str, ...]

    @property
    def calls(self) -> int:
        """How many calls these pages prove: each was asked for, with details and what it shows."""
        return sum(
            2 + (shown != NO_REVIEWS) + (shown in (BLACK_STARS, RED_STARS)) for shown in self.shown
        )


def view_by_both(ingress: Ingress, pages: int) -> Viewed:
    """View the page as jason and as another user, so often each, in turn.

    Raises ``PromiseBroken`` where one of them does not get a whole page, with the book's details.
    """
    begun, marker, name = time.monotonic(), reader(), reader()
    answers = [
        view(ingress, signed_in(marker), f"?{marker}"),
        *(view(ingress, signed_in(user)) for _ in range(pages) for user in (JASON, name)),
    ]
    views = [view_of(0, answer) for answer in answers]
    failed = [one.problem for one in views if one.problem]
    if failed:
        raise PromiseBroken(f"{len(failed)} of {len(views)} views failed: {failed[0]}")
    return Viewed(begun, marker, name, tuple(one.shown for one in views))


def entries_in(log: str) -> list[Entry]:
    """Read the requests that a component logged; other lines are left out."""
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return [
        Entry(line["time"], line.get("end_user") or "")
        for line in lines
        if line.get("event") == "request"
    ]


def logged(
    tutorial: Tutorial, pod_log: PodLog, apps: Collection[str], begun: float
) -> dict[str, list[Entry]]:
    """Read what the pods of some apps logged since a moment, by workload."""
    found: dict[str, list[Entry]] = {}
    for pod in tutorial.pods():
        if pod.app in apps:
            log = pod_log(pod.name, pod.app, seconds_since(begun))
            found.setdefault(pod.workload, []).extend(entries_in(log))
    return found


def whole_app_logs(
    tutorial: Tutorial, apps: Collection[str], begun: float
) -> AbstractContextManager[None]:
    """Wait within this for what pods of some apps log of what was begun at a moment."""
    logs = {pod.name: pod.app for pod in tutorial.pods() if pod.app in apps}
    return whole_logs(tutorial.cluster, tutorial.namespace, logs, begun)


def since_marker(entries: Mapping[str, Sequence[Entry]], marker: str) -> dict[str, list[Entry]]:
    """Leave out what was logged before the first that was logged for the marker, and all of its."""
    first = min(
        (one.time for logged in entries.values() for one in logged if one.end_user == marker),
        default="",
    )
    return {
        workload: [one for one in logged if one.time >= first and one.end_user != marker]
        for workload, logged in entries.items()
    }


def requests_of(
    tutorial: Tutorial, pod_log: PodLog, viewed: Viewed, rows: Sequence[Sequence[str]]
) -> Observation:
    """Hold what each workload logged for each user against rows: workload, jason, everyone else.

    Raises ``NotKept`` where they log less, and ``EnvironmentBroken`` where their nodes have put
    away what they logged.
    """
    wanted = {workload: (int(his), int(others)) for workload, his, others in rows}
    least = sum(map(sum, wanted.values()))

    def look() -> dict[str, list[Entry]]:
        return since_marker(logged(tutorial, pod_log, ASKED, viewed.begun), viewed.marker)

    with whole_app_logs(tutorial, ASKED, viewed.begun):
        entries = converge(
            look,
            until=lambda found: sum(map(len, found.values())) >= least,
            what=f"the pods have logged {least} requests",
            timeout=LOGS_WRITTEN,
            promised=True,
        ).value
    return held_against(entries, viewed.reader, wanted)


def held_against(
    entries: Mapping[str, Iterable[Entry]], name: str, wanted: Mapping[str, tuple[int, int]]
) -> Observation:
    """Hold how often each workload was asked for jason, and for who has a name, against numbers."""
    asked = {workload: Counter(one.end_user for one in logged)
             for workload, logged in sorted(entries.items())}  # fmt: skip
    seen = {workload: (users[JASON], users[name]) for workload, users in asked.items()}
    nobodys = sum(users.total() - users[JASON] - users[name] for users in asked.values())
    lines = [f"{workload}: {his} for {JASON}, {others} for {EVERYONE_ELSE}"
             for workload, (his, others) in seen.items()]  # fmt: skip
    told = "; ".join(lines)
    return Observation(
        results=[f"The pods logged: {told}."],
        problems=[
            *unless(seen == dict(wanted), told),
            *unless(not nobodys, f"{number(nobodys, 'request')} that nobody made"),
        ],
    )


def served_as_shown(
    entries: Mapping[str, Iterable[Entry]], name: str, shown: Mapping[str, int]
) -> Observation:
    """Hold how often each version of reviews was asked for who has a name against their pages."""
    asked = {
        workload.rpartition(" ")[2]: sum(one.end_user == name for one in logged)
        for workload, logged in sorted(entries.items())
    }
    told = f"asked: {by_name(asked)}; pages: {by_name(dict(sorted(shown.items())))}"
    wrong = {version for version, count in asked.items() if count != shown.get(version, 0)}
    return Observation(
        results=[f"The pods of reviews logged as many requests as pages showed their stars: "
                 f"{by_name(asked)}."],
        problems=unless(asked and not wrong and shown.keys() <= asked.keys(), told),
    )  # fmt: skip
