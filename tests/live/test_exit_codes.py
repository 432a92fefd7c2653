"""The documented exit codes, of the command that a user types; none of this needs a cluster."""

from __future__ import annotations

import json
import os
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from meshproof.environment.options import option_flags
from meshproof.errors import ExitCode
from meshproof.paths import PROJECT
from meshproof.plugin.options import OF_RUNS
from meshproof.process import Completed, run
from tests.suites import IDS, SECTIONS
from tests.whole_runs import MESHPROOF

#: Seconds; a run takes two.
RUN_TIMEOUT = 60.0
#: tox and its packages are those of the virtual environment that the tests run in.
TOX = Path(sys.executable).with_name("tox")

#: Runs the acceptance suite with the arguments that are typed after `features`.
Accept = Callable[..., Completed]


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    return tmp_path / "reports"


@pytest.fixture
def accept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, reports: Path) -> Accept:
    """Runs in an environment in which nobody has chosen anything, and no engine answers.

    Without one on the PATH and with --no-install, none is started or installed either.
    """
    for name in list(os.environ):
        if name.startswith("MESHPROOF_"):
            monkeypatch.delenv(name)
    programs = tmp_path / "programs"
    programs.mkdir()
    environment = {
        "PATH": str(programs),
        "MESHPROOF_DOCKER": str(programs / "docker"),
        "MESHPROOF_PODMAN": str(programs / "podman"),
        "MESHPROOF_STATE": str(tmp_path / "state"),
        "MESHPROOF_CACHE": str(tmp_path / "cache"),
    }

    def accept(*arguments: str) -> Completed:
        own = ["-p", "no:cacheprovider", "--no-install", f"--reports={reports}"]
        return run(
            [sys.executable, *MESHPROOF, "run", "features", *own, *arguments],
            check=False,
            cwd=PROJECT,
            env=environment,
            timeout=RUN_TIMEOUT,
        )

    return accept


def said(done: Completed) -> str:
    return done.stdout + done.stderr


def errors(done: Completed) -> list[str]:
    """The lines in which pytest says what is wrong with how it was called."""
    lines = [line for line in said(done).splitlines() if "ERROR: " in line]
    return [line.removeprefix("ERROR: ") for line in lines]


def test_an_option_that_there_is_not(accept: Accept, reports: Path) -> None:
    done = accept("--nodse=2")
    assert done.exit_code == ExitCode.USAGE, done.transcript()
    assert "unrecognized arguments: --nodse=2" in said(done)
    assert not reports.exists()


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        (
            ["--nodes", "0"],
            "--nodes: Input should be greater than or equal to 1 (given: '0').",
        ),
        (["--kube-context", "prod"], "--kube-context goes with --cluster existing."),
        (
            ["-n", "9"],
            "-n 9 is more lanes than make sense: each runs ten pods of its own. "
            "Ask for 8 at most; on 2 cores one lane is as fast as two.",
        ),
    ],
)
def test_an_option_that_cannot_be_is_said_in_one_sentence(
    accept: Accept, reports: Path, typed: list[str], sentence: str
) -> None:
    done = accept(*typed)
    assert done.exit_code == ExitCode.USAGE, done.transcript()
    assert errors(done) == [sentence]
    assert "Traceback" not in said(done)
    assert not reports.exists()


@pytest.mark.parametrize("expression", ["deploy or D9", "not delpoy"])
def test_a_misspelt_tag_is_told_those_that_there_are(
    accept: Accept, reports: Path, expression: str
) -> None:
    done = accept("-m", expression)
    assert done.exit_code == ExitCode.USAGE, done.transcript()
    (sentence,) = errors(done)
    assert f"“{expression.rsplit(maxsplit=1)[-1]}”" in sentence
    assert f"{', '.join([*SECTIONS, *IDS])}" in sentence
    assert not reports.exists()


@pytest.mark.parametrize("selection", [["-k", "nonesuch"], ["-m", "D1 and D2"]])
def test_a_selection_that_matches_nothing_is_no_success(
    accept: Accept, reports: Path, selection: list[str]
) -> None:
    done = accept(*selection)
    assert done.exit_code == ExitCode.USAGE, done.transcript()
    assert "Nothing was selected: the selection matches no scenario." in said(done)
    assert not (reports / "signoff.json").exists()


