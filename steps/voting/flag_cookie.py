"""The feature flag's cookie: who holds it (C3), and how long and where it is sent (C8)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from meshproof.errors import PromiseBroken
from meshproof.wording import in_turn, quoted

NAME, VALUE = "featureflag", "on"
COOKIE = f"{NAME}={VALUE}"
#: The two kinds of users.
WITH, WITHOUT = "users with the flag", "users without the flag"
#: Around a cookie these mean nothing.
BLANKS = " \t"
#: Seconds for which the flag is set: 15 minutes.
LIFETIME = 15 * 60


def holds_flag(lines: Iterable[str]) -> bool:
    """Whether a request's Cookie lines hold the flag: the reference reading of C3.

    Each line is split at semicolons and each part trimmed; name and value are compared exactly,
    and one match is enough.
    """
    for line in lines:
        for part in line.split(";"):
            name, equals, value = part.strip(BLANKS).partition("=")
            if (name, equals, value) == (NAME, "=", VALUE):
                return True
    return False


@dataclass(frozen=True)
class SetCookie:
    """What a Set-Cookie header says; attributes' names in lower case, without a value ``""``."""

    name: str
    value: str
    attributes: Mapping[str, str]


def read_set_cookie(header: str) -> SetCookie:
    """Read a Set-Cookie header (RFC 6265, 5.2); ``PromiseBroken`` where it sets no cookie."""
    pair, *attributes = (part.strip(BLANKS) for part in header.split(";"))
    name, equals, value = pair.partition("=")
    if not (name and equals):
        raise PromiseBroken(f"it sets no cookie: {quoted(header)}")
    pairs = (attribute.partition("=") for attribute in attributes)
    return SetCookie(name, value, {key.lower(): setting for key, _, setting in pairs})


def wrongly_set(header: str) -> list[str]:
    """Say how a Set-Cookie header sets the flag otherwise than C8 wants it; empty if it does not.

    Raises ``PromiseBroken`` where it sets no cookie.
    """
    cookie = read_set_cookie(header)
    pair = f"{cookie.name}={cookie.value}"
    return [f"it sets {pair}"] * (pair != COOKIE) + _wrong_attributes(cookie, LIFETIME)


def wrongly_cleared(header: str) -> list[str]:
    """Say how a Set-Cookie header fails to clear the flag; empty if it does not.

    A browser forgets only a cookie of the same name, path and domain. Raises ``PromiseBroken``
    where it sets no cookie.
    """
    cookie = read_set_cookie(header)
    other = [f"it clears {cookie.name}"] * (cookie.name != NAME)
    return other + _wrong_attributes(cookie, 0)


def wrongly_kept(jar: Sequence[Mapping[str, Any]], begun: float, ended: float) -> list[str]:
    """Say how a browser keeps the flag otherwise than for 15 minutes and the whole site.

    ``jar`` is its cookies as Playwright tells them, ``begun`` and ``ended`` the time around the
    request that set the flag, in seconds since 1970.
    """
    if [(cookie["name"], cookie["value"]) for cookie in jar] != [(NAME, VALUE)]:
        return [f"it keeps {kept(jar)}"]
    path, expires = jar[0]["path"], jar[0]["expires"]
    found = [] if path == "/" else [f"it keeps it for {path}, not /"]
    if not begun + LIFETIME <= expires <= ended + LIFETIME:
        found.append(f"it keeps it for {expires - ended:.1f} s, not {LIFETIME}")
    return found


def kept(jar: Sequence[Mapping[str, Any]]) -> str:
    """Return the cookies that a browser keeps, each with its path and for how long, in words."""
    return in_turn(map(_kept, jar), "no cookie")


def _kept(cookie: Mapping[str, Any]) -> str:
    ends = cookie["expires"]
    # Playwright's word for as long as the browser is open.
    until = "it is closed" if ends < 0 else f"{datetime.fromtimestamp(ends, UTC):%F %T} UTC"
    where = f"{cookie.get('domain', '')}{cookie['path']}"
    return f"{cookie['name']}={cookie['value']} for {where} until {until}"


def _wrong_attributes(cookie: SetCookie, lifetime: int) -> list[str]:
    stated = cookie.attributes
    wanted = {"max-age": str(lifetime), "path": "/"}
    found = [
        f"{name} is {stated.get(name, 'not stated')}, not {value}"
        for name, value in wanted.items()
        if stated.get(name) != value
    ]
    # The ingress is plain HTTP, and known by its address.
    unwanted = [name for name in ("domain", "secure") if name in stated]
    return found + [f"{name} keeps it from the ingress" for name in unwanted]
