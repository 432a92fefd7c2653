"""Keys: made once, kept to their owner, and told from whatever else a file may hold."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as ec_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from meshproof.errors import ExitCode, UsageFailure
from meshproof.signoff.keys import generate, public_file, read_private, read_public

Command = Callable[..., int]


def pkcs8(key: Ed25519PrivateKey, passphrase: bytes = b"") -> bytes:
    secret = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, secret)


def of_another_kind() -> tuple[bytes, bytes]:
    key = ec_key(SECP256R1())
    return (
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    )


FOREIGN = {
    "empty": b"",
    "a text": b"not a key\n",
    "bytes": bytes(range(256)),
    "an empty PEM": b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
    "with a passphrase": pkcs8(Ed25519PrivateKey.generate(), b"secret"),
    "elliptic, private": of_another_kind()[0],
    "elliptic, public": of_another_kind()[1],
}


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let no file grow beyond a size, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_pair_reads_back_as_the_same_key(tmp_path: Path) -> None:
    made = generate(tmp_path / "key")
    assert read_private(tmp_path / "key").public_key.keyid == made.keyid
    assert read_public(tmp_path / "key.pub").keyid == made.keyid
    assert generate(tmp_path / "other").keyid != made.keyid


def test_the_private_key_is_for_its_owner_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        generate(tmp_path / "key")
    finally:
        os.umask(before)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert b"PRIVATE" in (tmp_path / "key").read_bytes()
    assert b"PRIVATE" not in public_file(tmp_path / "key").read_bytes()


@pytest.mark.parametrize("there", ["key", "key.pub"])
def test_a_file_that_is_there_is_never_overwritten(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("mine")
    with pytest.raises(UsageFailure, match=rf"/{there} is there already, and .*: name another"):
        generate(tmp_path / "key")
    assert [path.name for path in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text() == "mine"


def test_a_link_that_leads_nowhere_is_there_too(tmp_path: Path) -> None:
    (tmp_path / "key").symlink_to("elsewhere")
    with pytest.raises(UsageFailure, match="is there already"):
        generate(tmp_path / "key")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("folder", ["none", "file"])
def test_a_folder_that_is_not_there_is_told(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageFailure, match=rf"^There is no folder \S*/{folder} to keep the key in"):
        generate(tmp_path / folder / "key")


@pytest.mark.parametrize("size", [0, 115])  # the private key is longer than the public one
def test_where_a_key_cannot_be_written_nothing_is_left(tmp_path: Path, size: int) -> None:
    with (
        files_of_at_most(size),
        pytest.raises(UsageFailure, match=r"/key cannot be written \(File too large\): name"),
    ):
        generate(tmp_path / "key")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("read", [read_private, read_public])
def test_a_key_that_is_not_there_or_no_file_is_told(
    tmp_path: Path, read: Callable[[Path], object]
) -> None:
    with pytest.raises(UsageFailure, match=r"^There is no key file \S*/key: .*\.$"):
        read(tmp_path / "key")
    with pytest.raises(UsageFailure, match=r"^The key file \S* cannot be read \(Is a directory\)"):
        read(tmp_path)


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("read", [read_private, read_public])
def test_what_is_no_such_key_is_told(
    tmp_path: Path, read: Callable[[Path], object], content: bytes
) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(UsageFailure, match=r"/key is no (private|public) key that can"):
        read(tmp_path / "key")


def test_one_half_of_a_pair_is_not_taken_for_the_other(tmp_path: Path) -> None:
    generate(tmp_path / "key")
    with pytest.raises(UsageFailure, match="is no private key that can sign"):
        read_private(tmp_path / "key.pub")
    with pytest.raises(UsageFailure, match="is no public key that can verify"):
        read_public(tmp_path / "key")


@pytest.mark.parametrize("read", [read_private, read_public])
@given(data=st.data())
def test_a_key_that_is_cut_off_is_no_key(
    tmp_path_factory: pytest.TempPathFactory, read: Callable[[Path], object], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    generate(folder / "key")
    file = folder / ("key" if read is read_private else "key.pub")
    whole = file.read_bytes().rstrip(b"\n")
    file.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(UsageFailure, match="is no"):
        read(file)


def test_keygen_prints_the_id_of_the_key(
    meshproof: Command, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert meshproof("keygen", str(tmp_path / "key")) == 0
    keyid = read_public(tmp_path / "key.pub").keyid
    assert capsys.readouterr().out.startswith(f"key {keyid}: ")


@pytest.mark.parametrize("name", ["key", "none/key", "."])
def test_keygen_ends_2_with_one_sentence_where_it_cannot(
    meshproof: Command, capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str
) -> None:
    (tmp_path / "key").touch()
    assert meshproof("keygen", str(tmp_path / name)) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert (tmp_path / "key").read_text() == ""
