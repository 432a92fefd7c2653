from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from meshproof.paths import ROOT
from meshproof.signoff.secrets import in_base64, leaks, secrets_of

PASSWORD = {"storage/MYSQL_PASSWORD": b"not-for-the-report"}
#: Made up, and of the form that a service account's token has.
TOKEN = b"Bearer eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrdWJlcm5ldGVzIn0.c2lnbmF0dXJlLW9mLWl0"
KEY = ec.generate_private_key(ec.SECP256R1()).private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
)


def written(reports: Path, content: bytes, name: str = "evidence/pods/01-seen.txt") -> Path:
    file = reports / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return reports


def test_the_manifests_have_two_passwords_and_nothing_else_that_is_secret() -> None:
    assert set(secrets_of(ROOT / "manifests")) == {
        f"voting-storage-secret/MYSQL_{name}" for name in ("PASSWORD", "ROOT_PASSWORD")
    }


def test_secrets_are_read_in_either_form(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "kind: Secret\nmetadata: {name: a}\ndata: {api-token: eHl6, user: bWU=}\n"
        "stringData: {PASSWORD: plain}\n---\nkind: Service\nmetadata: {name: password}\n---\n"
    )
    assert secrets_of(tmp_path) == {"a/api-token": b"xyz", "a/PASSWORD": b"plain"}


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"mysql --password=not-for-the-report", "the value of storage/MYSQL_PASSWORD"),
        (base64.b64encode(b"not-for-the-report"), "the value of storage/MYSQL_PASSWORD"),
        (base64.b64encode(b"voting:not-for-the-report\n"), "the value of storage/MYSQL_PASSWORD"),
        (KEY, "a private key"),
        (b'{"inline_bytes": "' + base64.b64encode(KEY) + b'"}', "a private key"),
        (TOKEN, "a token"),
    ],
)
@pytest.mark.parametrize("name", ["evidence/a/01.txt", "allure-results/x-attachment.txt"])
def test_a_secret_is_found_wherever_it_is_and_not_repeated(
    tmp_path: Path, content: bytes, what: str, name: str
) -> None:
    found = leaks(written(tmp_path, b"before\n" + content + b"\nafter", name), {}, PASSWORD)
    assert found == [f"{name} holds {what}, which has no place in a report"]
    assert "not-for-the-report" not in found[0]


@pytest.mark.parametrize(
    "content",
    [
        b"", b"not-for-the-repor", b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        b"eyJhbGciOiJSUzI1NiJ9.eyJ", b"secret/voting-storage-secret created",
        b"spiffe://cluster.local/ns/voting/sa/voting-app-1-0",
    ],
)  # fmt: skip
def test_what_is_no_secret_is_let_be(tmp_path: Path, content: bytes) -> None:
    assert leaks(written(tmp_path, content), {}, PASSWORD) == []


def test_files_of_others_are_let_be(tmp_path: Path) -> None:
    assert leaks(written(tmp_path, KEY, "mine/key.pem"), {}, PASSWORD) == []


@given(st.binary(max_size=20), st.binary(min_size=6, max_size=40), st.binary(max_size=20))
def test_a_value_shows_in_the_base64_of_anything_that_holds_it(
    before: bytes, value: bytes, after: bytes
) -> None:
    encoded = base64.b64encode(before + value + after)
    assert any(form in encoded for form in in_base64(value))


def test_what_a_scenario_says_goes_into_every_report_and_is_searched(tmp_path: Path) -> None:
    said = {"test_deploy.py::test_a": "login failed: not-for-the-report", "b": "5 of 5 pods"}
    assert leaks(tmp_path, said, PASSWORD) == [
        "test_deploy.py::test_a holds the value of storage/MYSQL_PASSWORD, "
        "which has no place in a report"
    ]


def test_names_of_the_harness_own_tests_are_no_leak(tmp_path: Path) -> None:
    written(tmp_path, TOKEN, "junit.xml")
    assert leaks(written(tmp_path, TOKEN, "allure-results/x-result.json"), {}, PASSWORD) == []
