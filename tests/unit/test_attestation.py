"""What a sign-off is signed with, and that verifying it finds whatever differs."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import string
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

from meshproof.errors import ExitCode, UsageFailure
from meshproof.signoff.attestation import (
    ATTESTATION,
    PAYLOAD_TYPE,
    Attested,
    attest,
    digests_of_manifests,
    predicate,
    results_of,
    sign,
)
from meshproof.signoff.envelope import read
from meshproof.signoff.keys import generate, read_private, read_public
from meshproof.signoff.signoff import Run, Scope, sign_off, write
from meshproof.signoff.verdict import Outcome, ScenarioResult, Verdict
from meshproof.signoff.verification import Verification, verify
from meshproof.suite import model

Command = Callable[..., int]
Edit = Callable[[dict[str, Any]], object]

IMAGE = "localhost/voting/app:1.0"
ENVIRONMENT = {
    "kubernetes": "v1.37.2",
    "istio": "1.31-dev (commit 0123abc)",
    "envoy": "1.40.0",
    "images": {IMAGE: "sha256:" + "1f" * 32, "localhost/voting/storage:1.0": "2e" * 32},
    "deviations": ["no forwarder"],
}
RESULTS = (
    ScenarioResult("It is kept", "Ways", ("D1", "D2"), Outcome.PASSED),
    ScenarioResult("It is broken", "Ways", ("D3",), Outcome.FAILED, "3 of 5 pods"),
    ScenarioResult("It is skipped", "Ways", ("D4",), Outcome.SKIPPED),
    ScenarioResult("Nothing can be said", "Ways", ("D5",), Outcome.ERROR),
    ScenarioResult("Values", "Ways", ("D7",), Outcome.PASSED),
    ScenarioResult("Values", "Ways", ("D7",), Outcome.FAILED),
    ScenarioResult("Values", "Ways", ("D7",), Outcome.SKIPPED),
)
FILES = {
    "signoff.html": b"<!doctype html>",
    "signoff.md": b"# rejected\n",
    "junit.xml": b"<testsuites/>",
    "evidence/it-is-kept/01-page.txt": b"all of it",
    "evidence/it-is-kept/02-nothing.txt": b"",
    "evidence/it-is-broken/01-packets.pcap": bytes(range(256)),
}
#: The files of the reports that are signed.
SIGNED = ("signoff.json", *FILES)
MANIFEST_FILES = {
    "kubernetes/step-1.yaml": b"kind: Service\n",
    "istio/gateway.yaml": b"kind: Gateway\n",
}


SCOPE = Scope((), "-m deploy")
QUICK_SCOPE = {"left_out": [{"id": "D1", "left_out": 1, "scenarios": 2}], "weakened": []}


@dataclass(frozen=True)
class Release:
    """The reports of one run, what it was made of and the keys."""

    reports: Path
    manifests: Path
    private: Path
    key: SSlibKey

    def verified(self) -> Verification:
        return verify(self.reports / "signoff.json", self.key, {"voting": self.manifests})

    @property
    def differences(self) -> tuple[str, ...]:
        return self.verified().differences

    @property
    def attestation(self) -> Path:
        return self.reports / ATTESTATION

    def envelope(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads(self.attestation.read_bytes())
        return read

    def statement(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads(base64.b64decode(self.envelope()["payload"]))
        return read

    def sign_again(self, payload: Any, payload_type: str = PAYLOAD_TYPE) -> None:
        """Have something else signed, with the same key."""
        text = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        envelope = Envelope(text, payload_type, {})
        envelope.sign(read_private(self.private))
        self.attestation.write_text(json.dumps(envelope.to_dict()))

    def edit_statement(self, edit: Edit) -> None:
        edited = self.statement()
        edit(edited)
        self.sign_again(edited)

    def edit_signoff(self, edit: Edit) -> None:
        file = self.reports / "signoff.json"
        document = json.loads(file.read_text())
        edit(document)
        file.write_text(json.dumps(document))


def make(
    folder: Path,
    results: tuple[ScenarioResult, ...] = RESULTS,
    scope: Scope = SCOPE,
) -> Release:
    reports, manifests = folder / "reports", folder / "manifests"
    for below, files in ((reports, FILES), (manifests, MANIFEST_FILES)):
        for name, content in files.items():
            (below / name).parent.mkdir(parents=True, exist_ok=True)
            (below / name).write_bytes(content)
    run = Run(results, len(results), scope, ENVIRONMENT, 0.0, 1.0)
    write(sign_off(run), reports)
    key = generate(folder / "key")
    sign(reports, {"voting": manifests}, folder / "key")
    return Release(reports, manifests, folder / "key", key)


@pytest.fixture
def release(tmp_path: Path) -> Release:
    return make(tmp_path)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """A release that whoever changes it puts back in order."""
    return make(tmp_path_factory.mktemp("kept"))


@contextmanager
def changed(file: Path, content: bytes | None) -> Iterator[None]:
    """Let a file have another content, or none be there, for a while."""
    before = file.read_bytes() if file.exists() else None
    put(file, content)
    try:
        yield
    finally:
        put(file, before)


def put(file: Path, content: bytes | None) -> None:
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)


def other_byte(data: st.DataObject, content: bytes) -> bytes:
    """The same bytes with one of them another, or one more."""
    place = data.draw(st.integers(0, len(content)))
    byte = data.draw(st.integers(0, 255))
    assume(content[place : place + 1] != bytes([byte]))
    return content[:place] + bytes([byte]) + content[place + 1 :]


# What is signed.


@pytest.mark.parametrize(
    ("scope", "line"),
    [
        ({"sections": ["deploy"], "also": ["A1"], "selection": None}, "sections deploy, A1"),
        ({"sections": [], "also": [], "selection": "-k Reset"}, "-k Reset"),
        ({"stages": "all"}, '{"stages": "all"}'),
        (
            {"sections": [], "also": [], "selection": "-m D", "quick": QUICK_SCOPE},
            "-m D with --quick",
        ),
    ],
)
def test_a_scope_is_said_in_a_line(scope: dict[str, Any], line: str) -> None:
    attested = {"verdict": "accepted", "scope": scope, "expectations": [], "environment": {}}
    assert Attested.model_validate(attested).scope_line == line


def test_as_it_was_signed_nothing_differs(release: Release) -> None:
    found = release.verified()
    assert found.differences == ()
    assert found.looked_at == (
        "Verdict: rejected — scope: -m deploy.",
        f"Signed with key {release.key.keyid}.",
        f"Compared with {release.reports}: 4 reports, 3 files of evidence.",
        "Compared with signoff.json alone: 2 images.",
        f"Compared with {release.manifests}: 2 manifests.",
    )
    assert verify(release.reports, release.key, {"voting": release.manifests}) == found


def test_the_signature_is_ed25519_over_the_encoding_of_dsse(release: Release) -> None:
    envelope = release.envelope()
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    payload = base64.b64decode(envelope["payload"])
    encoded = b"DSSEv1 28 application/vnd.in-toto+json %d %b" % (len(payload), payload)
    signature, same = envelope["signatures"]
    assert (signature["keyid"], same["keyid"]) == (release.key.keyid, "")
    assert signature["sig"] == same["sig"]
    public = load_pem_public_key(release.private.with_name("key.pub").read_bytes())
    assert isinstance(public, Ed25519PublicKey)
    public.verify(base64.b64decode(signature["sig"]), encoded)
    with pytest.raises(InvalidSignature):
        public.verify(base64.b64decode(signature["sig"]), encoded + b" ")


def test_the_statement_is_over_reports_evidence_manifests_and_images(release: Release) -> None:
    statement = release.statement()
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    subjects = {each["name"]: each["digest"] for each in statement["subject"]}
    manifests = {f"manifests/{name}" for name in MANIFEST_FILES}
    assert set(subjects) == {*SIGNED, *manifests, *ENVIRONMENT["images"]}
    assert subjects["evidence/it-is-kept/02-nothing.txt"] == {
        "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    }
    assert subjects[IMAGE] == {"sha256": "1f" * 32}
    assert subjects["localhost/voting/storage:1.0"] == {"sha256": "2e" * 32}


def test_the_predicate_holds_result_tests_and_configuration(release: Release) -> None:
    made = release.statement()["predicate"]
    assert made["result"] == "FAILED"
    assert made["passedTests"] == ["D1: It is kept", "D2: It is kept"]
    assert made["failedTests"] == ["D3: It is broken", "D7: Values"]
    assert made["warnedTests"] == ["D4: It is skipped", "D5: Nothing can be said"]
    configuration = {each["name"]: each for each in made["configuration"]}
    assert set(configuration) == {
        *(f"manifests/{name}" for name in MANIFEST_FILES),
        "environment",
        "scope",
    }
    assert all(re.fullmatch(r"[0-9a-f]{64}", c["digest"]["sha256"]) for c in configuration.values())
    assert configuration["environment"]["annotations"] == {
        "kubernetes": "v1.37.2",
        "istio": "1.31-dev (commit 0123abc)",
        "envoy": "1.40.0",
    }
    assert configuration["scope"]["annotations"] == {"selection": "-m deploy"}


def stated(**given: Any) -> Attested:
    whole = {"verdict": "accepted", "scope": {}, "expectations": [], "environment": {}, **given}
    return Attested.model_validate(whole)


@pytest.mark.parametrize("verdict", Verdict)
def test_only_accepted_is_passed(verdict: Verdict) -> None:
    results = {Verdict.ACCEPTED: "PASSED", Verdict.REJECTED: "FAILED"}
    assert predicate(stated(verdict=verdict), {}).result == results.get(verdict, "WARNED")


@given(outcomes=st.lists(st.sampled_from(Outcome), min_size=1))
def test_of_the_examples_of_a_scenario_the_worst_counts(outcomes: list[Outcome]) -> None:
    rows = [{"id": "D1", "scenarios": [{"name": "Values", "outcome": o} for o in outcomes]}]
    (result,) = results_of(stated(expectations=rows)).values()
    assert (result == "PASSED") == (set(outcomes) == {Outcome.PASSED})
    assert (result == "FAILED") == (Outcome.FAILED in outcomes)


def test_what_passed_by_a_weaker_sample_is_a_warning() -> None:
    weaker = {"asked": "a leak of 1 %", "taken": "a leak of 3 %", "misses": "37 of 100 runs"}
    ended = {
        outcome: {"id": "D1", "scenarios": [
            {"name": "Values", "outcome": outcome, "weakened": [weaker]},
        ]}
        for outcome in (Outcome.PASSED, Outcome.FAILED)
    }  # fmt: skip
    assert results_of(stated(expectations=[ended[Outcome.PASSED]])) == {"D1: Values": "WARNED"}
    assert results_of(stated(expectations=[ended[Outcome.FAILED]])) == {"D1: Values": "FAILED"}


@pytest.fixture
def quick(tmp_path: Path) -> Release:
    """The reports of a run with --quick, that left a scenario out."""
    left_out = replace(RESULTS[2], left_out=True)
    return make(tmp_path, (RESULTS[0], left_out), Scope((), "-m deploy", quick=True))


def test_a_quick_run_is_said_to_be_one_once_it_is_verified(quick: Release) -> None:
    found = quick.verified()
    assert not found.differences
    assert found.looked_at[0] == "Verdict: partial — scope: -m deploy with --quick."
    (scope,) = [
        each for each in quick.statement()["predicate"]["configuration"] if each["name"] == "scope"
    ]
    assert scope["annotations"] == {
        "selection": "-m deploy",
        "quick": {"left_out": [{"id": "D4", "left_out": 1, "scenarios": 1}], "weakened": []},
    }


def test_a_quick_run_that_is_passed_off_as_a_full_one_is_found(quick: Release) -> None:
    quick.edit_signoff(lambda document: document["scope"].update(quick=None))
    assert "The configuration “scope” is not the one that was signed." in quick.differences


def test_the_same_run_gives_the_same_attestation(release: Release) -> None:
    before = release.attestation.read_bytes()
    sign(release.reports, {"voting": release.manifests}, release.private)
    assert release.attestation.read_bytes() == before


def test_what_a_run_without_an_environment_left_is_signed_too(tmp_path: Path) -> None:
    (tmp_path / "manifests").mkdir()
    write(sign_off(Run((), 0, Scope((), None), {}, 0.0, 1.0)), tmp_path)
    key = generate(tmp_path / "key")
    sign(tmp_path, {"voting": tmp_path / "manifests"}, tmp_path / "key")
    assert verify(tmp_path, key, {"voting": tmp_path / "manifests"}).differences == ()


# What cannot be signed.


def unsigned(release: Release, *, reason: str) -> None:
    said = attest(release.reports, {"voting": release.manifests}, release.private)
    assert said.startswith("The sign-off could not be signed: ")
    assert re.search(reason, said), said
    assert "\n" not in said
    assert not release.attestation.is_file()


def test_a_full_disk_leaves_no_half_attestation(release: Release) -> None:
    release.attestation.unlink()
    release.attestation.symlink_to("/dev/full")
    unsigned(release, reason=rf"{ATTESTATION} cannot be written \(No space left on device\)\.$")
    assert not release.attestation.is_symlink()


def test_a_folder_in_the_attestations_place_is_left(release: Release) -> None:
    release.attestation.unlink()
    release.attestation.mkdir()
    unsigned(release, reason=r"cannot be written \(Is a directory\)\.$")
    assert release.attestation.is_dir()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, r"signoff\.json cannot be read \(No such file or directory\)\.$"),
        (b"", r"signoff\.json is not a sign-off\.$"),
        (b'{"verdict": "accepted"', r"signoff\.json is not a sign-off\.$"),
        (b"[]", r"signoff\.json is not a sign-off\.$"),
    ],
)
def test_what_is_no_sign_off_is_not_signed(
    release: Release, content: bytes | None, reason: str
) -> None:
    release.attestation.unlink()
    with changed(release.reports / "signoff.json", content):
        unsigned(release, reason=reason)


def test_an_image_without_a_whole_digest_is_not_signed(release: Release) -> None:
    release.attestation.unlink()
    release.edit_signoff(lambda document: document["environment"]["images"].update({IMAGE: ""}))
    unsigned(release, reason="is not a sign-off")


def test_a_key_that_is_gone_signs_nothing(release: Release) -> None:
    release.attestation.unlink()
    release.private.unlink()
    unsigned(release, reason=r"There is no key file \S+: `meshproof keygen` makes one\.$")


def test_manifests_that_are_gone_are_not_signed(release: Release) -> None:
    release.attestation.unlink()
    shutil.rmtree(release.manifests)
    unsigned(release, reason=r"manifests is not a file that can be read\.$")


def test_a_link_below_the_evidence_is_not_signed(release: Release) -> None:
    release.attestation.unlink()
    (release.reports / "evidence" / "link").symlink_to("/etc")
    unsigned(release, reason=r"evidence/link is not a file that can be read\.$")


def test_a_manifest_whose_name_is_no_text_is_not_signed(release: Release) -> None:
    release.attestation.unlink()
    (release.manifests / os.fsdecode(b"\xff.yaml")).touch()
    unsigned(release, reason="surrogate")


# What differs is found: the files.


@pytest.mark.parametrize("name", SIGNED)
@settings(max_examples=30)  # for each file
@given(data=st.data())
def test_a_changed_byte_of_any_file_is_found(kept: Release, name: str, data: st.DataObject) -> None:
    file = kept.reports / name
    with changed(file, other_byte(data, file.read_bytes())):
        assert f"{name} was changed." in kept.differences
    assert not kept.differences


@pytest.mark.parametrize("name", [name for name in SIGNED if FILES.get(name) != b""])
@settings(max_examples=30)  # for each file
@given(data=st.data())
def test_a_file_that_is_cut_off_is_found(kept: Release, name: str, data: st.DataObject) -> None:
    content = (kept.reports / name).read_bytes()
    with changed(kept.reports / name, content[: data.draw(st.integers(0, len(content) - 1))]):
        assert f"{name} was changed." in kept.differences


@pytest.mark.parametrize("name", SIGNED)
def test_a_missing_file_is_found(kept: Release, name: str) -> None:
    with changed(kept.reports / name, None):
        assert f"{name} is missing." in verify(kept.reports, kept.key, None).differences


@given(
    name=st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1),
    folder=st.sampled_from(["evidence", "evidence/it-is-kept", "evidence/new/and/deep"]),
    content=st.binary(max_size=3),
)
def test_whatever_is_added_below_the_evidence_is_found(
    kept: Release, name: str, folder: str, content: bytes
) -> None:
    file = kept.reports / folder / name
    assume(len(name.encode()) < 255 and name not in (".", "..") and not file.exists())
    file.parent.mkdir(parents=True, exist_ok=True)
    with changed(file, content):
        (found,) = kept.differences
    assert found.startswith(f"{folder}/")
    assert found.endswith(" was added: it was not signed.")
    assert found.isprintable()


def test_a_name_that_is_no_text_is_found_and_can_be_printed(release: Release) -> None:
    (release.reports / "evidence" / os.fsdecode(b"a\xff\n\x1b[2J")).touch()
    assert release.differences == (r"evidence/a\udcff\n\x1b[2J was added: it was not signed.",)


@pytest.mark.parametrize("name", ["signoff.html", "signoff.md", "junit.xml"])
def test_a_report_that_was_added_is_found(release: Release, name: str) -> None:
    (release.reports / name).unlink()
    sign(release.reports, {"voting": release.manifests}, release.private)
    assert not release.differences
    (release.reports / name).write_bytes(FILES[name])
    assert release.differences == (f"{name} was added: it was not signed.",)


def test_the_evidence_as_a_whole_may_be_missing_or_added(release: Release) -> None:
    shutil.move(release.reports / "evidence", release.reports / "elsewhere")
    assert set(release.differences) == {
        f"{name} is missing." for name in FILES if name.startswith("evidence/")
    }
    sign(release.reports, {"voting": release.manifests}, release.private)
    assert not release.differences
    shutil.move(release.reports / "elsewhere", release.reports / "evidence")
    assert set(release.differences) == {
        f"{name} was added: it was not signed." for name in FILES if name.startswith("evidence/")
    }


def test_what_else_is_in_the_folder_does_not_matter(release: Release) -> None:
    for name in ("allure-results/1.json", "allure-report/index.html", "notes.txt"):
        (release.reports / name).parent.mkdir(exist_ok=True)
        (release.reports / name).touch()
    assert not release.differences


@pytest.mark.parametrize("name", SIGNED)
def test_a_link_to_the_same_bytes_is_found(release: Release, name: str, tmp_path: Path) -> None:
    shutil.move(release.reports / name, tmp_path / "moved")
    (release.reports / name).symlink_to(tmp_path / "moved")
    assert f"{name} is not a file that can be read." in release.differences


@pytest.mark.parametrize("name", ["signoff.html", "evidence"])
def test_a_link_that_leads_nowhere_is_found_where_nothing_was_signed(
    release: Release, name: str, tmp_path: Path
) -> None:
    shutil.move(release.reports / name, tmp_path / "moved")
    sign(release.reports, {"voting": release.manifests}, release.private)
    assert not release.differences
    (release.reports / name).symlink_to("nowhere")
    assert release.differences == (f"{name} is not a file that can be read.",)


@pytest.mark.parametrize("name", ["evidence", "evidence/it-is-kept"])
def test_a_folder_that_became_a_link_is_found(release: Release, name: str, tmp_path: Path) -> None:
    shutil.move(release.reports / name, tmp_path / "moved")
    (release.reports / name).symlink_to(tmp_path / "moved")
    assert f"{name} is not a file that can be read." in release.differences


@pytest.mark.parametrize("name", SIGNED)
def test_a_pipe_in_a_files_place_is_found(release: Release, name: str) -> None:
    (release.reports / name).unlink()
    os.mkfifo(release.reports / name)
    assert f"{name} is not a file that can be read." in release.differences


@pytest.mark.parametrize("name", SIGNED)
def test_a_folder_in_a_files_place_is_found(release: Release, name: str) -> None:
    (release.reports / name).unlink()
    (release.reports / name).mkdir()
    said = "missing" if name.startswith("evidence/") else "not a file that can be read"
    assert f"{name} is {said}." in verify(release.reports, release.key, None).differences


def test_a_folder_that_cannot_be_listed_is_found(
    release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def refused(path: str | Path) -> Any:
        if str(path).endswith("it-is-kept"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    assert "evidence/it-is-kept is not a file that can be read." in release.differences


# What differs is found: the manifests.


def test_manifests_that_differ_are_found(release: Release) -> None:
    (release.manifests / "istio" / "gateway.yaml").write_text("kind: Gateway\n\n")
    (release.manifests / "kubernetes" / "step-1.yaml").unlink()
    (release.manifests / "kubernetes" / "step-2.yaml").touch()
    assert release.differences == (
        "manifests/istio/gateway.yaml was changed.",
        "manifests/kubernetes/step-1.yaml is missing.",
        "manifests/kubernetes/step-2.yaml was added: it was not signed.",
    )


def test_manifests_that_are_not_compared_are_said_to_be_so(release: Release) -> None:
    shutil.rmtree(release.manifests)
    found = verify(release.reports, release.key, None)
    assert found.differences == ()
    assert found.looked_at[-1] == "Not compared: 2 manifests."


def test_a_manifest_may_be_a_link_to_a_file(release: Release, tmp_path: Path) -> None:
    before = digests_of_manifests({"voting": release.manifests})
    file = release.manifests / "istio" / "gateway.yaml"
    shutil.move(file, tmp_path / "elsewhere.yaml")
    file.symlink_to(tmp_path / "elsewhere.yaml")
    assert digests_of_manifests({"voting": release.manifests}) == before


# What differs is found: attestation and signature.


def outcome(release: Release) -> tuple[str, ...]:
    """The differences; one sentence where the attestation cannot be read."""
    try:
        return release.differences
    except UsageFailure as error:
        return (str(error),)


@given(data=st.data())
def test_no_changed_byte_of_the_attestation_changes_what_is_believed(
    kept: Release, data: st.DataObject
) -> None:
    before = kept.attestation.read_bytes()
    after = other_byte(data, before)
    with changed(kept.attestation, after):
        if not outcome(kept):
            # What DSSE does not sign: white space, how a letter is written, the ids of keys.
            ours, theirs = read(before), read(after)
            assert (ours.payload, ours.payload_type) == (theirs.payload, theirs.payload_type)


@given(data=st.data())
def test_no_changed_byte_of_the_payload_goes_unnoticed(kept: Release, data: st.DataObject) -> None:
    envelope = kept.envelope()
    payload = other_byte(data, base64.b64decode(envelope["payload"]))
    edited = {**envelope, "payload": base64.b64encode(payload).decode()}
    with changed(kept.attestation, json.dumps(edited).encode()):
        (found,) = kept.differences
    assert found.startswith("The signature in attestation.dsse.json does not fit")


@given(data=st.data())
def test_an_attestation_that_is_cut_off_is_told(kept: Release, data: st.DataObject) -> None:
    whole = kept.attestation.read_bytes().rstrip()
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with (
        changed(kept.attestation, cut),
        pytest.raises(UsageFailure, match="is truncated or no DSSE envelope: get it anew"),
    ):
        kept.verified()


def envelope(**given: Any) -> bytes:
    return json.dumps({"payload": "", "payloadType": "", "signatures": [], **given}).encode()


FOREIGN = {
    "empty": b"",
    "no text": b"\xff\xfe\x00",
    "a list": b"[]",
    "a number": b"1",
    "a huge number": b"1" * 5000,
    "nothing": b"null",
    "no field": b"{}",
    "deep": b"[" * 100_000,
    "payload no text": envelope(payload=1),
    "payload no base64": envelope(payload="%"),
    "type no text": envelope(payloadType=1),
    "type no UTF-8": envelope(payloadType="\ud800"),
    "signatures no list": envelope(signatures=1),
    "signature no object": envelope(signatures=["a"]),
    "signature without itself": envelope(signatures=[{"keyid": "a"}]),
    "signature no text": envelope(signatures=[{"keyid": "a", "sig": 1}]),
    "key no text": envelope(signatures=[{"keyid": [], "sig": ""}]),
    "signature no base64": envelope(signatures=[{"keyid": "a", "sig": "a"}]),
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_what_is_no_attestation_is_told(kept: Release, content: bytes) -> None:
    with (
        changed(kept.attestation, content),
        pytest.raises(UsageFailure, match="is truncated or no DSSE envelope: get it anew"),
    ):
        kept.verified()


def test_another_key_is_found(release: Release, tmp_path: Path) -> None:
    other = generate(tmp_path / "other")
    found = verify(release.reports, other, {"voting": release.manifests})
    assert found.differences == (
        f"attestation.dsse.json is signed with {release.key.keyid}, not with the given key, "
        f"{other.keyid}.",
    )
    assert found.looked_at == ("Nothing was compared with what is there.",)


def test_another_key_that_claims_to_be_this_one_is_found(release: Release, tmp_path: Path) -> None:
    generate(tmp_path / "other")
    sign(release.reports, {"voting": release.manifests}, tmp_path / "other")
    envelope = release.envelope()
    envelope["signatures"][0]["keyid"] = release.key.keyid
    release.attestation.write_text(json.dumps(envelope))
    (found,) = release.differences
    assert found.startswith("The signature in attestation.dsse.json does not fit")


@pytest.mark.parametrize("signatures", [[], [{"keyid": "a\n", "sig": ""}]])
def test_an_attestation_without_this_signature_is_found(
    release: Release, signatures: list[Mapping[str, str]]
) -> None:
    release.attestation.write_text(json.dumps({**release.envelope(), "signatures": signatures}))
    (found,) = release.differences
    assert f"not with the given key, {release.key.keyid}." in found
    assert found.isprintable()


OTHERS = ({"keyid": "somebody", "sig": "AAAA"}, {"keyid": "", "sig": "AAAA"}, {"sig": "A-__"})


@pytest.mark.parametrize("other", [None, *OTHERS])
@pytest.mark.parametrize(
    "hint", [{}, {"keyid": ""}, {"keyid": None}, {"keyid": "SHA256:abc"}, {"keyid": "somebody"}]
)
def test_the_id_of_a_key_is_a_hint(
    release: Release, hint: dict[str, Any], other: Mapping[str, str] | None
) -> None:
    envelope = release.envelope()
    right = {"sig": envelope["signatures"][0]["sig"], **hint}
    envelope["signatures"] = [other, right, right] if other else [right]
    release.attestation.write_text(json.dumps(envelope))
    assert not release.differences
    envelope["signatures"] = [other or OTHERS[0]]
    release.attestation.write_text(json.dumps(envelope))
    assert len(release.differences) == 1


def test_either_alphabet_of_base64_is_read(release: Release) -> None:
    text = release.attestation.read_text()
    envelope = release.envelope()
    for each in (envelope, *envelope["signatures"]):
        for name in {"payload", "sig"} & each.keys():
            each[name] = each[name].replace("+", "-").replace("/", "_")
    release.attestation.write_text(json.dumps(envelope))
    assert not release.differences
    assert read(text.encode()) == read(release.attestation.read_bytes())


def test_the_library_that_insists_on_ids_verifies_it(release: Release) -> None:
    envelope = Envelope.from_dict(release.envelope())
    assert envelope.verify([release.key], 1) == {release.key.keyid: release.key}


def test_a_signature_from_another_report_is_found(release: Release) -> None:
    before = release.envelope()
    release.edit_signoff(lambda document: document.update(verdict="accepted"))
    sign(release.reports, {"voting": release.manifests}, release.private)
    assert not release.differences
    after = {**release.envelope(), "signatures": before["signatures"]}
    release.attestation.write_text(json.dumps(after))
    (found,) = release.differences
    assert found.startswith("The signature in attestation.dsse.json does not fit")


def test_the_attestation_of_another_report_is_found(release: Release, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = make(tmp_path / "other", RESULTS[:1])
    sign(other.reports, {"voting": other.manifests}, release.private)
    shutil.copy(other.attestation, release.attestation)
    assert release.differences == (
        "signoff.json was changed.",
        "The verdict in signoff.json is rejected, which is attested as FAILED; PASSED was signed.",
        "The warned tests in signoff.json (2) are not those that were signed (0).",
        "The failed tests in signoff.json (2) are not those that were signed (0).",
    )


def test_another_payload_type_is_found(release: Release) -> None:
    release.attestation.write_text(json.dumps({**release.envelope(), "payloadType": "text/plain"}))
    kind, signature = release.differences
    assert kind == "The payload's type is “text/plain”, not “application/vnd.in-toto+json”."
    assert signature.startswith("The signature in attestation.dsse.json does not fit")
    release.sign_again(release.statement(), "text/plain")
    assert release.differences == (kind,)


@pytest.mark.parametrize(
    "payload",
    [b"", b"\xff", b"[]", b"{}", b"1", b"{", b"[" * 100_000, {"_type": "other", "subject": []}],
    ids=lambda payload: str(payload)[:9],
)
def test_what_was_signed_must_be_a_statement(release: Release, payload: Any) -> None:
    release.sign_again(payload)
    (found,) = release.differences
    assert found.startswith("What was signed is not an in-toto Statement: ")
    assert found.isprintable()


# What differs is found: the report against its attestation.


def drop(name: str) -> Edit:
    """Leave a subject out."""

    def edit(statement: dict[str, Any]) -> None:
        statement["subject"] = [each for each in statement["subject"] if each["name"] != name]

    return edit


def subject(name: str, **digest: str) -> Edit:
    """One subject more."""
    return lambda statement: statement["subject"].append({"name": name, "digest": digest})


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (lambda s: s.update(predicateType="https://slsa.dev/provenance/v1"),
         "The predicate's type is “https://slsa.dev/provenance/v1”"),
        (lambda s: s["predicate"].update(result="PASSED"),
         "The verdict in signoff.json is rejected, which is attested as FAILED; PASSED was signed"),
        (lambda s: s["predicate"].pop("result"), "which is attested as FAILED; nothing was signed"),
        (lambda s: s["predicate"].update(result=["FAILED"]), "The predicate is no test result"),
        (lambda s: s["predicate"].pop("failedTests"), "The failed tests in signoff.json (2) are"),
        (lambda s: s["predicate"]["passedTests"].append("D3: It is broken"), "The passed tests"),
        (lambda s: s["predicate"]["warnedTests"].pop(), "The warned tests in signoff.json (2) are"),
        (lambda s: s["predicate"]["configuration"].pop(), "The configuration “scope” is not"),
        (lambda s: s["predicate"]["configuration"].append({"name": "more"}), "“more” is not"),
        (lambda s: s["predicate"]["configuration"][0]["digest"].update(sha256="00"),
         "The configuration “manifests/istio/gateway.yaml” is not the one that was signed"),
        (drop("signoff.json"), "signoff.json was added: it was not signed"),
        (drop("junit.xml"), "junit.xml was added: it was not signed"),
        (drop("manifests/istio/gateway.yaml"), "manifests/istio/gateway.yaml was added"),
        (drop(IMAGE), f"The image {IMAGE} is {'1f' * 32} in signoff.json; none was signed"),
        (subject("some/image", sha256="0" * 64),
         f"The image some/image is not named in signoff.json; {'0' * 64} was signed"),
        (subject("junit.xml", sha256="0" * 64), "The attestation names “junit.xml” 2 times"),
        (subject("evidence/more", sha512="0" * 128), "evidence/more is missing"),
        (subject("evidence//it-is-kept/01-page.txt", sha256="0" * 64), "01-page.txt is missing"),
    ],
)  # fmt: skip
def test_a_report_that_does_not_match_its_attestation_is_found(
    release: Release, edit: Edit, sentence: str
) -> None:
    release.edit_statement(edit)
    assert any(sentence in found for found in release.differences), release.differences


@pytest.mark.parametrize(
    "name",
    ["../key", "evidence/../../key", "manifests/../../key", "/etc/passwd", "evidence/.."],
)
def test_no_name_leads_outside_the_reports(release: Release, name: str) -> None:
    release.edit_statement(subject(name, sha256="0" * 64))
    assert release.differences == (
        f"The attestation names “{name}”, which leads outside the reports folder: it was not "
        "looked at.",
    )


def test_a_digest_of_another_kind_alone_is_no_digest(release: Release) -> None:
    release.edit_statement(lambda s: s["subject"][0].update(digest={"md5": "0" * 32}))
    name = release.statement()["subject"][0]["name"]
    assert release.differences == (f"{name} was changed.",)


def test_fields_that_nobody_knows_are_ignored(release: Release) -> None:
    """As the parsing rules of the in-toto attestation framework want it."""
    release.edit_statement(lambda s: (s.update(more=1), s["predicate"].update(url="urn:x", more=1)))
    assert not release.differences


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (lambda d: d.update(verdict="partial"),
         "The verdict in signoff.json is partial, which is attested as WARNED; FAILED was signed."),
        (lambda d: d["expectations"][2]["scenarios"][0].update(outcome="passed"),
         "The passed tests in signoff.json (3) are not those that were signed (2)."),
        (lambda d: d["expectations"][3]["scenarios"].clear(),
         "The warned tests in signoff.json (1) are not those that were signed (2)."),
        (lambda d: d["environment"].update(istio="1.30"),
         "The configuration “environment” is not the one that was signed."),
        (lambda d: d["environment"].update(deviations=[]),
         "The configuration “environment” is not the one that was signed."),
        (lambda d: d["scope"].update(selection=None),
         "The configuration “scope” is not the one that was signed."),
        (lambda d: d["environment"]["images"].update({IMAGE: "3c" * 32}),
         f"The image {IMAGE} is {'3c' * 32} in signoff.json; {'1f' * 32} was signed."),
    ],
)  # fmt: skip
def test_an_edited_sign_off_is_found_and_what_was_edited_is_named(
    release: Release, edit: Edit, sentence: str
) -> None:
    release.edit_signoff(edit)
    assert "signoff.json was changed." in release.differences
    assert sentence in release.differences
    assert not any(line.startswith("Verdict") for line in release.verified().looked_at)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"verdict": "splendid"}'],
    ids=lambda content: str(content)[:9],
)
def test_a_foreign_sign_off_is_found(release: Release, content: bytes) -> None:
    (release.reports / "signoff.json").write_bytes(content)
    assert release.differences == (
        "signoff.json was changed.",
        "signoff.json cannot be read as a sign-off: its verdict, tests and images were not "
        "compared with what was signed.",
    )


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(string.printable),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(string.printable), inner),
)


@given(data=st.data())
def test_whatever_stands_in_a_sign_off_is_a_difference(kept: Release, data: st.DataObject) -> None:
    file = kept.reports / "signoff.json"
    document = json.loads(file.read_bytes())
    for key in data.draw(st.sets(st.sampled_from(sorted(document)), min_size=1)):
        document[key] = data.draw(ANYTHING)
    with changed(file, json.dumps(document).encode()):
        assert "signoff.json was changed." in kept.differences


def test_a_number_that_python_will_not_read_is_a_difference(kept: Release) -> None:
    file = kept.reports / "signoff.json"
    with changed(file, b'{"scope": {}, "environment": {"a": ' + b"1" * 9999 + b"}}"):
        assert "signoff.json was changed." in kept.differences


# The command.


@pytest.mark.parametrize("file", ["reports", "reports/signoff.json"])
def test_the_command_ends_0_where_all_is_as_signed(
    meshproof: Command, capsys: pytest.CaptureFixture[str], release: Release, file: str
) -> None:
    public = f"{release.private}.pub"
    arguments = [str(release.reports.parent / file), "--key", public]
    assert meshproof("verify-signoff", *arguments, f"--manifests={release.manifests}") == 0
    out, err = capsys.readouterr()
    looked_at = list(release.verified().looked_at)
    lines = out.splitlines()
    assert lines[: len(looked_at)] == looked_at
    about = [line.split(":")[0] for line in lines[len(looked_at) :]]
    assert about == ["Begun", "Tested", "Cluster"]
    assert err == ""


def test_the_command_ends_1_with_a_line_for_each_difference(
    meshproof: Command, capsys: pytest.CaptureFixture[str], release: Release
) -> None:
    (release.reports / "junit.xml").unlink()
    (release.reports / "evidence" / "more").touch()
    arguments = [f"--key={release.private}.pub", f"--manifests={release.manifests}"]
    assert meshproof("verify-signoff", str(release.reports), *arguments) == ExitCode.REJECTED
    assert capsys.readouterr().out.splitlines()[:3] == [
        "evidence/more was added: it was not signed.",
        "junit.xml is missing.",
        f"Signed with key {release.key.keyid}.",
    ]


def test_the_checkouts_manifests_are_compared_where_they_are_there(
    meshproof: Command,
    capsys: pytest.CaptureFixture[str],
    release: Release,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command = ["verify-signoff", str(release.reports), f"--key={release.private}.pub"]
    assert meshproof(*command) == ExitCode.REJECTED
    assert "manifests/istio/gateway.yaml is missing." in capsys.readouterr().out
    monkeypatch.delenv("MESHPROOF_MANIFESTS", raising=False)
    monkeypatch.setattr(model, "PROJECT", release.manifests / "not there")
    assert meshproof(*command) == 0
    assert "Not compared: 2 manifests." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("gone", "arguments", "sentence"),
    [
        ("", ["nowhere"], "/nowhere is not there: name a signoff.json, or the folder"),
        ("", ["nowhere/signoff.json"], "/signoff.json is not there: name a signoff.json"),
        ("signoff.json", ["signoff.json"], "/signoff.json is not there: name a signoff.json"),
        ("", ["junit.xml"], "/junit.xml is not a sign-off: name a signoff.json, or the folder"),
        ("", ["x" * 300], " cannot be read (File name too long)."),
        (ATTESTATION, ["."], f"/{ATTESTATION}: only what a run with --sign-key left can be"),
        (ATTESTATION, ["signoff.json"], f"/{ATTESTATION}: only what a run with --sign-key left"),
        ("", [".", "--key=none.pub"], "There is no key file none.pub: name the .pub file"),
        ("", [".", "--manifests=none"], "There is no folder none of manifests to compare with."),
    ],
)
def test_the_command_ends_2_with_one_sentence_where_there_is_nothing_to_verify(
    meshproof: Command,
    capsys: pytest.CaptureFixture[str],
    release: Release,
    gone: str,
    arguments: list[str],
    sentence: str,
) -> None:
    if gone:
        (release.reports / gone).unlink()
    file, *more = arguments
    command = [str(release.reports / file), f"--key={release.private}.pub", *more]
    assert meshproof("verify-signoff", *command) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert sentence in err


def test_an_attestation_that_cannot_be_read_ends_2(
    meshproof: Command, capsys: pytest.CaptureFixture[str], release: Release
) -> None:
    command = ["verify-signoff", str(release.reports), f"--key={release.private}.pub"]
    release.attestation.write_text("{")
    assert meshproof(*command) == ExitCode.USAGE
    assert "is truncated or no DSSE envelope" in capsys.readouterr().err
    release.attestation.unlink()
    release.attestation.mkdir()
    assert meshproof(*command) == ExitCode.USAGE
    assert f"/{ATTESTATION} cannot be read (Is a directory)." in capsys.readouterr().err


def test_the_command_needs_a_key(
    meshproof: Command, capsys: pytest.CaptureFixture[str], release: Release
) -> None:
    assert meshproof("verify-signoff", str(release.reports)) == ExitCode.USAGE
    assert "Missing option '--key'" in capsys.readouterr().err


def test_the_given_key_is_read_from_its_file(release: Release) -> None:
    assert read_public(Path(f"{release.private}.pub")).keyid == release.key.keyid
