"""Which suites a run is of, in which order their scenarios come, and where each is followed."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from meshproof.environment.options import read_options
from meshproof.paths import PROJECT
from meshproof.plugin import suites as refusing
from meshproof.plugin.scenarios import manifests_of_suite, note_suites, suite_of, suites_of
from meshproof.plugin.suites import anothers_ids
from meshproof.suite.registry import suite_named, suites
from tests.forked import ran
from tests.whole_runs import MESHPROOF

NAMES = [suite.name for suite in suites()]


def item(path: str) -> pytest.Item:
    return cast("pytest.Item", SimpleNamespace(path=PROJECT / path))


def config() -> pytest.Config:
    return cast("pytest.Config", SimpleNamespace(stash=pytest.Stash(), rootpath=PROJECT))


def of(*paths: str) -> list[str]:
    """The suites of a run of these files."""
    run = config()
    note_suites(run, map(item, paths))
    return [suite.name for suite in suites_of(run)]


@pytest.mark.parametrize("name", NAMES)
def test_a_scenario_and_a_breakage_are_of_the_suite_of_their_folder(name: str) -> None:
    for path in (f"features/{name}/test_x.py", f"manifests/{name}/breakages/x.yaml"):
        assert suite_of(item(path)) is suite_named(name)
    assert suite_of(item("tests/unit/test_x.py")) is None


def test_a_run_is_of_the_suites_of_its_scenarios_the_default_one_first() -> None:
    assert of("features/bookinfo/test_a.py", "features/voting/test_a.py") == NAMES
    assert of("features/bookinfo/test_a.py", "tests/unit/test_a.py") == ["bookinfo"]
    assert of("manifests/bookinfo/breakages/a.yaml") == ["bookinfo"]


def test_the_harness_own_tests_on_a_mesh_stand_on_the_default_suite() -> None:
    for folder in ("live", "thorough", "faults"):
        assert of(f"tests/{folder}/test_a.py", "features/bookinfo/test_a.py") == NAMES
    assert of("tests/unit/test_a.py") == ["voting"]


def test_manifests_that_are_named_are_the_first_suites(tmp_path: Path) -> None:
    run, options = config(), read_options({"manifests": tmp_path})
    note_suites(run, [item(f"features/{name}/test_a.py") for name in NAMES])
    voting, bookinfo = suites()
    assert manifests_of_suite(run, options, voting) == tmp_path
    assert manifests_of_suite(run, options, bookinfo) == bookinfo.manifests
    assert manifests_of_suite(run, read_options({}), voting) == voting.manifests


def collected(*arguments: str) -> list[str]:
    """What is collected, in its order, by pytest's ids."""
    done = ran(
        [*MESHPROOF, "run", "--collect-only", "-q", "-n0", *arguments],
        cwd=PROJECT,
        env=os.environ,
    )
    assert done.returncode == 0, done.stdout
    return [line for line in done.stdout.splitlines() if "::" in line]


def test_scenarios_come_suite_by_suite_and_what_asks_after_all_is_last() -> None:
    ids = collected("features")
    *others, last = [node.split("/")[1] for node in ids]
    assert last == NAMES[0] and ids[-1].endswith(
        "::test_deleting_the_tutorials_namespaces_leaves_nothing_of_the_tutorial_in_the_cluster"
    )
    turns = [name for at, name in enumerate(others) if others[at - 1 : at] != [name]]
    assert turns == NAMES


def test_a_suite_is_run_alone_by_its_folder_or_by_its_sections() -> None:
    ids = collected("features/bookinfo")
    assert {node.split("/")[1] for node in ids} == {"bookinfo"}
    assert sorted(ids) == sorted(collected("features", "-m", "bookinfo"))


def test_the_id_of_another_suite_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    ids: dict[Any, tuple[str, ...]] = {
        "features/bookinfo/test_a.py": ("B1", "D1"), "features/voting/test_a.py": ("D1",),
    }  # fmt: skip
    monkeypatch.setattr(refusing, "described", lambda _: SimpleNamespace(title="It is open"))
    monkeypatch.setattr(
        refusing, "ids_of", lambda one: ids[one.path.relative_to(PROJECT).as_posix()]
    )
    assert list(anothers_ids(map(item, ids))) == [
        "The scenario “It is open” of the suite “bookinfo” carries D1, which is an expectation of "
        "“voting”: give it an id of its own suite."
    ]
