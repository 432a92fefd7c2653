"""The workflows: what they are allowed, what they run, and that they do as the README says."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from meshproof.environment.options import Options
from meshproof.paths import PROJECT
from meshproof.signoff.allure_report import HISTORY

WORKFLOWS = sorted((PROJECT / ".github" / "workflows").glob("*.y*ml"))
NIGHTLY = PROJECT / ".github" / "workflows" / "nightly.yml"
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+")
#: What only a command of the project itself, or one that sets it up, has in it.
OF_THE_PROJECT = re.compile(r"\b(tox|pip|pytest|meshproof)\b|\bacceptance\.py\b")
SHELL_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)

every_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


@cache
def workflow(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(path.read_text())
    return document


def jobs(path: Path) -> list[dict[str, Any]]:
    return list(workflow(path)["jobs"].values())


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in jobs(path) for step in job["steps"]]


def commands(path: Path) -> list[str]:
    return [line.strip() for step in steps(path) for line in step.get("run", "").splitlines()]


def readme_commands() -> set[str]:
    blocks = SHELL_BLOCK.findall((PROJECT / "README.md").read_text())
    return {line.partition(" #")[0].strip() for block in blocks for line in block.splitlines()}


def step_named(path: Path, part: str) -> dict[str, Any]:
    (found,) = [step for step in steps(path) if part in step.get("name", "")]
    return found


def test_there_is_the_nightly() -> None:
    assert NIGHTLY in WORKFLOWS


@every_workflow
def test_every_action_is_pinned_by_its_commit_with_its_version_beside_it(path: Path) -> None:
    used = re.findall(r"\buses: (.*)", path.read_text())
    assert used
    assert [each for each in used if not PINNED.fullmatch(each)] == []


@every_workflow
def test_nothing_is_allowed_but_reading_the_repository(path: Path) -> None:
    assert workflow(path)["permissions"] == {"contents": "read"}
    assert not any("permissions" in job for job in jobs(path))
    checkouts = [step for step in steps(path) if "actions/checkout@" in step.get("uses", "")]
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


@every_workflow
def test_a_secret_is_given_to_one_step_alone_and_never_stands_in_what_it_runs(path: Path) -> None:
    given = [step for step in steps(path) if "secrets." in str(step)]
    assert [step["env"] for step in given] == [
        {"CONFIG": "${{ secrets.MESHPROOF_KUBECONFIG }}"} for _ in given
    ]
    assert not any("secrets." in step.get("run", "") for step in steps(path))
    assert path.read_text().count("secrets.") == len(given)


def test_a_cluster_of_ones_own_is_taken_where_the_repository_names_one() -> None:
    job = workflow(NIGHTLY)["jobs"]["existing"]
    assert job["if"] == "vars.MESHPROOF_KUBE_CONTEXT != ''"
    assert job["env"]["MESHPROOF_CLUSTER"] == "existing"
    chosen = {name for name in job["env"] if name != "MESHPROOF_SOURCE_URL"}
    options = {f"MESHPROOF_{name.upper()}" for name in Options.model_fields}
    assert chosen - options == set()
    by_name = {step.get("name", ""): step for step in job["steps"]}
    assert by_name["Take the kubeconfig away"]["if"] == "always()"


@every_workflow
def test_no_job_can_hang_or_run_beside_itself(path: Path) -> None:
    assert all(job["timeout-minutes"] <= 180 for job in jobs(path))
    assert workflow(path)["concurrency"]["group"]


@every_workflow
def test_what_runs_the_project_is_a_command_of_the_readme(path: Path) -> None:
    own = {command for command in commands(path) if OF_THE_PROJECT.search(command)}
    assert own
    assert own - readme_commands() == set()


def test_the_nightly_runs_the_main_job_on_a_schedule_and_by_hand() -> None:
    triggers = workflow(NIGHTLY)["on"]
    assert triggers["schedule"]
    assert "workflow_dispatch" in triggers
    (main,) = [command for command in readme_commands() if command.endswith("-e acceptance")]
    assert main in commands(NIGHTLY)


def test_what_a_red_run_leaves_is_kept_too() -> None:
    for job in jobs(NIGHTLY):
        (begun,) = [
            place for place, step in enumerate(job["steps"]) if "-e acceptance" in str(step)
        ]
        after = job["steps"][begun + 1 :]
        assert after
        assert all(step["if"].startswith("always()") for step in after)
    assert step_named(NIGHTLY, "Keep the reports")["with"]["path"] == "reports/"
    assert step_named(NIGHTLY, "Keep the Allure history")["with"]["path"] == f"reports/{HISTORY}"
    summary = step_named(NIGHTLY, "job summary")["run"]
    assert summary == 'cat reports/signoff.md >>"$GITHUB_STEP_SUMMARY"'


@pytest.mark.parametrize("what", ["what the supply built", "the Allure history"])
def test_what_is_saved_is_what_is_restored(what: str) -> None:
    restored = step_named(NIGHTLY, f"Restore {what}")["with"]
    saved = step_named(NIGHTLY, f"Save {what}")["with"]
    assert saved["path"] == restored["path"]
    assert restored["key"].startswith(restored["restore-keys"])


def test_all_that_goes_into_what_is_built_is_in_the_caches_key() -> None:
    key = step_named(NIGHTLY, "Restore what the supply built")["with"]["key"]
    hashed = re.findall(r"'([^']+)/\*\*'", key)
    assert {"supply", "images", "meshproof/supply", "requirements"} == set(hashed)
    assert all((PROJECT / folder).is_dir() for folder in hashed)
