"""What was seen, in words: sentences of a report hold no notation of a programming language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

#: How many of a list are named before the rest is counted.
NAMED = 10
#: Characters of a failure's message that stand in a line.
MESSAGE_LIMIT = 200
#: What an observation begins with that says what struck the ground; a sign-off looks for it.
STRUCK = "The ground was struck meanwhile: "


def listed(things: Iterable[object], none: str = "none", most: int = NAMED) -> str:
    """Return things as a sentence lists them: “a, b and c”; of many the first, and how many more.

    ``none`` stands for no things.
    """
    texts = [str(thing) for thing in things]
    if not texts:
        return none
    if len(texts) > most:
        texts = [*texts[:most], f"{len(texts) - most} more"]
    *before, last = texts
    return f"{', '.join(before)} and {last}" if before else last


def by_name(numbers: Mapping[str, object], none: str = "none") -> str:
    """Return values by their names as a sentence lists them: “a 1, b 2 and c 3”."""
    return listed((f"{name} {value}" for name, value in numbers.items()), none)


def number(count: int, what: str, several: str = "") -> str:
    """Return a number with what it is of: “1 pod”, “3 pods”; ``several`` where it is no “s”."""
    return f"{count} {what if count == 1 else several or what + 's'}"


def in_a_line(message: str, limit: int = MESSAGE_LIMIT) -> str:
    """Return what a failure says in a line of so many characters; empty for one that says nothing.

    That it is an assertion's goes without saying.
    """
    line = next(iter(message.strip().splitlines()), "").removeprefix("AssertionError: ")
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"
