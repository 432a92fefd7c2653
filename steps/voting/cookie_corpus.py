"""Cookie headers that nearly hold the flag, or hold it among others that nearly do (C3).

Made by Hypothesis from one seed, so that every run sends the same: as many with the flag as
without it, for each kind of near miss. Beside them is what came of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import hypothesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from meshproof.analysis.observation import Observation, unless
from meshproof.wording import listed, quoted
from steps.voting.flag_cookie import COOKIE, NAME, VALUE, WITH, holds_flag

SEED = 20181203
#: Few letters, so that the rest comes often enough.
NAME_LETTERS = "anXZ09-_."
VALUE_LETTERS = NAME_LETTERS + ",!#$%&'()*+/:<=>?@[]^`{|}~"
#: Letters in UTF-8, and a byte that is none of it: é in Latin 1, as Python escapes it.
FOREIGN_LETTERS = "éß漢😀\udce9"
#: How long a long cookie is, in characters. Three of them stay below the app's limit of 8 KiB.
LONG = (500, 2000)
#: Where the flag has letters.
LETTERS = [place for place, letter in enumerate(COOKIE) if letter.isalpha()]
#: What stands between two cookies where nothing is odd about it.
USUAL = "; "

Texts = st.SearchStrategy[str]


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


def _text(letters: str) -> Texts:
    return st.text(letters, max_size=8)


def _within_more(text: str, letters: str) -> Texts:
    """A text with more before it, after it, or both."""
    more = st.text(letters, min_size=1, max_size=8)
    before, after = st.tuples(more, st.just("")), st.tuples(st.just(""), more)
    return st.one_of(before, after, st.tuples(more, more)).map(
        lambda pair: f"{pair[0]}{text}{pair[1]}"
    )


def _with_letters_changed(change: Callable[[str], str]) -> Texts:
    """The flag with some of its letters changed."""
    places = st.sets(st.sampled_from(LETTERS), min_size=1)
    return places.map(
        lambda some: "".join(change(c) if i in some else c for i, c in enumerate(COOKIE))
    )


def _with_blanks_inside() -> Texts:
    blanks = st.sampled_from(("", " ", "\t", "  "))
    pairs = st.tuples(blanks, blanks).filter(any)
    return pairs.map(lambda pair: f"{NAME}{pair[0]}={pair[1]}{VALUE}")


ORDINARY: Texts = st.builds(
    "{}={}".format,
    st.sampled_from(("session", "lang", "theme", "_ga", "on", "flag")),
    _text(VALUE_LETTERS),
)

#: Cookies that are not the flag, by what they have of it.
PARTS: Mapping[str, Texts] = {
    "another name": _within_more(NAME, NAME_LETTERS).map(lambda name: f"{name}={VALUE}"),
    "another value": st.one_of(
        st.sampled_from(("", "o", "n", "off", "no", "1", "true")),
        _within_more(VALUE, VALUE_LETTERS),
    ).map(lambda value: f"{NAME}={value}"),
    "quotes": st.sampled_from(
        (f'{NAME}="{VALUE}"', f'"{COOKIE}"', f'"{NAME}"={VALUE}', f"{NAME}='{VALUE}'", f'{COOKIE}"')
    ),
    "another case": _with_letters_changed(str.swapcase),
    "percent-encoded": _with_letters_changed(lambda letter: f"%{ord(letter):02X}"),
    "blanks inside": _with_blanks_inside(),
    "no pair": st.sampled_from((NAME, VALUE, f"={VALUE}", "=", f"{NAME}=={VALUE}", f"{NAME}:on")),
    "in another's value": st.builds(
        "{}={}{}{}".format,
        st.sampled_from(("a", "next", "")),
        st.sampled_from(("", "1,", "1, ", "1 ", "1&", '"', "/?", "%3B")),
        st.just(COOKIE),
        st.sampled_from(("", ",1", " 1", "&b=1", '"', "%3B")),
    ),
    "not ASCII": st.one_of(
        st.text(FOREIGN_LETTERS, min_size=1, max_size=4).map(lambda value: f"a={value}"),
        _within_more(NAME, FOREIGN_LETTERS).map(lambda name: f"{name}={VALUE}"),
        _within_more(VALUE, FOREIGN_LETTERS).map(lambda value: f"{NAME}={value}"),
        st.sampled_from((f"{NAME}=οn", f"ｆeatureflag={VALUE}", f"{NAME}＝{VALUE}")),  # noqa: RUF001
    ),
    "nothing": st.sampled_from(("", " ", "\t", "  \t")),
    "ordinary": ORDINARY,
    "long": st.builds(
        lambda name, filling, size: f"{name}=" + (filling * size)[:size],
        st.sampled_from(("pad", f"x{NAME}")),
        st.sampled_from(("x", f"{COOKIE},", f"{COOKIE}.")),
        st.integers(*LONG),
    ),
}
#: What may stand between two cookies, by what is odd about it.
SEPARATORS: Mapping[str, Texts] = {
    "no space after the semicolon": st.just(";"),
    "odd spacing": st.sampled_from((";\t", " ; ", "\t;\t", ";;", "; ;", ";  ")),
}
#: Headers that are not Cookie and hold the flag.
OTHERS = st.tuples(
    st.sampled_from(("X-Cookie", "Cookie2", "Set-Cookie", "X-Forwarded-Cookie", NAME, f"x-{NAME}")),
    st.sampled_from((COOKIE, VALUE)),
)
TWO_LINES, OTHER_HEADER = "two Cookie lines", "in another header"
KINDS = (*PARTS, *SEPARATORS, TWO_LINES, OTHER_HEADER)


@st.composite
def headers(draw: st.DrawFn, kind: str, *, flag: bool) -> Headers:
    """Draw the headers of a request with one kind of near miss, with the flag or without it."""
    near = PARTS.get(kind, st.one_of(*PARTS.values()))
    cookies = draw(st.lists(near, min_size=1, max_size=3)) + draw(st.lists(ORDINARY, max_size=2))
    cookies = draw(st.permutations(cookies + [COOKIE] * flag))
    # An empty second line is a near miss too.
    cut = draw(st.integers(1, len(cookies))) if kind == TWO_LINES else None
    parts = [cookies] if cut is None else [cookies[:cut], cookies[cut:]]
    between = SEPARATORS.get(kind, st.just(USUAL))
    return Headers(
        kind,
        tuple(_joined(part, lambda: draw(between)) for part in parts),
        draw(OTHERS) if kind == OTHER_HEADER else None,
    )


def _joined(cookies: Sequence[str], separator: Callable[[], str]) -> str:
    return "".join(cookie if i == 0 else separator() + cookie for i, cookie in enumerate(cookies))


def generate(each: int) -> list[Headers]:
    """Make headers of each kind, so many with the flag and as many without it at most.

    Where there are no more different ones, Hypothesis stops before. Always the same with the
    same version of Hypothesis.
    """
    made: list[Headers] = []
    for kind, flag in product(KINDS, (True, False)):
        _generate(headers(kind, flag=flag), each, made.append)
    return made


def _generate(
    strategy: st.SearchStrategy[Headers], count: int, keep: Callable[[Headers], None]
) -> None:
    @seed(SEED)
    @settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        # It is about what is made, not about how fast.
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def look(one: Headers) -> None:
        keep(one)

    look()


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
    for kind, alike in _by_kind(asked).items():
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
    flagged, others = _counts(seen)
    kinds = (
        f"{kind} {flagged} and {others}"
        for kind, some in _by_kind(seen).items()
        for flagged, others in [_counts(some)]
    )
    return f"{flagged} requests held the flag and {others} did not: {', '.join(kinds)}"


def by_kinds(seen: Sequence[Seen], least: int) -> Observation:
    """Say how many requests of each kind held the flag; of each, and without it, at least so many.

    What was generated depends on Hypothesis' version, which is told.
    """
    few = lacking(seen, least)
    kinds = listed(few, most=len(few))
    return Observation(
        details=[f"by Hypothesis {hypothesis.__version__} from seed {SEED}: {summary(seen)}"],
        problems=unless(not few, f"fewer than {least} with the flag, or without it: {kinds}"),
    )


def lacking(seen: Sequence[Seen], least: int) -> list[str]:
    """Return the kinds of which fewer than so many requests held the flag, or fewer did not."""
    by_kind = _by_kind(seen)
    return [kind for kind in KINDS if min(_counts(by_kind.get(kind, []))) < least]


def _by_kind(seen: Sequence[Seen]) -> dict[str, list[Seen]]:
    found: dict[str, list[Seen]] = {}
    for one in seen:
        found.setdefault(one.headers.kind, []).append(one)
    return found


def _counts(seen: Sequence[Seen]) -> tuple[int, int]:
    """How many hold the flag, and how many do not."""
    flagged = sum(one.headers.flagged for one in seen)
    return flagged, len(seen) - flagged
