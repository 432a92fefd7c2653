"""Reading a sign-off: the document that a file holds, or one sentence why it holds none."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from meshproof.errors import UsageFailure
from meshproof.signoff.consistency import contradictions
from meshproof.signoff.document import FILE, SignOff

#: Levels of lists and objects within each other; a sign-off has ten.
DEEPEST = 50


def read(path: Path) -> SignOff:
    """Read a sign-off, from its file or from the reports folder that it is in.

    Raises ``UsageFailure`` with one sentence where there is none, or it is not whole, or not one
    that this release can read.
    """
    file = path / FILE if path.is_dir() else path
    try:
        content = json.loads(file.read_bytes())
    except OSError as error:
        raise UsageFailure(
            f"There is no sign-off to read at {file} ({error.strerror}): name a signoff.json, or "
            "the reports folder that it is in."
        ) from error
    except ValueError as error:
        raise UsageFailure(
            f"{file} is no whole JSON document ({error}): it was cut off or is another file. "
            "Run the suite again, or name another."
        ) from error
    except RecursionError as error:
        raise _too_deep(file) from error
    return parse(content, str(file))


def parse(content: object, file: str) -> SignOff:
    """Return the sign-off that a document is. Raises ``UsageFailure`` as ``read`` does."""
    if deeper(content, DEEPEST):
        raise _too_deep(file)
    version = content.get("version") if isinstance(content, dict) else None
    if not isinstance(version, str) or not version.startswith("1."):
        said = f"says version {version!r}" if version is not None else "says no version"
        raise UsageFailure(
            f"{file} is no sign-off that this release can read: it {said}, and version 1 is wanted."
        )
    try:
        document = SignOff.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageFailure(
            f"{file} is no sign-off as this release writes it: {where}: {first['msg']}. It was "
            "edited by hand, or written by another program."
        ) from error
    for line in contradictions(document):
        raise UsageFailure(f"{file} contradicts itself: {line}. It was edited by hand.")
    return document


def deeper(content: object, levels: int) -> bool:
    """Whether JSON has more levels of lists and objects within each other."""
    level = [content]
    for _ in range(levels + 1):
        level = [
            each
            for value in level
            if isinstance(value, list | dict)
            for each in (value.values() if isinstance(value, dict) else value)
        ]
    return bool(level)


def _too_deep(file: object) -> UsageFailure:
    return UsageFailure(
        f"{file} is no sign-off: its JSON has more than {DEEPEST} levels. Name a signoff.json, or "
        "the reports folder that it is in."
    )
