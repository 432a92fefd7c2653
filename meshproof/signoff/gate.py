"""What a verified sign-off has to be before a release goes on, and when and where it was made."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from meshproof.errors import UsageFailure
from meshproof.signoff.attestation import Attested, shown
from meshproof.signoff.decisions import ACCEPT, Decision
from meshproof.signoff.document import ScopePart
from meshproof.signoff.reading import parse
from meshproof.signoff.verdict import Verdict

#: What can be asked of the verdict, and of the people who decide over it.
ACCEPTED, SIGNED_OFF = "accepted", "signed-off"
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
#: How far another machine's clock may be ahead of this one's.
CLOCKS = timedelta(minutes=5)
COMMIT = re.compile(r"\bcommit ([0-9a-f]{40})\b(, with changes)?")


@dataclass(frozen=True)
class Required:
    """The conditions; one that is None, False or empty asks for nothing."""

    words: tuple[str, ...] = ()
    full: bool = False
    commit: str | None = None
    max_age: timedelta | None = None

    def __bool__(self) -> bool:
        """Whether anything is asked for."""
        return bool(self.words or self.full or self.commit or self.max_age is not None)


@dataclass(frozen=True)
class Covered:
    """What a release covers whole: sections, and single expectations beside them."""

    sections: tuple[str, ...]
    also: tuple[str, ...]


def age_of(text: str) -> timedelta:
    """Read an age: a whole number and s, m, h or d. Raises ``UsageFailure``."""
    found = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if not found:
        raise UsageFailure(
            f"--max-age: {text!r} is no age: give a whole number and s, m, h or d, as in 24h."
        )
    return timedelta(**{UNITS[found[2]]: int(found[1])})


def commit_of(text: str) -> str:
    """Read a commit's id, 7 to 40 digits of it. Raises ``UsageFailure``."""
    if not re.fullmatch(r"[0-9a-f]{7,40}", text.lower()):
        raise UsageFailure(
            f"--commit: {text!r} is no commit's id: give 7 to 40 hexadecimal digits, "
            "as `git rev-parse` prints them."
        )
    return text.lower()


def about(signoff: Attested, now: datetime) -> list[str]:
    """Say when a run was, what it tested and on which cluster."""
    facts = {name: text for name, text in signoff.environment.items() if isinstance(text, str)}
    begun = _begun(signoff)
    when = f"{begun:%Y-%m-%d %H:%M:%S} UTC, {_ago(now - begun)}" if begun else "unknown"
    what = [f"{name} {facts[name]}" for name in ("meshproof", "project", "istio", "envoy", "mysql")
            if name in facts]  # fmt: skip
    where = [facts.get("cluster", "an unknown cluster")]
    where += [f"{name} {facts[name]}" for name in ("kubernetes", "kind", "machine")
              if name in facts]  # fmt: skip
    return [
        f"Begun: {when}.",
        f"Tested: {'; '.join(what) or 'unknown'}.",
        f"Cluster: {'; '.join(where)}.",
    ]


def unmet(
    signoff: Attested,
    text: bytes,
    decisions: Sequence[Decision],
    required: Required,
    covered: Covered,
    now: datetime,
) -> Iterator[str]:
    """Yield a sentence for each condition that does not hold.

    ``text`` is the sign-off as a file: where a condition is set, it must not contradict itself.
    """
    if required:
        try:
            parse(json.loads(text), "signoff.json")
        except UsageFailure as error:
            yield error.sentence
    if ACCEPTED in required.words:
        yield from _not_accepted(signoff, decisions)
    if SIGNED_OFF in required.words:
        yield from _not_signed_off(decisions)
    if required.full:
        yield from _not_full(signoff, covered)
    if required.commit:
        yield from _another_commit(signoff, required.commit)
    if required.max_age is not None:
        yield from _too_old(signoff, required.max_age, now)


def _not_accepted(signoff: Attested, decisions: Sequence[Decision]) -> Iterator[str]:
    if signoff.verdict is not Verdict.ACCEPTED:
        yield f"The verdict is {signoff.verdict}, and accepted is required."
    yield from _rejections(decisions)


def _not_signed_off(decisions: Sequence[Decision]) -> Iterator[str]:
    if not any(one.decision == ACCEPT for one in decisions):
        yield "Nobody has decided to accept it: `meshproof sign-off --decision accept` does."
    yield from _rejections(decisions)


def _rejections(decisions: Sequence[Decision]) -> Iterator[str]:
    for one in decisions:
        if one.decision != ACCEPT:
            yield f"It was rejected by {shown(one.by)}, {shown(one.role)}."


def _not_full(signoff: Attested, covered: Covered) -> Iterator[str]:
    try:
        scope = ScopePart.model_validate(signoff.scope)
    except ValueError:
        yield "Its scope cannot be read, and the full scope is required."
        return
    if scope.selection is not None:
        yield f"Only a part was run ({scope.selection}), and the full scope is required."
        return
    if scope.quick is not None:
        yield "It is a look before a merge (--quick), and the full scope is required."
    missing = [name for name in covered.sections if name not in scope.sections]
    missing += [name for name in covered.also if name not in scope.also]
    if missing:
        yield f"Its scope leaves out {', '.join(missing)}, and the full scope is required."


def tested_by(environment: Mapping[str, object]) -> str:
    """Return what says the commit of what was tested: the project's, where it is not Meshproof."""
    return str(environment.get("project", environment.get("meshproof", "")))


def _another_commit(signoff: Attested, wanted: str) -> Iterator[str]:
    stated = COMMIT.search(tested_by(signoff.environment))
    if not stated:
        yield f"It does not say which commit was tested, and {wanted} is required."
    elif not stated[1].startswith(wanted):
        yield f"Commit {stated[1]} was tested, and {wanted} is required."
    elif stated[2]:
        yield f"Commit {stated[1]} was tested with changes, and {wanted} alone is required."


def _too_old(signoff: Attested, most: timedelta, now: datetime) -> Iterator[str]:
    begun = _begun(signoff)
    if begun is None:
        yield "It does not say when it was begun, and an age is required."
    elif begun - now > CLOCKS:
        yield f"It was begun in the future, {begun:%Y-%m-%d %H:%M:%S} UTC, by this machine's clock."
    elif now - begun > most:
        # In two units it may read as the age that is allowed.
        more = "more than " if _span(now - begun) == _span(most) else ""
        yield f"It was begun {more}{_ago(now - begun)}, and {_span(most)} at most is required."


def _begun(signoff: Attested) -> datetime | None:
    try:
        begun = datetime.fromisoformat(signoff.started)
    except ValueError:
        return None
    return begun.astimezone(UTC) if begun.tzinfo else begun.replace(tzinfo=UTC)


def _ago(age: timedelta) -> str:
    return f"{_span(age)} ago" if age >= timedelta() else f"in {_span(-age)}"


def _span(age: timedelta) -> str:
    """An age as people say it, in its two largest units."""
    minutes, seconds = divmod(int(age.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    first = next((place for place, (number, _) in enumerate(parts) if number), 3)
    shown = [f"{number} {unit}" for number, unit in parts[first : first + 2] if number]
    return " ".join(shown) or "0 s"
