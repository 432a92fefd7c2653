"""What requests with near misses of the flag's cookie are sent with, and what they get (C3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from meshproof.analysis.observation import Observation, unless
from meshproof.wording import quoted
from steps.voting.flag_cookie import WITH, holds_flag


@dataclass(frozen=True)
class Headers:
    """What a request is sent with: its Cookie lines, and another header or none."""

    kind: str
    lines: tuple[str, ...]
    other: tuple[str, str] | None = None

    @property
    def fields(self) -> list[tuple[str, str]]:
        """All of them, by name and value."""
        return [("Cookie", line) for line in self.lines] + ([self.other] if self.other else [])

    @property
    def flagged(self) -> bool:
        """Whether they hold the flag, by the reference reading."""
        return holds_flag(self.lines)

    def __str__(self) -> str:
        """Return them in a line, with blanks that can be seen."""
        return (
            " and ".join(f"{name}: {quoted(value, 'empty')}" for name, value in self.fields)
            or "no Cookie"
        )


@dataclass(frozen=True)
class Seen:
    """What a request got: the version of the app on the page, or None and the problem."""

    headers: Headers
    version: str | None
    problem: str = ""

    def __str__(self) -> str:
        """Return the request with what it got, in a line."""
        return f"{self.headers} got {self.version or self.problem}"


@dataclass(frozen=True)
class Gate:
    """What requests with generated headers got from a gate, whether they held the flag or not."""

    seen: Sequence[Seen]

    def of(self, users: str) -> list[Seen]:
        """The requests of users with the flag or without it, by the reference reading."""
        return [one for one in self.seen if one.headers.flagged is (users == WITH)]

    def show(self, users: str, shown: str) -> Observation:
        """Hold what a kind of user got against a version of the app: `version "2.0"`, say."""
        asked, version = self.of(users), shown.removeprefix("version ").strip('"')
        wrong = [one for one in asked if one.version != version]
        return Observation(
            results=[
                f"{len(wrong)} of {len(asked)} requests with near misses of {users} got another "
                f"version than {version}."
            ],
            texts={f"every request of {users}": table(asked, version)},
            problems=unless(asked and not wrong, complaint(users, asked, version)),
        )


def complaint(users: str, asked: Sequence[Seen], version: str) -> str:
    """How many requests got anything but a version, by kind, with the shortest of each."""
    lines, whose = [], "with the flag" if users == WITH else "without it"
    for kind, alike in by_kind(asked).items():
        if wrong := [one for one in alike if one.version != version]:
            shortest = min(wrong, key=lambda one: len(str(one.headers)))
            lines.append(
                f"{kind}: {len(wrong)} of {len(alike)} {whose}, e.g. {shortest}, not {version}"
            )
    wrong = [one for one in asked if one.version != version]
    return f"{len(wrong)} of {len(asked)} requests went wrong; {'; '.join(lines)}"


def table(asked: Iterable[Seen], version: str) -> str:
    """Every request with what it was to get and what it got, a line each."""
    return "".join(f"{one.headers.kind}\tto get {version}\t{one}\n" for one in asked)


def summary(seen: Sequence[Seen]) -> str:
    """Say how many requests held the flag and how many did not, in all and by kind."""
    flagged, others = counts(seen)
    kinds = (
        f"{kind} {flagged} and {others}"
        for kind, some in by_kind(seen).items()
        for flagged, others in [counts(some)]
    )
    return f"{flagged} requests held the flag and {others} did not: {', '.join(kinds)}"


def by_kind(seen: Sequence[Seen]) -> dict[str, list[Seen]]:
    """Requests by the kind of near miss that they were sent with."""
    found: dict[str, list[Seen]] = {}
    for one in seen:
        found.setdefault(one.headers.kind, []).append(one)
    return found


def counts(seen: Sequence[Seen]) -> tuple[int, int]:
    """How many hold the flag, and how many do not."""
    flagged = sum(one.headers.flagged for one in seen)
    return flagged, len(seen) - flagged
