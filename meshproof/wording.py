"""What was seen, in words: sentences of a report hold no notation of a programming language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

#: How many of a list are named before the rest is counted.
NAMED = 10
#: What cannot be seen in a text, by its name.
UNSEEN = {"\t": "tab", "\n": "new line", "\r": "return"}
#: How Python escapes the bytes 80 to FF that are no UTF-8.
ESCAPED = range(0xDC80, 0xDD00)
#: Characters of a failure's message that stand in a line.
MESSAGE_LIMIT = 200
#: Words of a result that says how surely it was found; a sign-off tells such a one first.
NOTICED, SAMPLES_TAKEN = "would have been noticed with", "an even split takes"
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


def in_turn(lines: Iterable[object], none: str = "none", most: int | None = None) -> str:
    """Return lines that hold commas of their own: “a, b; c, d”; of more the first ``most``."""
    texts = [str(line) for line in lines]
    if most is not None and len(texts) > most:
        texts = [*texts[:most], f"{len(texts) - most} more"]
    return "; ".join(texts) or none


def by_name(numbers: Mapping[str, object], none: str = "none", most: int = NAMED) -> str:
    """Return values by their names as a sentence lists them: “a 1, b 2 and c 3”."""
    return listed((f"{name} {value}" for name, value in numbers.items()), none, most)


def quoted(text: str, nothing: str = "nothing") -> str:
    """Return a text in quotes and in a line; what cannot be seen is named: “a⟨tab⟩b”.

    Bytes that are no UTF-8 are those that Python escapes (``surrogateescape``).
    """
    whole = text.replace("\r\n", "⟨line end⟩")
    return f"“{''.join(map(_visible, whole))}”" if text else nothing


def _visible(letter: str) -> str:
    code = ord(letter)
    if letter in UNSEEN:
        return f"⟨{UNSEEN[letter]}⟩"
    if letter.isprintable():
        return letter
    if code in ESCAPED:
        return f"⟨byte {code - ESCAPED.start + 0x80:02X}⟩"
    return f"⟨byte {code:02X}⟩" if code < 0x80 else f"⟨U+{code:04X}⟩"


def told(value: object) -> str:
    """Return whatever was seen in words, whole."""
    if value is None or isinstance(value, bool):
        return "yes" if value else "nothing" if value is None else "no"
    if isinstance(value, Mapping):
        return in_turn((f"{told(name)}: {told(each)}" for name, each in value.items()), "nothing")
    if isinstance(value, (list, tuple, set, frozenset)):
        return in_turn(map(told, value), "nothing")
    return str(value)


def number(count: int, what: str, several: str = "") -> str:
    """Return a number with what it is of: “1 pod”, “3 pods”; ``several`` where it is no “s”."""
    return f"{count} {what if count == 1 else several or what + 's'}"


def in_a_line(message: str, limit: int = MESSAGE_LIMIT) -> str:
    """Return what a failure says in a line of so many characters; empty for one that says nothing.

    That it is an assertion's goes without saying.
    """
    line = next(iter(message.strip().splitlines()), "").removeprefix("AssertionError: ")
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"
