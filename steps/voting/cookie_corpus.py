"""Cookie headers that nearly hold the flag, or hold it among others that nearly do (C3).

Made by Hypothesis from one seed, so that every run sends the same: as many with the flag as
without it, for each kind of near miss. What they get is told in `steps.voting.cookie_gate`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product

import hypothesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from meshproof.analysis.observation import Observation, unless
from meshproof.wording import listed
from steps.voting.cookie_gate import Headers, Seen, by_kind, counts, summary
from steps.voting.flag_cookie import COOKIE, NAME, VALUE

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


def enough_of_each_kind(seen: Sequence[Seen], least: int) -> Observation:
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
    made = by_kind(seen)
    return [kind for kind in KINDS if min(counts(made.get(kind, []))) < least]