def test_a_file_in_the_place_of_the_reports(accept: Accept, reports: Path) -> None:
    reports.write_text("in the way")
    done = accept()
    assert done.exit_code == ExitCode.USAGE, done.transcript()
    (sentence,) = errors(done)
    assert sentence.startswith(f"The reports folder {reports} cannot be written")
    assert sentence.endswith("name another with --reports.")
    assert reports.read_text() == "in the way"


def test_reports_in_a_folder_of_somebody_elses(accept: Accept, reports: Path) -> None:
    (reports / "evidence").mkdir(parents=True)
    (reports / "evidence" / "thesis.tex").touch()
    done = accept()
    assert done.exit_code == ExitCode.USAGE, done.transcript()
    assert errors(done) == [
        f"The reports folder {reports} is not empty, and no run has written there: name another "
        "with --reports, or empty it."
    ]
    assert (reports / "evidence" / "thesis.tex").exists()


def test_a_cluster_that_cannot_be_brought_up_leaves_it_open(
    accept: Accept, reports: Path, tmp_path: Path
) -> None:
    done = accept()
    assert done.exit_code == ExitCode.ENVIRONMENT, done.transcript()
    assert "Verdict: inconclusive" in said(done)
    document = json.loads((reports / "signoff.json").read_text())
    assert (document["verdict"], document["interrupted"]) == ("inconclusive", False)
    rows = document["expectations"]
    assert [row["id"] for row in rows] == list(IDS)
    assert {row["verdict"] for row in rows} <= {"inconclusive", "out of scope"}
    covered = [row for row in rows if row["verdict"] == "inconclusive"]
    assert {row["id"] for row in covered} >= {f"D{number}" for number in range(1, 9)}
    scenarios = [scenario for row in covered for scenario in row["scenarios"]]
    assert {scenario["outcome"] for scenario in scenarios} == {"error"}
    assert all("A container engine needs" in scenario["message"] for scenario in scenarios)
    counts = document["counts"]
    assert counts["errors"] == counts["collected"] > 0
    assert counts["passed"] == counts["failed"] == counts["skipped"] == 0
    assert (reports / "junit.xml").is_file()
    assert not (tmp_path / "cache").exists(), "nothing may be built without an engine"


def test_what_was_selected_is_the_scope_of_what_is_left_open(accept: Accept, reports: Path) -> None:
    done = accept("-m", "D7")
    assert done.exit_code == ExitCode.ENVIRONMENT, done.transcript()
    document = json.loads((reports / "signoff.json").read_text())
    assert document["scope"]["selection"] == "-m D7"
    assert [r["id"] for r in document["expectations"] if r["verdict"] != "out of scope"] == ["D7"]


@pytest.mark.parametrize("question", ["--help", "--version"])
def test_a_question_is_answered(accept: Accept, reports: Path, question: str) -> None:
    done = accept(question)
    assert done.exit_code == 0, done.transcript()
    assert not reports.exists()
    if question == "--help":
        for name in OF_RUNS:
            assert option_flags(name) in done.stdout


def test_the_exit_code_gets_through_tox(tmp_path: Path) -> None:
    # The environment that these tests may run in is left alone: tox gets another,
    # which has the same packages without installing them.
    instead = {
        "env_dir": str(tmp_path / "environment"),
        "deps": "",
        "commands_pre": "",
        "set_env": f"PYTHONPATH={sysconfig.get_path('purelib')}",
    }
    overrides = [f"-x=testenv:acceptance.{key}={value}" for key, value in instead.items()]
    selection = ["--", "-m", "nonsense", f"--reports={tmp_path / 'reports'}"]
    done = run(
        [TOX, "-qq", "run", f"--workdir={tmp_path}", "-e", "acceptance", *overrides, *selection],
        check=False,
        cwd=PROJECT,
        timeout=RUN_TIMEOUT,
    )
    assert done.exit_code == ExitCode.USAGE, done.transcript()
    assert "“nonsense”" in said(done)
