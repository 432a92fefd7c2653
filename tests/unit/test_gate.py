"""What is asked of a sign-off beside its signature: verdict, scope, commit, age, and decisions."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from meshproof.cli import cli
from meshproof.errors import UsageFailure
from meshproof.signoff import gate
from meshproof.signoff.attestation import ATTESTATION, Attested, sign
from meshproof.signoff.decisions import FIRST, files_of
from meshproof.signoff.gate import Covered, Required, about, age_of, commit_of, unmet
from meshproof.signoff.keys import generate
from meshproof.signoff.signoff import Run, Scope, sign_off, write
from meshproof.signoff.verdict import Outcome, ScenarioResult
from meshproof.suite.coverage import declared_expectations, declared_sections
from tests.suites import EXPECTATIONS

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FULL = Scope(declared_sections(), None, declared_expectations())
GATE = ("--require", "accepted", "--scope", "full", "--commit", COMMIT, "--max-age", "24h")


def passing() -> tuple[ScenarioResult, ...]:
    return tuple(
        ScenarioResult(one.id, "F", (one.id,), Outcome.PASSED, node=f"x.py::{one.id}")
        for one in EXPECTATIONS
        if one.section in FULL.sections or one.id in FULL.also
    )


def accepted(**changes: Any) -> Run:
    environment = {
        "meshproof": f"0.1.0, commit {COMMIT}", "istio": "1.31", "kubernetes": "v1.37.2",
        "cluster": "kind-meshproof", "machine": "Debian 12", "images": {},
    }  # fmt: skip
    results = passing()
    run = Run(results, len(results), FULL, environment, datetime.now(UTC).timestamp() - 3600, 60)
    return replace(run, **changes)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A folder with two pairs: the run's, and somebody's who decides."""
    for name in ("run", "ann"):
        generate(tmp_path / name)
    return tmp_path


def signed(keys: Path, run: Run) -> Path:
    reports = keys / "reports"
    (keys / "manifests").mkdir(exist_ok=True)
    write(sign_off(run), reports)
    sign(reports, {"voting": keys / "manifests"}, keys / "run")
    return reports


def verified(keys: Path, *arguments: str) -> Result:
    return CliRunner().invoke(
        cli,
        ["verify-signoff", str(keys / "reports"), "--key", str(keys / "run.pub"),
         "--manifests", str(keys / "manifests"), *arguments],
    )  # fmt: skip


def decided(keys: Path, *arguments: str, key: str = "ann", by: str = "Ann") -> Result:
    return CliRunner().invoke(
        cli,
        ["sign-off", str(keys / "reports"), "--by", by, "--role", "release manager",
         "--key", str(keys / key), *arguments],
    )  # fmt: skip


def test_a_run_that_is_all_that_is_asked_for_ends_with_0_and_is_told_of(keys: Path) -> None:
    signed(keys, accepted())
    found = verified(keys, *GATE)
    assert found.exit_code == 0, found.output
    lines = found.output.splitlines()
    assert lines[0].startswith("Verdict: accepted — scope: sections deploy")
    assert any(line.startswith("Begun: 20") and line.endswith("UTC, 1 h ago.") for line in lines)
    assert f"Tested: meshproof 0.1.0, commit {COMMIT}; istio 1.31." in lines
    assert "Cluster: kind-meshproof; kubernetes v1.37.2; machine Debian 12." in lines


@pytest.mark.parametrize("length", [7, 12, 40])
def test_a_part_of_the_commit_is_enough(keys: Path, length: int) -> None:
    signed(keys, accepted())
    assert verified(keys, "--commit", COMMIT[:length].upper()).exit_code == 0
    assert verified(keys, "--commit", "f" * length).exit_code == 1


