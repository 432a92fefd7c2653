"""Keys that sign a sign-off and verify it: ed25519 in PEM, as `meshproof keygen` makes them."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from securesystemslib.signer import CryptoSigner, SSlibKey

from meshproof.errors import UsageFailure


def public_file(private: Path) -> Path:
    """Return where the public key of a pair is kept: beside the private one."""
    return private.with_name(f"{private.name}.pub")


def generate(file: Path) -> SSlibKey:
    """Make a key pair: the private key as PKCS8 at ``file``, for its owner only, the public at
    ``file.pub``. Returns the public key.

    Raises ``UsageFailure`` where either file is there already or cannot be written; then neither
    is made.
    """
    private = Ed25519PrivateKey.generate()
    signer = CryptoSigner(private)
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    _create(file, signer.private_bytes, mode=0o600)
    try:
        _create(public_file(file), public, mode=0o644)
    except UsageFailure:
        file.unlink()
        raise
    return signer.public_key


def read_private(file: Path) -> CryptoSigner:
    """Read what signs. Raises ``UsageFailure`` where it is not there, or is no such key."""
    pem = _read(file, "`meshproof keygen` makes one")
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # a passphrase is a TypeError
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageFailure(
            f"{file} is no private key that can sign (ed25519, PKCS8 in PEM, without a "
            "passphrase): name one that `meshproof keygen` made."
        )
    return CryptoSigner(key)


def read_public(file: Path) -> SSlibKey:
    """Read what verifies. Raises ``UsageFailure`` where it is not there, or is no such key."""
    pem = _read(file, "name the .pub file of the key that signed")
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise UsageFailure(
            f"{file} is no public key that can verify (ed25519 in PEM): name the .pub file that "
            "`meshproof keygen` made."
        )
    return SSlibKey.from_crypto(key)


def _create(file: Path, content: bytes, *, mode: int) -> None:
    """Write a file that is not there yet; where that fails, there is still none."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError as error:
        raise UsageFailure(
            f"{file} is there already, and a key is never overwritten: name another file."
        ) from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageFailure(
            f"There is no folder {file.parent} to keep the key in: make it first."
        ) from error
    except OSError as error:
        raise _unwritten(file, error) from error
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(content)
    except OSError as error:
        file.unlink()
        raise _unwritten(file, error) from error


def _unwritten(file: Path, error: OSError) -> UsageFailure:
    return UsageFailure(f"{file} cannot be written ({error.strerror}): name another file.")


def _read(file: Path, advice: str) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError as error:
        raise UsageFailure(f"There is no key file {file}: {advice}.") from error
    except OSError as error:
        raise UsageFailure(f"The key file {file} cannot be read ({error.strerror}).") from error
