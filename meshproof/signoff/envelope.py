"""DSSE envelopes: made so that other tools verify them, and verified whatever tool made them.

The protocol (https://github.com/secure-systems-lab/dsse/blob/master/protocol.md) calls the id of
a key an optional hint: what counts is that a signature is of the key that is given. The library's
own verification insists on the id, so only its encoding and its keys are used here.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from securesystemslib.dsse import Envelope as LibraryEnvelope
from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import CryptoSigner, Signature, SSlibKey


@dataclass(frozen=True)
class Sealed:
    """What an envelope holds; ``signatures`` are each with its key's id as it says, or none.

    Nothing in it is trusted before a signature is verified.
    """

    payload: bytes
    payload_type: str
    signatures: tuple[tuple[str, bytes], ...]

    @property
    def hints(self) -> list[str]:
        """The ids of keys that it names, each once."""
        return sorted({keyid for keyid, _ in self.signatures if keyid})

    def is_signed_with(self, key: SSlibKey) -> bool:
        """Whether one of the signatures, whichever, is of this key over payload and type."""
        encoded = LibraryEnvelope(self.payload, self.payload_type, {}).pae()
        return any(_fits(signature, key, encoded) for _, signature in self.signatures)


def _fits(signature: bytes, key: SSlibKey, encoded: bytes) -> bool:
    try:
        key.verify_signature(Signature(key.keyid, signature.hex()), encoded)
    except UnverifiedSignatureError:
        return False
    return True


def seal(payload: bytes, payload_type: str, signer: CryptoSigner) -> dict[str, Any]:
    """Sign a payload; returns the envelope as JSON has it.

    The one signature stands in it twice: with the id that securesystemslib gives to the key, which
    it insists on, and without any, for tools that give keys other ids (`SHA256:…` of OpenSSH, say)
    and skip a signature with an id that is not theirs.
    """
    envelope = LibraryEnvelope(payload, payload_type, {})
    envelope.sign(signer)
    made: dict[str, Any] = envelope.to_dict()
    (signature,) = made["signatures"]
    return {**made, "signatures": [signature, {**signature, "keyid": ""}]}


def read(text: bytes) -> Sealed:
    """Read an envelope. Raises ``ValueError`` for what is none."""
    try:
        content = json.loads(text)
    except RecursionError as error:
        raise ValueError("it is too deep") from error
    if not isinstance(content, dict) or not isinstance(content.get("signatures"), list):
        raise ValueError("it is no object with signatures")
    kind = content.get("payloadType")
    if not isinstance(kind, str):
        raise ValueError("its payload has no type")
    kind.encode()  # what is no text cannot have been signed
    return Sealed(
        _decoded(content.get("payload")), kind, tuple(map(_signature, content["signatures"]))
    )


def _signature(content: object) -> tuple[str, bytes]:
    if not isinstance(content, dict):
        raise ValueError("a signature is no object")
    keyid = content.get("keyid")
    if keyid is None:
        keyid = ""
    if not isinstance(keyid, str):
        raise ValueError("the id of a key is no text")
    return keyid, _decoded(content.get("sig"))


def _decoded(text: object) -> bytes:
    """Both alphabets are allowed (https://github.com/secure-systems-lab/dsse)."""
    if not isinstance(text, str):
        raise ValueError("what should be base64 is no text")
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except binascii.Error as error:
        raise ValueError("what should be base64 is none") from error