FAILED = replace(passing()[0], outcome=Outcome.FAILED, message="no")
HOUR = 3600.0


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"results": (FAILED, *passing()[1:])},
         "The verdict is rejected, and accepted is required."),
        ({"interrupted": True}, "The verdict is inconclusive, and accepted is required."),
        ({"scope": Scope((), "-m deploy")},
         "Only a part was run (-m deploy), and the full scope is required."),
        ({"scope": replace(FULL, quick=True)}, "The verdict is partial, and accepted is required."),
        ({"scope": replace(FULL, quick=True)},
         "It is a look before a merge (--quick), and the full scope is required."),
        ({"scope": Scope(("deploy",), None)}, "Its scope leaves out update, "),
        ({"environment": {"meshproof": f"0.1.0, commit {'a' * 40}"}},
         f"Commit {'a' * 40} was tested, and {COMMIT} is required."),
        ({"environment": {"meshproof": f"0.1.0, commit {COMMIT}, with changes"}},
         f"Commit {COMMIT} was tested with changes, and {COMMIT} alone is required."),
        ({"environment": {"meshproof": "0.1.0, commit unknown: git is not there"}},
         f"It does not say which commit was tested, and {COMMIT} is required."),
        ({"environment": {}},
         f"It does not say which commit was tested, and {COMMIT} is required."),
        ({"started": datetime.now(UTC).timestamp() - 25.5 * HOUR},
         "It was begun 1 d 1 h ago, and 1 d at most is required."),
        ({"started": datetime.now(UTC).timestamp() + HOUR}, "It was begun in the future, "),
    ],
)  # fmt: skip
def test_each_condition_that_does_not_hold_is_a_sentence(
    keys: Path, changes: dict[str, Any], sentence: str
) -> None:
    signed(keys, accepted(**changes))
    assert verified(keys).exit_code == 0
    found = verified(keys, *GATE)
    assert found.exit_code == 1
    assert len([line for line in found.output.splitlines() if line.startswith(sentence)]) == 1
    assert "\nVerdict: " in found.output


def test_a_sign_off_that_contradicts_itself_meets_no_condition(keys: Path) -> None:
    reports = signed(keys, accepted(results=(FAILED, *passing()[1:])))
    document = json.loads((reports / "signoff.json").read_text())
    document["verdict"] = "accepted"
    (reports / "signoff.json").write_text(json.dumps(document))
    sign(reports, {"voting": keys / "manifests"}, keys / "run")
    assert verified(keys).exit_code == 0
    found = verified(keys, *GATE)
    assert found.exit_code == 1
    assert found.output.startswith("signoff.json contradicts itself: ")


def test_what_differs_from_what_was_signed_meets_no_condition(keys: Path) -> None:
    reports = signed(keys, accepted())
    (reports / "signoff.md").write_text("accepted")
    found = verified(keys, *GATE)
    assert (found.exit_code, found.output.splitlines()[0]) == (
        1, "signoff.md was added: it was not signed.",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "age"),
    [("90s", timedelta(seconds=90)), ("24h", timedelta(days=1)), ("7d", timedelta(days=7)),
     ("5m", timedelta(minutes=5)), ("0s", timedelta())],
)  # fmt: skip
def test_ages(text: str, age: timedelta) -> None:
    assert age_of(text) == age


NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
NOTHING = Covered((), ())


def attested(**changes: Any) -> Attested:
    return Attested.model_validate({**sign_off(accepted()).model_dump(mode="json"), **changes})


def lacking(signoff: Attested, required: Required, covered: Covered = NOTHING) -> list[str]:
    text = sign_off(accepted()).model_dump_json().encode()
    return [*unmet(signoff, text, [], required, covered, NOW)]


@pytest.mark.parametrize(
    ("started", "told"),
    [
        ("2026-01-02T12:00:00+02:00", "2026-01-02 10:00:00 UTC, 2 h ago"),
        ("2026-01-02T10:29:00", "2026-01-02 10:29:00 UTC, 1 h 31 min ago"),
        ("2026-01-02T11:59:58Z", "2026-01-02 11:59:58 UTC, 2 s ago"),
        ("2026-01-02T12:00:00Z", "2026-01-02 12:00:00 UTC, 0 s ago"),
        ("2026-01-02T12:00:05Z", "2026-01-02 12:00:05 UTC, in 5 s"),
        ("yesterday", "unknown"),
    ],
)
def test_it_is_told_when_a_run_was_begun_wherever_its_clock_stood(started: str, told: str) -> None:
    assert about(attested(started=started), NOW)[0] == f"Begun: {told}."


def test_it_is_told_what_was_tested_and_where() -> None:
    names = ("meshproof", "project", "istio", "envoy", "mysql", "cluster", "kubernetes", "kind",
             "machine")  # fmt: skip
    assert about(attested(environment={name: f"of {name}" for name in names}), NOW)[1:] == [
        "Tested: meshproof of meshproof; project of project; istio of istio; envoy of envoy; "
        "mysql of mysql.",
        "Cluster: of cluster; kubernetes of kubernetes; kind of kind; machine of machine.",
    ]
    assert about(attested(environment={}), NOW)[1:] == [
        "Tested: unknown.", "Cluster: an unknown cluster.",
    ]  # fmt: skip


