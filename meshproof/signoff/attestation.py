"""The attestation of a sign-off: what was tested, what came of it, and the digests of both.

It is an in-toto Statement (https://in-toto.io/Statement/v1) with the predicate test-result
(https://in-toto.io/attestation/test-result/v0.1) in a DSSE envelope.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from google.protobuf.json_format import MessageToDict
from in_toto_attestation.predicates.test_result.v0.test_result_pb2 import TestResult
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement
from pydantic import BaseModel, Field, TypeAdapter, ValidationError, field_validator
from securesystemslib.signer import CryptoSigner

from meshproof.errors import MeshproofError
from meshproof.signoff.document import ScopePart
from meshproof.signoff.envelope import seal
from meshproof.signoff.keys import read_private
from meshproof.signoff.verdict import Outcome, Verdict

PAYLOAD_TYPE = "application/vnd.in-toto+json"
PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"

#: Files and folders of the reports.
ATTESTATION = "attestation.dsse.json"
SIGNOFF = "signoff.json"
REPORTS = (SIGNOFF, "signoff.html", "signoff.md", "junit.xml")
EVIDENCE = "evidence"
#: What the names of manifests begin with; the folder itself may have any name.
MANIFESTS = "manifests"

#: From good to bad: of several examples of a scenario, the worst counts.
RESULTS = ("PASSED", "WARNED", "FAILED")
OF_VERDICT = {Verdict.ACCEPTED: "PASSED", Verdict.REJECTED: "FAILED"}
OF_OUTCOME = {Outcome.PASSED: "PASSED", Outcome.FAILED: "FAILED"}

#: Names with the sha256 of what they name; None for what is no file or cannot be read.
Digests = Mapping[str, str | None]
#: What a scope says of ``--quick``: tables of texts, of lists of them and of counts.
Quick = dict[str, list[dict[str, str | list[str] | Annotated[int, Field(ge=0, le=10**6)]]]]
_IMAGES = TypeAdapter(dict[str, Annotated[str, Field(pattern=r"^(sha256:)?[0-9a-f]{64}$")]])


class NotSigned(MeshproofError):
    """A sign-off could not be signed."""


class Scenario(BaseModel):
    """A scenario as a sign-off has it."""

    name: str
    outcome: Outcome
    weakened: list[Any] = []


class Row(BaseModel):
    """An expectation as a sign-off has it."""

    id: str
    scenarios: list[Scenario]


class Attested(BaseModel):
    """What an attestation repeats of ``signoff.json``."""

    verdict: Verdict
    scope: dict[str, str | list[str] | Quick | None]
    expectations: list[Row]
    environment: dict[str, Any]
    started: str = ""

    @field_validator("environment")
    @classmethod
    def _digests(cls, value: dict[str, Any]) -> dict[str, Any]:
        _IMAGES.validate_python(value.get("images", {}))
        return value

    @property
    def scope_line(self) -> str:
        """The scope in a line, as far as it says one."""
        with suppress(ValidationError):
            return str(ScopePart.model_validate(self.scope))
        return json.dumps(self.scope, ensure_ascii=False)

    @property
    def suites(self) -> tuple[str, ...]:
        """The names of the suites that it is of; empty where it does not say."""
        with suppress(ValidationError):
            return tuple(ScopePart.model_validate(self.scope).suites)
        return ()

    @property
    def images(self) -> dict[str, str]:
        """The sha256 of each image's configuration; Podman leaves the algorithm out."""
        images: dict[str, str] = self.environment.get("images", {})
        return {name: digest.rpartition(":")[2] for name, digest in images.items()}


def results_of(signoff: Attested) -> dict[str, str]:
    """Return the result of each test: a scenario as the proof of one expectation.

    A scenario that neither passed nor found a promise broken is ``WARNED``: nothing can be said.
    So is one that passed with weaker samples than it asks for.
    """
    ended: dict[str, str] = {}
    for row in signoff.expectations:
        for scenario in row.scenarios:
            name = f"{row.id}: {scenario.name}"
            result = OF_OUTCOME.get(scenario.outcome, "WARNED")
            if scenario.weakened:
                result = max(result, "WARNED", key=RESULTS.index)
            ended[name] = max(ended.get(name, result), result, key=RESULTS.index)
    return ended


def predicate(signoff: Attested, manifests: Mapping[str, str]) -> TestResult:
    """Return the predicate of a sign-off; ``manifests`` are names with their sha256."""
    tests = results_of(signoff)
    passed, warned, failed = (
        [name for name, ended in tests.items() if ended == result] for result in RESULTS
    )
    versions = {key: text for key, text in signoff.environment.items() if isinstance(text, str)}
    scope = {key: value for key, value in signoff.scope.items() if value}
    return TestResult(
        result=OF_VERDICT.get(signoff.verdict, "WARNED"),
        configuration=[
            *(_descriptor(name, digest) for name, digest in sorted(manifests.items())),
            _descriptor("environment", _digest_of_value(signoff.environment), versions),
            _descriptor("scope", _digest_of_value(signoff.scope), scope),
        ],
        passed_tests=passed,
        warned_tests=warned,
        failed_tests=failed,
    )


