"""Reading what a visitor sends: the form of a vote, and cookies. Nothing here does any I/O."""

import re
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from voting.counts import Category
from voting.errors import RequestError

FORM_TYPE: Final = "application/x-www-form-urlencoded"
RESET: Final = "reset"
FLAG_NAME: Final = "featureflag"
FLAG_VALUE: Final = "on"
FLAG_SECONDS: Final = 15 * 60
LARGEST_COOKIES: Final = 8 * 1024

_CHOICES: Final = (*Category, RESET)
_VOTE_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_MOST_FIELDS: Final = 8
_COOKIE: Final = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")


@dataclass(frozen=True)
class Vote:
    """A vote and the id that makes it count once."""

    category: Category
    id: str


def read_vote(content_type: str, body: bytes, request_id: str | None) -> Vote | None:
    """Read the body of a vote; None stands for a reset (D8).

    The vote's id is the form's own (a page sent twice counts once), else the request's id (a
    proxy repeats a request with the same one), else a new one.

    Raises RequestError, 415 for another content type and 400 for anything that is not exactly one
    known choice with at most one well-formed id.
    """
    if content_type != FORM_TYPE:
        raise RequestError(415, f"A vote has to be sent as {FORM_TYPE}.")
    fields = _fields(body)
    choice = _only(fields, "vote")
    if choice is None:
        raise RequestError(400, "The form has no field named vote.")
    if choice not in _CHOICES:
        raise RequestError(400, f"A vote has to be one of {', '.join(_CHOICES)}.")
    if choice == RESET:
        return None
    vote_id = _only(fields, "id")
    if vote_id is None:
        vote_id = request_id
    if vote_id is None:
        vote_id = new_vote_id()
    if not _VOTE_ID.fullmatch(vote_id):
        raise RequestError(
            400, "A vote's id has to be 1 to 64 letters, digits, dots, hyphens or underscores."
        )
    return Vote(Category(choice), vote_id)


def new_vote_id() -> str:
    """An id that no other vote has."""
    return str(uuid.uuid4())


def _fields(body: bytes) -> Sequence[tuple[str, str]]:
    if not body:
        return ()
    try:
        return parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError as error:
        raise RequestError(400, "The form cannot be read.") from error


def _only(fields: Iterable[tuple[str, str]], name: str) -> str | None:
    values = [value for key, value in fields if key == name]
    if len(values) > 1:
        raise RequestError(400, f"The form has more than one field named {name}.")
    return values[0] if values else None


def check_cookies(headers: Iterable[str]) -> None:
    """Raise RequestError for cookies that are too long (431) or malformed (400).

    Only a control character makes one malformed. Browsers send pairs without a name or without
    `=` as well, and letters that are not ASCII as another application set them, in its encoding.
    """
    cookies = "; ".join(headers)
    if len(cookies) > LARGEST_COOKIES:
        raise RequestError(431, f"The cookies are longer than {LARGEST_COOKIES} characters.")
    if not _COOKIE.fullmatch(cookies):
        raise RequestError(400, "The Cookie header holds control characters.")


def flag_is_set(headers: Iterable[str]) -> bool:
    """Whether one of the Cookie headers holds exactly the cookie `featureflag=on` (C3)."""
    return any(
        pair.strip(" \t") == f"{FLAG_NAME}={FLAG_VALUE}"
        for header in headers
        for pair in header.split(";")
    )
