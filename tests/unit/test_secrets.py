from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from meshproof.paths import PROJECT
from meshproof.signoff.secrets import (
    Leaks,
    Secret,
    in_base64,
    leaks,
    pattern_of,
    secrets_of,
    withhold,
)

PASSWORD = [Secret("storage/MYSQL_PASSWORD", b"not-for-the-report")]
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
    assert {secret.name for secret in secrets_of(PROJECT / "manifests")} == {
        f"voting-storage-secret/MYSQL_{name}" for name in ("PASSWORD", "ROOT_PASSWORD")
    }


def secrets_in(folder: Path, text: str, name: str = "a.yaml") -> list[Secret]:
    (folder / name).write_text(text)
    return secrets_of(folder)


def test_secrets_are_read_in_either_form(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "kind: Secret\nmetadata: {name: a}\ndata: {api-token: eHl6, user: bWU=}\n"
        "stringData: {PASSWORD: plain}\n---\nkind: Service\nmetadata: {name: password}\n---\n"
    )
    assert secrets_of(tmp_path) == [Secret("a/api-token", b"xyz"), Secret("a/PASSWORD", b"plain")]


IN_ONE = "kind: Secret\nmetadata: {name: a}\n"


@pytest.mark.parametrize(
    "text",
    [
        IN_ONE, IN_ONE + "stringData:\n", IN_ONE + "data:\n", IN_ONE + "data: {TOKEN: }\n",
        IN_ONE + 'stringData: {PASSWORD: ""}\n', IN_ONE + 'stringData: {PASSWORD: " "}\n',
        "kind: List\nitems:\n", "- 1\n", "", "---\n---\n",
    ],
)  # fmt: skip
def test_what_holds_nothing_holds_no_secret(tmp_path: Path, text: str) -> None:
    assert secrets_in(tmp_path, text) == []


@pytest.mark.parametrize(
    "text",
    ["kind: Secret\n", "kind: Secret\nmetadata: 3\n", IN_ONE + "data: 3\n",
     IN_ONE + "stringData: [a]\n", IN_ONE + "data: {TOKEN: a}\n"],
)  # fmt: skip
def test_what_is_no_secret_that_can_be_applied_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r"Secret|base64|padding"):
        secrets_in(tmp_path, text)