def test_an_age_is_met_to_the_second() -> None:
    required, (at, late) = Required(max_age=timedelta(hours=1)), ("11:00:00", "10:59:59")
    assert lacking(attested(started=f"2026-01-02T{at}Z"), required) == []
    assert lacking(attested(started=f"2026-01-02T{late}Z"), required) == [
        "It was begun more than 1 h ago, and 1 h at most is required."
    ]


def test_clocks_may_differ_by_five_minutes() -> None:
    required = Required(max_age=timedelta(hours=1))
    assert lacking(attested(started="2026-01-02T12:05:00Z"), required) == []
    assert lacking(attested(started="2026-01-02T12:05:01Z"), required) == [
        "It was begun in the future, 2026-01-02 12:05:01 UTC, by this machine's clock."
    ]


def test_a_beginning_that_cannot_be_read_is_of_no_age() -> None:
    required = Required(max_age=timedelta(hours=1))
    assert lacking(attested(started="yesterday"), required) == [
        "It does not say when it was begun, and an age is required."
    ]


def test_an_expectation_beside_the_sections_belongs_to_the_full_scope() -> None:
    covered = Covered(FULL.sections, (*FULL.also, "Z9"))
    assert lacking(attested(), Required(full=True), covered) == [
        "Its scope leaves out Z9, and the full scope is required."
    ]
    assert lacking(attested(scope={"sections": "deploy"}), Required(full=True), covered) == [
        "Its scope cannot be read, and the full scope is required."
    ]


@pytest.mark.parametrize(
    ("told", "required"),
    [
        (False, Required()),
        (True, Required(words=("accepted",))),
        (True, Required(full=True)),
        (True, Required(commit=COMMIT)),
        (True, Required(max_age=timedelta(days=1))),
    ],
)
def test_any_condition_asks_for_a_sign_off_that_does_not_contradict_itself(
    told: bool, required: Required
) -> None:
    content = sign_off(accepted()).model_dump(mode="json")
    text = json.dumps({**content, "verdict": "partial"}).encode()
    now, covered = datetime.now(UTC), Covered(FULL.sections, FULL.also)
    found = [*unmet(attested(), text, [], required, covered, now)]
    assert ["contradicts itself" in sentence for sentence in found] == ([True] if told else [])


def test_the_commit_is_the_projects_where_it_is_not_meshproof() -> None:
    assert gate.tested_by({"project": "theirs", "meshproof": "ours"}) == "theirs"
    assert gate.tested_by({"meshproof": "ours"}) == "ours"
    assert gate.tested_by({}) == ""


@pytest.mark.parametrize("text", ["", "24", "h", "1.5h", "-1h", "24 h", "1w", "9999999d", "²h"])
def test_what_is_no_age(text: str) -> None:
    with pytest.raises(UsageFailure, match="is no age: give a whole number"):
        age_of(text)


@pytest.mark.parametrize("text", ["", "HEAD", "main", "012345", "0" * 41, "01234567z"])
def test_what_is_no_commit(text: str) -> None:
    with pytest.raises(UsageFailure, match="is no commit's id"):
        commit_of(text)


# Decisions.


def test_a_decision_is_written_beside_and_shown(keys: Path) -> None:
    reports = signed(keys, accepted())
    before = {file: file.read_bytes() for file in reports.iterdir()}
    done = decided(keys, "--decision", "accept", "--attestation-key", str(keys / "run.pub"))
    assert done.exit_code == 0, done.output
    assert "Decision: accept by Ann, release manager, 20" in done.output
    assert done.output.endswith(f"Written to {reports / FIRST}.\n")
    assert {file: file.read_bytes() for file in before} == before
    found = verified(keys, *GATE, "--require", "signed-off", "--decision-key", f"{keys}/ann.pub")
    assert found.exit_code == 0, found.output
    assert "Decision: accept by Ann, release manager, 20" in found.output


