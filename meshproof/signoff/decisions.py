"""Decisions of people over a sign-off: signed, and naming the attestation that they are over.

A decision is an in-toto Statement in an envelope of its own beside the attestation. What the run
signed stays as it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain, count
from pathlib import Path
from typing import Annotated, Literal

from google.protobuf.json_format import MessageToDict
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from securesystemslib.signer import SSlibKey

from meshproof.errors import UsageFailure
from meshproof.signoff.attestation import (
    ATTESTATION,
    PAYLOAD_TYPE,
    Attested,
    shown,
    write_sealed,
)
from meshproof.signoff.envelope import Sealed, read
from meshproof.signoff.keys import read_private
from meshproof.signoff.verdict import Verdict

PREDICATE_TYPE = "urn:meshproof:sign-off-decision:v1"
ACCEPT, REJECT = "accept", "reject"
#: The names that decisions have: the first one's, and that of each further one.
FIRST, PATTERN = "decision.dsse.json", "decision*.dsse.json"

Line = Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S")]


class Decision(BaseModel):
    """What somebody decided over a sign-off; ``at`` is the signing machine's time, UTC.

    ``verdict`` and ``scope`` are those that were before their eyes.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    decision: Literal["accept", "reject"]
    by: Line
    role: Line
    because: str = Field("", max_length=5000)
    at: str
    verdict: Verdict
    scope: str

    def __str__(self) -> str:
        """Return it in a line."""
        because = f", because: {shown(self.because)}" if self.because else ""
        return (
            f"{self.decision} by {shown(self.by)}, {shown(self.role)}, {shown(self.at)}, over the "
            f"verdict {self.verdict} — scope: {shown(self.scope)}{because}"
        )


def files_of(folder: Path) -> list[Path]:
    """Return the decisions that lie in a reports folder, in the order of their names."""
    return sorted(folder.glob(PATTERN), key=lambda file: (len(file.name), file.name))


def made(
    signoff: Attested, decision: str, *, by: str, role: str, because: str, at: datetime
) -> Decision:
    """Return a decision over a sign-off.

    Raises ``UsageFailure`` where it is none, and where what was not accepted would be without a
    reason.
    """
    if decision == ACCEPT and signoff.verdict is not Verdict.ACCEPTED and not because.strip():
        raise UsageFailure(
            f"The verdict is {signoff.verdict}: to accept what was not accepted takes --because "
            "with the reason."
        )
    try:
        return Decision.model_validate({
            "decision": decision,
            "by": by.strip(),
            "role": role.strip(),
            "because": because.strip(),
            "at": at.isoformat(timespec="seconds"),
            "verdict": signoff.verdict,
            "scope": signoff.scope_line,
        })  # fmt: skip
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageFailure(f"--{first['loc'][0]}: {first['msg']}.") from error


def sign_decision(folder: Path, decision: Decision, key: Path) -> Path:
    """Sign a decision over the attestation in a folder and write it beside it.

    Returns its file. Raises ``UsageFailure`` where the key cannot be read or there is no
    attestation, and ``NotSigned`` where it cannot be written.
    """
    signer = read_private(key)
    subject = ResourceDescriptor(name=ATTESTATION, digest={"sha256": _digest(folder)}).pb
    statement = Statement([subject], PREDICATE_TYPE, decision.model_dump(mode="json"))
    statement.validate()
    names = chain([FIRST], (FIRST.replace(".", f"-{number}.", 1) for number in count(2)))
    path = next(folder / name for name in names if not (folder / name).exists())
    write_sealed(path, MessageToDict(statement.pb), signer)
    return path


def read_decision(file: Path, keys: Sequence[SSlibKey]) -> tuple[Decision | None, list[str]]:
    """Read a decision and say what is wrong with it; None where it cannot be trusted."""
    try:
        sealed = read(file.read_bytes())
    except (OSError, ValueError):
        return None, [f"{shown(file.name)} is truncated or no DSSE envelope."]
    if not any(sealed.is_signed_with(key) for key in keys):
        return None, [
            f"{shown(file.name)} is not signed with a given key: name the public key of who "
            "decided with --decision-key."
        ]
    try:
        decision = _read_statement(sealed, file.parent)
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        return None, [f"{shown(file.name)} is no decision over this attestation: {_said(error)}."]
    return decision, []


def _read_statement(sealed: Sealed, folder: Path) -> Decision:
    if sealed.payload_type != PAYLOAD_TYPE:
        raise ValueError("its payload is no in-toto Statement")
    statement = json.loads(sealed.payload)
    if statement["predicateType"] != PREDICATE_TYPE:
        raise ValueError(f"its predicate's type is “{statement['predicateType']}”")
    (subject,) = statement["subject"]
    if (subject["name"], subject["digest"]["sha256"]) != (ATTESTATION, _digest(folder)):
        raise ValueError("it names another attestation, or this one was changed")
    return Decision.model_validate(statement["predicate"])


def _said(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "its predicate is none"
    return shown(str(error)).rstrip(".") or type(error).__name__


def contradictions(decision: Decision, signoff: Attested) -> Iterator[str]:
    """Yield a sentence where a decision is over something other than the sign-off says."""
    if decision.verdict is not signoff.verdict:
        yield (
            f"The decision of {shown(decision.by)} is over the verdict {decision.verdict}, and "
            f"the sign-off says {signoff.verdict}."
        )
    unproved = decision.decision == ACCEPT and decision.verdict is not Verdict.ACCEPTED
    if unproved and not decision.because:
        yield f"{shown(decision.by)} accepted what was not accepted, and says no reason."


def _digest(folder: Path) -> str:
    try:
        return hashlib.sha256((folder / ATTESTATION).read_bytes()).hexdigest()
    except OSError as error:
        raise UsageFailure(
            f"There is no {folder / ATTESTATION}: a decision is over what a run with --sign-key "
            "left."
        ) from error
