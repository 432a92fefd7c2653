"""Secrets have no place in a report: what is written is searched, and what holds one is withheld.

What is searched for: the values of the manifests' Secrets, private keys and tokens.
docs/reports.md has the rules as a user meets them.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from meshproof.documents import read_all

#: Names of a Secret's fields whose values are secret.
SECRET_FIELD = re.compile(r"pass|token|key|secret", re.IGNORECASE)
#: Bytes, blanks at the ends not counted. Within other text, a value of `LONG` is no chance; one
#: of `SHORT` is looked for as a word of its own. What is shorter, or any number or literal of YAML
#: below `LONG`, is in every long text (“1”, “3306”, “true”): it counts beside its field's name.
LONG, SHORT = 8, 4
COMMON = re.compile(rb"[\d.,:+-]*|true|false|yes|no|on|off|null|none", re.IGNORECASE)
#: What may stand between a field's name and its value: `=`, `:`, quotes, blanks.
BETWEEN = rb"[\"']?[ \t]{0,4}[:=][ \t]{0,4}[\"']?"
#: What begins a private key (RFC 7468), in itself and in base64, by its place in a group of three.
PEM = b"PRIVATE KEY-----"
#: A JSON Web Token (RFC 7519), which a service account's token is: two objects in base64url.
JWT = re.compile(rb"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{16,}")
#: The files of the reports that are searched for everything: whatever scenarios left.
SEARCHED = ("evidence/**/*", "breakages/**/*", "allure-results/*-attachment*")
#: What else tells of scenarios. The harness's own tests are in there too, and their names have
#: made-up keys and tokens in them: it is searched for the manifests' values alone, and for
#: everything where a scenario has said a secret.
TOLD = ("junit.xml", "allure-results/*")
#: Files of manifests.
SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class Secret:
    """A value that no report may hold; ``name`` is the Secret's name and the field's."""

    name: str
    value: bytes


@dataclass(frozen=True)
class Leaks:
    """Where a secret was found: what to say of each, the files that hold one, and who said one.

    ``nodes`` are scenarios (pytest's node ids) whose message or observations hold a secret.
    """

    sentences: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    nodes: tuple[str, ...] = ()


def in_base64(value: bytes) -> list[bytes]:
    """Return how a value shows within base64, wherever it begins in a group of three bytes."""
    shown = []
    for shift in range(3):
        encoded = base64.b64encode(bytes(shift) + value)
        # Neighbours have a share in the digits at both ends.
        begin = (0, 2, 3)[shift]
        whole = (shift + len(value)) // 3 * 4
        shown.append(encoded[begin:whole])
    return shown


def secrets_of(manifests: Path) -> list[Secret]:
    """Return the secret values that manifests hold: of Secrets by themselves and in lists.

    Raises ``OSError``, ``yaml.YAMLError``, or ``ValueError`` for what is no base64.
    """
    found: dict[Secret, None] = {}
    for file in sorted(manifests.rglob("*")):
        if file.suffix in SUFFIXES and file.is_file():
            for document in read_all(file.read_text()):
                for secret in _secrets_within(document):
                    found |= dict.fromkeys(_values(secret))
    return list(found)


def _secrets_within(document: object, kind: str = "") -> Iterator[Mapping[str, Any]]:
    """A Secret itself, and those of a list: of one of its own (`SecretList`), or of a `List`."""
    if not isinstance(document, Mapping):
        return
    own = str(document.get("kind") or kind)
    if own == "Secret":
        yield document
    elif own.endswith("List") and isinstance(document.get("items"), list):
        for item in document["items"]:
            yield from _secrets_within(item, own.removesuffix("List"))


def _values(secret: Mapping[str, Any]) -> Iterator[Secret]:
    metadata = _mapping(secret, "metadata")
    name = metadata.get("name") or metadata.get("generateName")
    if not name:
        raise ValueError("a Secret has no name")
    for key, value in _mapping(secret, "data").items():
        yield from _value(name, key, base64.b64decode(_text(value)))
    for key, value in _mapping(secret, "stringData").items():
        yield from _value(name, key, _text(value).encode())


def _mapping(secret: Mapping[str, Any], field: str) -> Mapping[Any, Any]:
    """A field that holds others; one with nothing in it is as none."""
    value = secret.get(field) or {}
    if not isinstance(value, Mapping):
        raise ValueError(f"a Secret's {field} holds no fields")
    return value


def _value(name: str, key: object, value: bytes) -> Iterator[Secret]:
    if SECRET_FIELD.search(str(key)) and value.strip():
        yield Secret(f"{name}/{key}", value)


def _text(value: object) -> str:
    return "" if value is None else str(value)


def pattern_of(secret: Secret) -> re.Pattern[bytes]:
    """Return how a secret shows: as it is, in base64, and as JSON and XML write it.

    A long one shows anywhere, a short one as a word, a very short one as its field's value.
    """
    value = secret.value.strip()
    forms = _forms(secret.value) | _forms(value)
    if len(value) >= LONG:
        within = [form for one in (secret.value, value) for form in in_base64(one)]
        within += [form.translate(bytes.maketrans(b"+/", b"-_")) for form in within]
        return _any(forms | set(within))
    own = b"(?:" + _any({value, *forms, base64.b64encode(secret.value)}).pattern + rb")(?![\w+/=])"
    if len(value) >= SHORT and not COMMON.fullmatch(value):
        return re.compile(rb"(?<![\w+/])" + own)
    field = re.escape(secret.name.rpartition("/")[2].encode())
    return re.compile(rb"(?<!\w)" + field + BETWEEN + own)


def _forms(value: bytes) -> set[bytes]:
    text = value.decode(errors="surrogateescape")
    written = {value}
    for form in (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], escape(text),
                 escape(text, {'"': "&quot;", "\n": "&#10;"})):  # fmt: skip
        written.add(form.encode(errors="surrogateescape"))
    return written


def _any(forms: Iterable[bytes]) -> re.Pattern[bytes]:
    longest_first = sorted(forms, key=len, reverse=True)
    return re.compile(b"|".join(map(re.escape, longest_first)))


def leaks(reports: Path, said: Mapping[str, str], secrets: Sequence[Secret]) -> Leaks:
    """Say where the reports hold a secret: one of these, a private key or a token.

    ``said`` is what goes into every report, by the scenario that says it. The secret itself is
    not said. Raises ``OSError``.
    """
    values = {f"the value of {one.name}": pattern_of(one) for one in secrets}
    everything = {**values, "a private key": _any([PEM, *in_base64(PEM)]), "a token": JWT}
    sentences: list[str] = []
    files: list[Path] = []
    nodes: list[str] = []
    for node, text in said.items():
        found = _held(text.encode(errors="surrogateescape"), everything)
        sentences += [_sentence(node, each) for each in found]
        nodes += [node] * bool(found)
    whole = set(_files(reports, SEARCHED))
    for file in _files(reports, (*SEARCHED, *TOLD)):
        found = _held(file.read_bytes(), everything if nodes or file in whole else values)
        sentences += [_sentence(file.relative_to(reports).as_posix(), each) for each in found]
        files += [file] * bool(found)
    return Leaks(tuple(sentences), tuple(files), tuple(nodes))


def _held(content: bytes, wanted: Mapping[str, re.Pattern[bytes]]) -> list[str]:
    return [what for what, pattern in wanted.items() if pattern.search(content)]


def _sentence(where: str, what: str) -> str:
    return f"{where} holds {what}, which has no place in a report"


def _files(reports: Path, patterns: Iterable[str]) -> list[Path]:
    found = {file for pattern in patterns for file in reports.glob(pattern)}
    return sorted(file for file in found if file.is_file())


def withhold(reports: Path, files: Sequence[Path]) -> list[str]:
    """Move files out of the reports, to a new folder beside them that only its owner can read.

    Returns what to say of it; nothing where there are none. One that cannot be moved is deleted:
    what comes next may send the whole reports folder away.
    """
    if not files:
        return []
    folder = _folder_beside(reports)
    unmoved = [file for file in files if not _moved(file, reports, folder)]
    left = [file for file in unmoved if not _deleted(file)]
    moved, deleted = len(files) - len(unmoved), len(unmoved) - len(left)
    said = []
    if moved:
        said.append(f"{_files_are(moved)} moved out of the reports, to {folder}")
    if deleted:
        said.append(f"{_files_are(deleted)} deleted, as nothing could be moved beside")
    if left:
        names = ", ".join(file.relative_to(reports).as_posix() for file in left)
        said.append(f"Still in the reports, do not pass them on: {names}")
    return said


def _moved(file: Path, reports: Path, folder: Path | None) -> bool:
    if folder is None:
        return False
    try:
        place = folder / file.relative_to(reports)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(file, place)
    except OSError:
        return False
    return True


def _deleted(file: Path) -> bool:
    with suppress(OSError):
        file.unlink()
    return not file.exists()


def _files_are(number: int) -> str:
    return f"{number} file{'s' * (number > 1)} with a secret {'were' if number > 1 else 'was'}"


def _folder_beside(reports: Path) -> Path | None:
    whole = reports.resolve()
    try:
        return Path(tempfile.mkdtemp(prefix=f"{whole.name}-withheld-", dir=whole.parent))
    except OSError:
        return None