def statement(
    signoff: Attested, reports: Mapping[str, str], manifests: Mapping[str, str]
) -> dict[str, Any]:
    """Return the Statement over reports, evidence, manifests and images, by names and sha256."""
    subjects = {**reports, **manifests, **signoff.images}
    made = Statement(
        [_descriptor(name, digest) for name, digest in sorted(subjects.items())],
        PREDICATE_TYPE,
        MessageToDict(predicate(signoff, manifests)),
    )
    made.validate()
    return MessageToDict(made.pb)


def digests_of_reports(folder: Path) -> dict[str, str | None]:
    """Return the digests of the reports that are there and of everything below ``evidence/``.

    No symbolic link is followed: what it leads to is no part of the reports.
    """
    names = [name for name in REPORTS if _is_there(folder / name)]
    if _is_there(folder / EVIDENCE):
        names += _below(folder, EVIDENCE)
    return {name: _digest_of_file(folder / name, follow=False) for name in names}


def digests_of_manifests(folders: Mapping[str, Path]) -> dict[str, str | None]:
    """Return the digests of all files of manifests folders; links to files are followed.

    ``folders`` are those of a run's suites, by their names, which the names of the files begin with
    where there are several.
    """
    several = len(folders) > 1
    return {
        str(PurePosixPath(MANIFESTS, suite if several else "", name)): _digest_of_file(
            folder / name, follow=True
        )
        for suite, folder in folders.items()
        for name in _below(folder, ".")
    }


def sign(reports: Path, manifests: Mapping[str, Path], key: Path) -> str:
    """Sign what a run left in ``reports`` and write the attestation beside it.

    ``manifests`` are the folders that were followed, by the names of the run's suites.
    Returns the id of the key. Raises ``UsageFailure`` where the key cannot be read, and
    ``NotSigned`` where something that is to be signed cannot be, or the attestation not written.
    """
    signer = read_private(key)
    try:
        signoff = Attested.model_validate_json((reports / SIGNOFF).read_bytes())
    except OSError as error:
        raise NotSigned(f"{reports / SIGNOFF} cannot be read ({error.strerror}).") from error
    except ValidationError as error:
        raise NotSigned(f"{reports / SIGNOFF} is not a sign-off.") from error
    made = statement(
        signoff, _all_read(digests_of_reports(reports)), _all_read(digests_of_manifests(manifests))
    )
    write_sealed(reports / ATTESTATION, made, signer)
    return signer.public_key.keyid


def write_sealed(path: Path, made: Mapping[str, Any], signer: CryptoSigner) -> None:
    """Sign a Statement and write its envelope. Raises ``NotSigned`` where that cannot be done."""
    envelope = seal(json.dumps(made, sort_keys=True).encode(), PAYLOAD_TYPE, signer)
    try:
        path.write_text(json.dumps(envelope, indent=2) + "\n")
    except OSError as error:
        with suppress(OSError):  # half an envelope would only be in the way
            path.unlink()
        raise NotSigned(f"{path} cannot be written ({error.strerror}).") from error


def attest(reports: Path, manifests: Mapping[str, Path], key: Path) -> str:
    """Sign what a run left in ``reports``; returns the sentence that says so, or why not."""
    try:
        keyid = sign(reports, manifests, key)
    except (ValueError, MeshproofError) as error:
        return f"The sign-off could not be signed: {error}"
    return f"Attestation: {reports / ATTESTATION}, signed with key {keyid}"


def _all_read(digests: Digests) -> dict[str, str]:
    unread = [name for name, digest in digests.items() if digest is None]
    if unread:
        raise NotSigned(f"{shown(unread[0])} is not a file that can be read.")
    return {name: digest for name, digest in digests.items() if digest is not None}


def shown(name: str) -> str:
    """Return a file's name as it can be printed in a line, whatever is in it."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in name
    )


def _descriptor(name: str, digest: str, annotations: Mapping[str, Any] | None = None) -> Any:
    return ResourceDescriptor(
        name=name, digest={"sha256": digest}, annotations=dict(annotations or {})
    ).pb


def _digest_of_value(value: Any) -> str:
    """The sha256 of JSON with sorted keys, without white space, in ASCII."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _digest_of_file(path: Path, *, follow: bool) -> str | None:
    try:
        # Looked at first: to open a pipe would wait for whoever writes to it.
        if not stat.S_ISREG(path.stat(follow_symlinks=follow).st_mode):
            return None
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _is_there(path: Path) -> bool:
    return path.is_symlink() or path.exists()


def _below(folder: Path, name: str) -> list[str]:
    """Everything below a part of a folder that is not a folder itself, by its path in ``folder``.

    A folder that cannot be read, or is a link, stands for what is in it.
    """
    top = folder / name
    if name != "." and top.is_symlink():
        return [name]
    found: list[str] = []
    walk = os.walk(top, onerror=lambda error: found.append(error.filename))
    for root, folders, files in walk:
        links = [each for each in folders if Path(root, each).is_symlink()]
        found += [str(Path(root, each)) for each in (*files, *links)]
    return sorted(Path(each).relative_to(folder).as_posix() for each in found)
