"""Who a visitor says they are: the form that signs in, and the cookie that remembers it.

Nobody proves anything, as in the original: any name will do, and no password is checked. So the
cookie is the name itself; a signature would protect nothing. Nothing here does any I/O.
"""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import parse_qsl, quote, unquote

from bookinfo.errors import RequestError

FORM_TYPE: Final = "application/x-www-form-urlencoded"
COOKIE: Final = "session"
_MOST_FIELDS: Final = 8
# It becomes a header's value, which not every proxy takes in other letters.
_NAME: Final = re.compile(r"[!-~]([ -~]{0,62}[!-~])?")


def read_name(content_type: str, body: bytes) -> str:
    """The name in the form that signs in, without blanks around it.

    Raises RequestError: 415 for another content type, 400 for a form without one usable name.
    """
    if content_type != FORM_TYPE:
        raise RequestError(415, f"A name has to be sent as {FORM_TYPE}.")
    try:
        fields = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_FIELDS
        )
    except ValueError as error:
        raise RequestError(400, "The form cannot be read.") from error
    names = [value.strip() for field, value in fields if field == "username"]
    if len(names) != 1:
        raise RequestError(400, "The form has to have one field named username.")
    if not _NAME.fullmatch(names[0]):
        raise RequestError(
            400, "A name has to be 1 to 64 letters without accents, digits, signs or blanks."
        )
    return names[0]


def cookie_of(name: str) -> str:
    """The value of the cookie that remembers a name."""
    return quote(name, safe="")


def name_in(cookie_headers: Iterable[str]) -> str | None:
    """The name that the first session cookie in these headers holds; None is nobody's."""
    for header in cookie_headers:
        for pair in header.split(";"):
            key, _, value = pair.strip(" \t").partition("=")
            if key == COOKIE:
                name = unquote(value)
                return name if _NAME.fullmatch(name) else None
    return None
