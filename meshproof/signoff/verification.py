"""Whether a sign-off is what was signed: its attestation held against what is there now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from google.protobuf.json_format import MessageToDict, Parse, ParseDict, ParseError
from in_toto_attestation.predicates.test_result.v0.test_result_pb2 import TestResult
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as Message
from pydantic import ValidationError
from securesystemslib.signer import SSlibKey

from meshproof.errors import UsageFailure
from meshproof.signoff.attestation import (
    ATTESTATION,
    EVIDENCE,
    MANIFESTS,
    PAYLOAD_TYPE,
    PREDICATE_TYPE,
    REPORTS,
    SIGNOFF,
    Attested,
    Digests,
    digests_of_manifests,
    digests_of_reports,
    predicate,
    shown,
)
from meshproof.signoff.decisions import Decision, contradictions, files_of, read_decision
from meshproof.signoff.envelope import Sealed, read
from meshproof.wording import listed


@dataclass(frozen=True)
class Verification:
    """What differs, a sentence each, and what was looked at."""

    differences: tuple[str, ...]
    looked_at: tuple[str, ...]
    #: What the sign-off says, where it could be read, and what people decided over it.
    signoff: Attested | None = None
    decisions: tuple[Decision, ...] = ()


@dataclass(frozen=True)
class Subjects:
    """The subjects of a Statement by what they are, each with its sha256."""

    reports: dict[str, str]
    manifests: dict[str, str]
    images: dict[str, str]
    #: What is wrong with the names and digests themselves.
    faults: tuple[str, ...]


def verify(
    file: Path,
    key: SSlibKey | None,
    manifests: Mapping[str, Path] | None,
    decision_keys: Sequence[SSlibKey] | None = (),
) -> Verification:
    """Verify ``signoff.json``, or the folder that it is in, and everything that was signed with it.

    ``key`` is whose signature it should have, None where that is not looked at. ``manifests`` are
    the folders that the signed manifests are compared with, by the names of the suites that the
    sign-off is of, None for no comparison. Decisions that
    lie beside must be signed with one of ``decision_keys``, or with ``key``; None: they are not
    looked at.

    Raises ``UsageFailure`` where there is nothing to verify or the attestation cannot be read.
    """
    folder = folder_of(file)
    envelope = read_envelope(folder / ATTESTATION)
    faults = faults_of_envelope(envelope, key) if key else ()
    if faults:
        return Verification(faults, ("Nothing was compared with what is there.",))
    try:
        signed = Parse(envelope.payload, Message(), ignore_unknown_fields=True)
        Statement.copy_from_pb(signed).validate()
    except (ParseError, ValueError, RecursionError) as error:
        fault = f"What was signed is not an in-toto Statement: {shown(str(error))}."
        return Verification((fault,), ("Nothing was compared with what is there.",))
    subjects = subjects_of(signed)
    there = digests_of_reports(folder)
    found = [*subjects.faults, *differences(subjects.reports, there)]
    reports = sum(name in REPORTS for name in subjects.reports)
    kept = len(subjects.reports) - reports
    looked_at = [
        f"Signed with key {key.keyid}." if key else "The signature was not looked at.",
        f"Compared with {folder}: {reports} reports, {kept} files of evidence.",
        f"Compared with {SIGNOFF} alone: {len(subjects.images)} images.",
    ]
    signoff = read_signoff(folder / SIGNOFF) if there.get(SIGNOFF) else None
    if signoff is None:
        found.append(
            f"{SIGNOFF} cannot be read as a sign-off: its verdict, tests and images were not "
            "compared with what was signed."
        )
    else:
        found += differences_of_images(subjects.images, signoff.images)
        found += differences_of_predicate(signed, signoff, subjects.manifests)
    if manifests is None:
        looked_at.append(f"Not compared: {len(subjects.manifests)} manifests.")
    else:
        found += differences(subjects.manifests, digests_of_manifests(manifests))
        folders = listed([str(folder) for folder in manifests.values()])
        looked_at.append(f"Compared with {folders}: {len(subjects.manifests)} manifests.")
    decisions: list[Decision] = []
    if key and decision_keys is not None:
        decisions, faults_of_decisions = _decisions(folder, [key, *decision_keys], signoff)
        found += faults_of_decisions
    if signoff and not found:
        looked_at.insert(0, _verdict(signoff))
    return Verification(tuple(found), tuple(looked_at), signoff, tuple(decisions))


def _decisions(
    folder: Path, keys: Sequence[SSlibKey], signoff: Attested | None
) -> tuple[list[Decision], list[str]]:
    """The decisions beside an attestation that can be trusted, and what is wrong with any."""
    decisions, found = [], []
    for file in files_of(folder):
        decision, faults = read_decision(file, keys)
        found += faults
        if decision:
            decisions.append(decision)
            found += contradictions(decision, signoff) if signoff else ()
    return decisions, found


def folder_of(file: Path) -> Path:
    """Return the reports folder that is meant. Raises ``UsageFailure`` where there is none."""
    try:
        folder, there = file.is_dir(), file.exists()
    except OSError as error:
        raise UsageFailure(f"{file} cannot be read ({error.strerror}).") from error
    if folder:
        return file
    if not there or file.name != SIGNOFF:
        what = "is not a sign-off" if there else "is not there"
        raise UsageFailure(f"{file} {what}: name a {SIGNOFF}, or the folder that it is in.")
    return file.parent


def read_envelope(file: Path) -> Sealed:
    """Read a DSSE envelope; nothing in it is trusted yet.

    Raises ``UsageFailure`` where there is none, or where it is something else.
    """
    try:
        text = file.read_bytes()
    except FileNotFoundError as error:
        raise UsageFailure(
            f"There is no {file}: only what a run with --sign-key left can be verified."
        ) from error
    except OSError as error:
        raise UsageFailure(f"{file} cannot be read ({error.strerror}).") from error
    try:
        return read(text)
    except ValueError as error:
        raise UsageFailure(
            f"{file} is truncated or no DSSE envelope: get it anew from the run that wrote it."
        ) from error


def faults_of_envelope(envelope: Sealed, key: SSlibKey, name: str = ATTESTATION) -> tuple[str, ...]:
    """Return why what an envelope holds cannot be trusted to be what this key signed.

    ``name`` is what the envelope is called.
    """
    faults = []
    if envelope.payload_type != PAYLOAD_TYPE:
        faults.append(
            f"The payload's type is “{shown(envelope.payload_type)}”, not “{PAYLOAD_TYPE}”."
        )
    if envelope.is_signed_with(key):
        return tuple(faults)
    hints = [shown(keyid) for keyid in envelope.hints]
    if not envelope.signatures:
        faults.append(f"{name} is not signed at all, not with the given key, {key.keyid}.")
    elif hints and key.keyid not in hints:
        faults.append(
            f"{name} is signed with {', '.join(hints)}, not with the given key, {key.keyid}."
        )
    else:
        faults.append(
            f"The signature in {name} does not fit what it should be of: one of them was "
            "changed, or is of another run or another key."
        )
    return tuple(faults)


def subjects_of(signed: Any) -> Subjects:
    """Sort the subjects of a Statement by their names."""
    reports: dict[str, str] = {}
    manifests: dict[str, str] = {}
    images: dict[str, str] = {}
    faults = []
    for name, times in Counter(subject.name for subject in signed.subject).items():
        if times > 1:
            faults.append(f"The attestation names “{shown(name)}” {times} times.")
    for subject in signed.subject:
        path, digest = PurePosixPath(subject.name), subject.digest.get("sha256", "")
        if path.is_absolute() or ".." in path.parts:
            faults.append(
                f"The attestation names “{shown(subject.name)}”, which leads outside the reports "
                "folder: it was not looked at."
            )
        elif subject.name in REPORTS or path.parts[:1] == (EVIDENCE,):
            reports[subject.name] = digest
        elif path.parts[:1] == (MANIFESTS,):
            manifests[subject.name] = digest
        else:
            images[subject.name] = digest
    return Subjects(reports, manifests, images, tuple(faults))


def differences(signed: Mapping[str, str], there: Digests) -> Iterator[str]:
    """Yield a sentence for each file that is changed, missing or added.

    Only what is ``there`` was ever read: no name in an attestation leads to a file.
    """
    for name in sorted({*signed, *there}):
        if name not in there:
            yield f"{shown(name)} is missing."
        elif there[name] is None:
            yield f"{shown(name)} is not a file that can be read."
        elif name not in signed:
            yield f"{shown(name)} was added: it was not signed."
        elif there[name] != signed[name]:
            yield f"{shown(name)} was changed."


def differences_of_images(signed: Mapping[str, str], stated: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each image that the sign-off states otherwise than the attestation."""
    for name in sorted({*signed, *stated}):
        if signed.get(name) != stated.get(name):
            yield (
                f"The image {shown(name)} is {stated.get(name, 'not named')} in {SIGNOFF}; "
                f"{signed.get(name, 'none')} was signed."
            )


