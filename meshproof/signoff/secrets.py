"""Secrets have no place in a report: what is written is searched for them."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

#: Names of a Secret's fields whose values are secret.
SECRET_FIELD = re.compile(r"pass|token|key|secret", re.IGNORECASE)
#: What begins a private key (RFC 7468), in itself and in base64, by its place in a group of three.
PEM = b"PRIVATE KEY-----"
#: A JSON Web Token (RFC 7519), which a service account's token is: two objects in base64url.
JWT = re.compile(rb"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{16,}")
#: The files of the reports that are searched: whatever scenarios left. What else Allure and
#: JUnit hold is from the harness's own tests, whose names have made-up secrets in them.
SEARCHED = ("evidence/**/*", "allure-results/*-attachment*")


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


def secrets_of(manifests: Path) -> dict[str, bytes]:
    """Return the secret values that manifests hold, by the Secret and the field that has each.

    Raises ``OSError`` or ``yaml.YAMLError``.
    """
    found: dict[str, bytes] = {}
    for file in sorted(manifests.rglob("*.yaml")):
        for document in yaml.safe_load_all(file.read_text()):
            if isinstance(document, Mapping) and document.get("kind") == "Secret":
                found |= dict(_values(document))
    return found


def _values(secret: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    name = secret["metadata"]["name"]
    plain = {key: str(value).encode() for key, value in secret.get("stringData", {}).items()}
    coded = {key: base64.b64decode(value) for key, value in secret.get("data", {}).items()}
    for key, value in {**coded, **plain}.items():
        if SECRET_FIELD.search(key):
            yield f"{name}/{key}", value


def leaks(reports: Path, said: Mapping[str, str], secrets: Mapping[str, bytes]) -> list[str]:
    """Say where the reports hold a secret: one of these, a private key or a token.

    ``said`` is what goes into every report, by the scenario that says it. The secret itself is
    not said. Raises ``OSError``.
    """
    wanted = {f"the value of {name}": [value, *in_base64(value)] for name, value in secrets.items()}
    wanted["a private key"] = [PEM, *in_base64(PEM)]
    found = []
    files = (
        (file.relative_to(reports).as_posix(), file.read_bytes()) for file in files_of(reports)
    )
    texts = ((name, text.encode()) for name, text in said.items())
    for name, content in chain(files, texts):
        what = [one for one, forms in wanted.items() if any(form in content for form in forms)]
        what += ["a token"] * bool(JWT.search(content))
        found += [f"{name} holds {each}, which has no place in a report" for each in what]
    return found


def files_of(reports: Path) -> list[Path]:
    """Return the files of a run's reports that are searched, in the order of their names."""
    found = (file for pattern in SEARCHED for file in reports.glob(pattern))
    return sorted(file for file in found if file.is_file())
