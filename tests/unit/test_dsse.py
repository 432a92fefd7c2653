"""Envelopes against another implementation of DSSE: each verifies what the other signed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from meshproof.paths import PROJECT
from meshproof.signoff.attestation import PAYLOAD_TYPE
from meshproof.signoff.envelope import read, seal
from meshproof.signoff.keys import generate, read_private, read_public
from meshproof.supply.catalogue import recipes
from meshproof.supply.workshop import Workshop

#: The ids that keys go by there: the library's own, what OpenSSH shows, or none.
IDS = ("own", "fingerprint", "none")
PAYLOADS = (b'{"_type": "https://in-toto.io/Statement/v1"}', b"", bytes(range(256)))


@pytest.fixture
def other(users_cache: Path) -> Path:
    """The other implementation, built from its Go module once."""
    shop = Workshop({"dsse": recipes()["dsse"]}, root=PROJECT, cache=users_cache)
    shop.provide("dsse")
    return shop.folder("dsse") / "bin" / "dsse"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A private key; the public one is beside it."""
    generate(tmp_path / "key")
    return tmp_path / "key"


def run(
    program: Path, keyid: str, *arguments: str | Path, given: bytes
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [program, "-keyid", keyid, *arguments], input=given, capture_output=True, check=False
    )


@pytest.mark.parametrize("keyid", IDS)
@pytest.mark.parametrize("payload", PAYLOADS)
def test_theirs_verifies_ours(other: Path, key: Path, payload: bytes, keyid: str) -> None:
    made = seal(payload, PAYLOAD_TYPE, read_private(key))
    verified = run(other, keyid, "verify", f"{key}.pub", given=json.dumps(made).encode())
    assert (verified.returncode, verified.stdout) == (0, payload), verified.stderr
    made["payload"] = "e30="
    assert run(other, keyid, "verify", f"{key}.pub", given=json.dumps(made).encode()).returncode


@pytest.mark.parametrize("keyid", IDS)
@pytest.mark.parametrize("payload", PAYLOADS)
def test_ours_verifies_theirs(other: Path, key: Path, payload: bytes, keyid: str) -> None:
    signed = run(other, keyid, "sign", key, PAYLOAD_TYPE, given=payload)
    assert signed.returncode == 0, signed.stderr
    sealed = read(signed.stdout)
    assert (sealed.payload, sealed.payload_type) == (payload, PAYLOAD_TYPE)
    assert sealed.is_signed_with(read_public(Path(f"{key}.pub")))
    generate(key.with_name("another"))
    assert not sealed.is_signed_with(read_public(key.with_name("another.pub")))