def test_several_can_decide_and_one_rejection_is_enough(keys: Path) -> None:
    reports = signed(keys, accepted())
    assert decided(keys, "--decision", "accept").exit_code == 0
    assert decided(keys, "--decision", "reject", "--because", "too late", key="run", by="Bob"
                   ).exit_code == 0  # fmt: skip
    assert [file.name for file in files_of(reports)] == [FIRST, "decision-2.dsse.json"]
    found = verified(keys, "--decision-key", f"{keys}/ann.pub")
    assert found.exit_code == 0
    assert "Decision: reject by Bob, " in found.output
    assert "because: too late." in found.output
    for word in ("accepted", "signed-off"):
        found = verified(keys, "--decision-key", f"{keys}/ann.pub", "--require", word)
        assert (found.exit_code, found.output.splitlines()[0]) == (
            1, "It was rejected by Bob, release manager.",
        )  # fmt: skip


def test_what_was_not_accepted_is_accepted_with_a_reason_alone(keys: Path) -> None:
    reports = signed(keys, accepted(results=(FAILED, *passing()[1:])))
    for reason in ((), ("--because", " ")):
        refused = decided(keys, "--decision", "accept", *reason)
        assert isinstance(refused.exception, UsageFailure)
        assert "to accept what was not accepted takes --because" in str(refused.exception)
    assert files_of(reports) == []
    assert decided(keys, "--decision", "reject").exit_code == 0
    assert decided(keys, "--decision", "accept", "--because", "known, D1 is mended").exit_code == 0
    (reports / FIRST).unlink()
    found = verified(keys, "--require", "signed-off", "--decision-key", f"{keys}/ann.pub")
    assert found.exit_code == 0, found.output
    assert "over the verdict rejected" in found.output
    found = verified(keys, "--require", "accepted", "--decision-key", f"{keys}/ann.pub")
    assert found.exit_code == 1


def test_nobody_has_decided(keys: Path) -> None:
    signed(keys, accepted())
    found = verified(keys, "--require", "signed-off")
    assert (found.exit_code, found.output.splitlines()[0]) == (
        1, "Nobody has decided to accept it: `meshproof sign-off --decision accept` does.",
    )  # fmt: skip


def test_a_decision_of_an_unknown_key_is_not_believed(keys: Path) -> None:
    signed(keys, accepted())
    decided(keys, "--decision", "accept")
    found = verified(keys)
    assert found.exit_code == 1
    assert found.output.startswith(f"{FIRST} is not signed with a given key: name the public key")
    assert "Decision:" not in found.output


UNSIGNED = '{"payload": "", "payloadType": "", "signatures": []}'


@pytest.mark.parametrize("content", ["", "{}", UNSIGNED])
def test_what_is_no_decision_is_told(keys: Path, content: str) -> None:
    (signed(keys, accepted()) / FIRST).write_text(content)
    found = verified(keys)
    assert found.exit_code == 1
    assert found.output.startswith(f"{FIRST} is ")


def test_a_decision_over_another_attestation_is_none_over_this_one(keys: Path) -> None:
    signed(keys, accepted())
    decided(keys, "--decision", "accept", key="run")
    assert verified(keys).exit_code == 0
    reports = signed(keys, accepted(seconds=61.0))
    found = verified(keys)
    assert found.output.startswith(f"{FIRST} is no decision over this attestation: it names")
    # The attestation itself is none.
    (reports / FIRST).write_bytes((reports / ATTESTATION).read_bytes())
    assert "its predicate's type is “https://in-toto.io/" in verified(keys).output


def test_what_differs_from_its_attestation_is_not_signed(keys: Path) -> None:
    reports = signed(keys, accepted())
    (reports / "signoff.json").write_text("{}")
    done = decided(keys, "--decision", "accept")
    assert done.exit_code == 1
    assert done.output.endswith("Nothing was signed.\n")
    assert files_of(reports) == []
    (reports / ATTESTATION).unlink()
    assert "There is no " in str(decided(keys, "--decision", "reject").exception)


@pytest.mark.parametrize("by", ["", " ", "x" * 501])
def test_who_decides_has_a_name(keys: Path, by: str) -> None:
    signed(keys, accepted())
    refused = decided(keys, "--decision", "accept", by=by)
    assert isinstance(refused.exception, UsageFailure)
    assert str(refused.exception).startswith("--by: ")


def test_a_name_cannot_forge_a_line(keys: Path) -> None:
    signed(keys, accepted())
    done = decided(keys, "--decision", "reject", by="Ann\nVerdict: accepted")
    assert "\nVerdict: accepted" not in done.output