@pytest.mark.parametrize("name", ["a.yaml", "a.yml", "deep/er/a.yml"])
@pytest.mark.parametrize(
    "text",
    [
        "kind: List\nitems:\n- {kind: Service}\n- kind: Secret\n  metadata: {name: a}\n"
        "  stringData: {PASSWORD: not-for-the-report}\n",
        "kind: SecretList\nitems:\n- metadata: {name: a}\n"
        "  data: {PASSWORD: bm90LWZvci10aGUtcmVwb3J0}\n",
        "kind: List\nitems:\n- kind: List\n  items:\n  - kind: Secret\n"
        "    metadata: {generateName: a}\n    data:\n      PASSWORD: |\n        bm90LWZv\n"
        "        ci10aGUtcmVwb3J0\n",
    ],
)
def test_secrets_are_read_in_lists_and_in_all_files(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    assert secrets_in(tmp_path, text, name) == [Secret("a/PASSWORD", b"not-for-the-report")]


def test_two_secrets_of_one_name_are_two(tmp_path: Path) -> None:
    text = f"{IN_ONE}stringData: {{KEY: first-of-them}}\n---\n{IN_ONE}data: {{KEY: c2Vjb25k}}\n"
    assert [one.value for one in secrets_in(tmp_path, text)] == [b"first-of-them", b"second"]


@pytest.mark.parametrize(
    ("value", "content", "found"),
    [
        (b"1", b"1 of 1 pods, KEY: 12, MONKEY: 1, NAME: 1", False),
        (b"1", b"KEY: 1\n", True),
        (b"1", b'{"KEY": "1"}', True),
        (b"1", b"KEY: MQ==\n", True),
        (b"x", b"next: x", False),
        (b"3306", b"port 3306", False),
        (b"true", b"ready: true", False),
        (b"true", b"KEY=true", True),
        (b"hush", b"it said hush, twice", True),
        (b"hush", b"it hushed", False),
        (b"hush", b"aHVzaA==", True),
        (b"root", b"rootless", False),
        (b"hunter22", b"-phunter22x", True),
        (b"hunter22\n", b"-phunter22 ", True),
        (b'quo"te-of-it', b'{"a": "quo\\"te-of-it"}', True),
        (b'quo"te-of-it', b'<a b="quo&quot;te-of-it"/>', True),
        (b"a<b>c&d<e>f", b"<a>a&lt;b&gt;c&amp;d&lt;e&gt;f</a>", True),
        (b"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8\xf7", b"__79_Pv6-fj3", True),
    ],
)
def test_a_value_is_found_where_it_is_no_chance(value: bytes, content: bytes, found: bool) -> None:
    assert bool(pattern_of(Secret("a/KEY", value)).search(content)) is found


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
    sentence = f"{name} holds {what}, which has no place in a report"
    assert found == Leaks((sentence,), (tmp_path / name,))
    assert "not-for-the-report" not in sentence


@pytest.mark.parametrize(
    "content",
    [
        b"", b"not-for-the-repor", b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        b"eyJhbGciOiJSUzI1NiJ9.eyJ", b"secret/voting-storage-secret created",
        b"spiffe://cluster.local/ns/voting/sa/voting-app-1-0",
    ],
)  # fmt: skip
def test_what_is_no_secret_is_let_be(tmp_path: Path, content: bytes) -> None:
    assert leaks(written(tmp_path, content), {}, PASSWORD) == Leaks()


def test_files_of_others_are_let_be(tmp_path: Path) -> None:
    assert leaks(written(tmp_path, KEY, "mine/key.pem"), {}, PASSWORD) == Leaks()


@given(st.binary(max_size=20), st.binary(min_size=6, max_size=40), st.binary(max_size=20))
def test_a_value_shows_in_the_base64_of_anything_that_holds_it(
    before: bytes, value: bytes, after: bytes
) -> None:
    encoded = base64.b64encode(before + value + after)
    assert any(form in encoded for form in in_base64(value))


def test_what_a_scenario_says_goes_into_every_report_and_is_searched(tmp_path: Path) -> None:
    said = {"test_deploy.py::test_a": "login failed: not-for-the-report", "b": "5 of 5 pods"}
    node = "test_deploy.py::test_a"
    sentence = f"{node} holds the value of storage/MYSQL_PASSWORD, which has no place in a report"
    assert leaks(tmp_path, said, PASSWORD) == Leaks((sentence,), (), (node,))


def test_names_of_the_harness_own_tests_are_no_leak(tmp_path: Path) -> None:
    written(tmp_path, TOKEN, "junit.xml")
    assert leaks(written(tmp_path, TOKEN, "allure-results/x-result.json"), {}, PASSWORD) == Leaks()


@pytest.mark.parametrize("name", ["junit.xml", "allure-results/x-result.json"])
def test_what_tells_of_a_scenario_that_said_a_secret_is_searched_for_all(
    tmp_path: Path, name: str
) -> None:
    written(tmp_path, TOKEN, name)
    found = leaks(tmp_path, {"node": TOKEN.decode()}, PASSWORD)
    assert (found.files, found.nodes) == ((tmp_path / name,), ("node",))
    written(tmp_path, b"not-for-the-report", name)
    assert leaks(tmp_path, {}, PASSWORD).files == (tmp_path / name,)


def test_a_file_is_withheld_beside_the_reports(tmp_path: Path) -> None:
    reports = written(tmp_path / "reports", KEY)
    file = reports / "evidence/pods/01-seen.txt"
    (said,) = withhold(reports, [file])
    (folder,) = tmp_path.glob("reports-withheld-*")
    assert said == f"1 file with a secret was moved out of the reports, to {folder}"
    assert (folder / "evidence/pods/01-seen.txt").read_bytes() == KEY
    assert folder.stat().st_mode & 0o777 == 0o700
    assert not file.exists()
    assert withhold(reports, []) == []
    assert list(tmp_path.glob("reports-withheld-*")) == [folder]


def test_what_cannot_be_moved_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> str:
        raise OSError("No space left on device")

    reports = written(tmp_path, KEY)
    monkeypatch.setattr("tempfile.mkdtemp", full)
    file = reports / "evidence/pods/01-seen.txt"
    said = withhold(reports, [file])
    assert said == ["1 file with a secret was deleted, as nothing could be moved beside"]
    assert not file.exists()