def differences_of_predicate(
    signed: Any, signoff: Attested, manifests: Mapping[str, str]
) -> Iterator[str]:
    """Yield a sentence for each part of the predicate that is not what the sign-off says."""
    if signed.predicate_type != PREDICATE_TYPE:
        yield (
            f"The predicate's type is “{shown(signed.predicate_type)}”, not “{PREDICATE_TYPE}”: "
            "verdict and tests were not compared."
        )
        return
    try:
        attested = ParseDict(
            MessageToDict(signed.predicate), TestResult(), ignore_unknown_fields=True
        )
    except ParseError:
        yield "The predicate is no test result: verdict and tests were not compared."
        return
    wanted = predicate(signoff, manifests)
    if attested.result != wanted.result:
        yield (
            f"The verdict in {SIGNOFF} is {signoff.verdict}, which is attested as {wanted.result}; "
            f"{shown(attested.result) or 'nothing'} was signed."
        )
    for word in ("passed", "warned", "failed"):
        here, there = (list(getattr(each, f"{word}_tests")) for each in (wanted, attested))
        if here != there:
            yield (
                f"The {word} tests in {SIGNOFF} ({len(here)}) are not those that were signed "
                f"({len(there)})."
            )
    stated = {each.name: each for each in wanted.configuration}
    configured = {each.name: each for each in attested.configuration}
    for name in sorted({*stated, *configured}):
        if stated.get(name) != configured.get(name):
            yield f"The configuration “{shown(name)}” is not the one that was signed."


def read_signoff(file: Path) -> Attested | None:
    """Read a sign-off; None where it cannot be read as one."""
    try:
        return Attested.model_validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return None


def _verdict(signoff: Attested) -> str:
    return f"Verdict: {signoff.verdict} — scope: {signoff.scope_line}."
