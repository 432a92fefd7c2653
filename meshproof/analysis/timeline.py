"""A timeline: what users asked for, and which step of the tutorial was under way (A1)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

#: Stands for no step: a scenario looks around between two of them.
BETWEEN = "(between steps)"


@dataclass(frozen=True)
class Step:
    """A command of the tutorial, or a wait for what it brings about.

    ``begin`` and ``end`` are seconds since the timeline began.
    """

    title: str
    begin: float
    end: float

    def overlaps(self, begin: float, end: float) -> bool:
        """Whether it was under way at some time between these."""
        return self.begin <= end and begin <= self.end


@dataclass(frozen=True)
class Request:
    """One request of a user, and what came of it.

    ``at`` is seconds since the timeline began, ``seconds`` how long it took. ``vote`` is the
    category that was voted for, with the ``vote_id`` that was sent; both are empty for a view.
    ``acknowledged`` is the id by which the application says that the vote is stored. ``version``
    and ``store`` are what the page shows. ``problem`` says what the user missed, and is empty
    where the request was served.
    """

    at: float
    seconds: float
    user: str
    method: str
    status: int | None
    version: str
    store: str
    vote: str
    vote_id: str
    acknowledged: str
    problem: str

    @property
    def end(self) -> float:
        """When it was answered, or given up; seconds since the timeline began."""
        return self.at + self.seconds

    def __str__(self) -> str:
        """Return the request in a line."""
        asked = f"{self.method} ({self.vote} {self.vote_id})" if self.vote else self.method
        came = self.problem or f"{self.version} on {self.store}"
        return f"{self.at:.2f} s, {self.user}: {asked}: {came}, after {self.seconds * 1000:.0f} ms"


@dataclass(frozen=True)
class Timeline:
    """Requests and steps on one clock."""

    steps: Sequence[Step]
    requests: Sequence[Request]

    @property
    def failed(self) -> list[Request]:
        """The requests that were not served."""
        return [request for request in self.requests if request.problem]

    def under_way(self, request: Request) -> str:
        """Name the steps that were under way between a request's begin and its end."""
        titles = [s.title for s in self.steps if s.overlaps(request.at, request.end)]
        return " → ".join(titles) or BETWEEN

    def failures(self) -> list[str]:
        """Say for each request that failed when it did, and during which step."""
        return [f"{request}, during: {self.under_way(request)}" for request in self.failed]

    def entered(self, stage: str) -> tuple[float, float]:
        """When a stage was begun, and when it was reached. Raises ``ValueError`` for never."""
        steps = [step for step in self.steps if step.title.startswith(f"{stage}: ")]
        if not steps:
            raise ValueError(f"stage {stage} was not entered, in {len(self.steps)} steps")
        return steps[0].begin, steps[-1].end

    def between(self, begin: float, end: float) -> list[Request]:
        """The requests that began at one moment at the earliest and were over by the other."""
        return [r for r in self.requests if begin <= r.at and r.end <= end]

    def table(self) -> str:
        """Return a row for each step: begin, duration, requests, failures, slowest.

        A request counts where it began, or in the last row where that was between steps.
        """
        lines = ["begin (s)  duration (s)  requests  failed  slowest (ms)  step"]
        rest = list(self.requests)
        for step in self.steps:
            inside = [r for r in rest if step.begin <= r.at < step.end]
            rest = [r for r in rest if not step.begin <= r.at < step.end]
            times = f"{step.begin:9.2f}  {step.end - step.begin:12.2f}"
            lines.append(f"{times}  {_counted(inside)}  {step.title}")
        lines.append(f"{'':9}  {'':12}  {_counted(rest)}  {BETWEEN}")
        return "\n".join(lines) + "\n"

    def as_json(self) -> str:
        """Return steps and requests as JSON, each on a line of its own."""
        lists = (f'"{name}": [\n{_lines(values)}\n]' for name, values in vars(self).items())
        return "{" + ",\n".join(lists) + "}\n"

    def summary(self) -> list[str]:
        """Say in a line for each user what was asked for, and what was seen."""
        users = dict.fromkeys(request.user for request in self.requests)
        return [
            f"{user}: {_summed([r for r in self.requests if r.user == user])}" for user in users
        ]


def _lines(values: Iterable[Step | Request]) -> str:
    return ",\n".join(json.dumps(asdict(value), ensure_ascii=False) for value in values)


def _counted(requests: Sequence[Request]) -> str:
    failed = sum(1 for request in requests if request.problem)
    return f"{len(requests):8}  {failed:6}  {1000 * _slowest(requests):12.0f}"


def _summed(requests: Sequence[Request]) -> str:
    votes = [request for request in requests if request.vote]
    failed = sum(1 for request in requests if request.problem)
    shown = Counter(f"{r.version} on {r.store}" for r in requests if not r.problem)
    pages = ", ".join(f"{count} by {version}" for version, count in shown.items())
    return (
        f"{len(requests)} requests in {requests[-1].at - requests[0].at:.0f} s, "
        f"{len(votes)} of them votes ({sum(1 for v in votes if v.acknowledged)} acknowledged), "
        f"{failed} failed, the slowest took {1000 * _slowest(requests):.0f} ms; pages: {pages}"
    )


def _slowest(requests: Sequence[Request]) -> float:
    return max((request.seconds for request in requests), default=0.0)
