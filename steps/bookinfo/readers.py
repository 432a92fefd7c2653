"""Who views the product page: jason, everyone else, and who comes close to being jason."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

#: The user of the tutorial, and another one.
JASON, ANNA = "jason", "anna"
#: What is said of the two kinds of users.
EVERYONE_ELSE = "everyone else"
#: The header by which components tell each other who asks.
END_USER = "end-user"


def signed_in(name: str) -> dict[str, str]:
    """What the browser of somebody sends who has signed in by this name."""
    return {"Cookie": f"session={quote(name, safe='')}"}


def reader() -> str:
    """Return a name that nobody had before, so that what it asked for can be found again."""
    return f"reader-{uuid.uuid4().hex[:12]}"


@dataclass(frozen=True)
class Attempt:
    """A request that comes close to jason's, or is his: what it sends, and whether it is his."""

    name: str
    headers: Mapping[str, str] = field(default_factory=dict)
    query: str = ""
    is_jason: bool = False


def _name(told: str, name: str) -> Attempt:
    return Attempt(f"signed in as {told}", signed_in(name))


#: His own, in every way that his browser may send it.
HIS_OWN = (
    Attempt("signed in as jason", signed_in(JASON), is_jason=True),
    Attempt("with a cookie before", {"Cookie": "theme=dark; session=jason"}, is_jason=True),
    Attempt("with a cookie after", {"Cookie": "session=jason; theme=dark"}, is_jason=True),
    Attempt("without a blank", {"Cookie": "a=1;session=jason;b=2"}, is_jason=True),
    Attempt("with an escaped letter", {"Cookie": "session=%6Aason"}, is_jason=True),
    Attempt("who says to be anna", {**signed_in(JASON), END_USER: ANNA}, is_jason=True),
    Attempt("with a query", signed_in(JASON), "?user=anna", is_jason=True),
)
#: What is none of his.
NEAR_MISSES = (
    Attempt("nobody signed in"),
    _name("Jason", "Jason"),
    _name("JASON", "JASON"),
    _name("jaso", "jaso"),
    _name("jasonx", "jasonx"),
    _name("xjason", "xjason"),
    _name("jason and more", "jason and more"),
    _name("jason,anna", "jason,anna"),
    _name("anna,jason", "anna,jason"),
    _name("jason.", "jason."),
    _name("jason in quotes", '"jason"'),
    _name("all of a pattern", "jas.*"),
    _name("anna", ANNA),
    Attempt("the header alone", {END_USER: JASON}),
    Attempt("the header in capitals", {"END-USER": JASON}),
    Attempt("anna with the header", {**signed_in(ANNA), END_USER: JASON}),
    Attempt("another header", {"x-end-user": JASON}),
    Attempt("a header user", {"user": JASON}),
    Attempt("a cookie user", {"Cookie": "user=jason"}),
    Attempt("a cookie Session", {"Cookie": "Session=jason"}),
    Attempt("a cookie end-user", {"Cookie": "end-user=jason"}),
    Attempt("anna's cookie first", {"Cookie": "session=anna; session=jason"}),
    Attempt("a query", query="?end-user=jason"),
    Attempt("a query username", query="?username=jason&session=jason"),
    Attempt("a password", {"Authorization": "Basic amFzb246amFzb24="}),
    Attempt("a user agent", {"User-Agent": JASON}),
)
