from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from meshproof import __version__
from meshproof.process import run
from meshproof.suite import coverage, registry
from meshproof.suite.coverage import (
    declared_expectations,
    declared_sections,
    provenance,
    tree_digest,
)
from tests.suites import EXPECTATIONS, IDS, SECTIONS


@pytest.fixture
def declare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Writes the table of the pyproject.toml that is read."""
    monkeypatch.setattr(registry, "PROJECT", tmp_path)

    def write(lines: str) -> None:
        (tmp_path / "pyproject.toml").write_text(f"[tool.meshproof]\n{lines}\n")
        registry.declared.cache_clear()

    yield write
    registry.declared.cache_clear()


def test_this_release_covers_something_and_nothing_twice() -> None:
    assert declared_sections()
    assert set(declared_sections()) <= set(SECTIONS)
    covered = {row.id for row in EXPECTATIONS if row.section in declared_sections()}
    assert not covered & set(declared_expectations())


def test_sections_come_in_the_order_of_the_specification(declare: Callable[[str], None]) -> None:
    declare('sections = {voting = ["mtls", "deploy", "update"]}')
    assert declared_sections() == ("deploy", "update", "mtls")


def test_expectations_come_in_the_order_of_the_specification(
    declare: Callable[[str], None],
) -> None:
    declare('expectations = ["A2", "D1"]')
    assert declared_expectations() == ("D1", "A2")
    assert IDS.index("D1") < IDS.index("A2")


def test_an_unknown_section_or_expectation_is_named(declare: Callable[[str], None]) -> None:
    declare('sections = {voting = ["deploy", "undeploy"]}\nexpectations = ["A2", "A99"]')
    with pytest.raises(ValueError, match="unknown sections: undeploy"):
        declared_sections()
    with pytest.raises(ValueError, match="unknown expectations: A99"):
        declared_expectations()


def test_what_is_covered_is_declared_by_suite(declare: Callable[[str], None]) -> None:
    declare(
        'sections = {bookinfo = ["bookinfo"], voting = ["deploy"]}\nexpectations = ["B1", "A2"]'
    )
    assert declared_sections() == ("deploy", "bookinfo")
    assert declared_sections(["bookinfo"]) == ("bookinfo",)
    assert declared_expectations(["bookinfo"]) == ("B1",)


def test_a_suite_that_is_not_there_and_another_suites_section_are_named(
    declare: Callable[[str], None],
) -> None:
    declare('sections = {shop = ["deploy"]}')
    with pytest.raises(ValueError, match="unknown suites: shop"):
        declared_sections()
    declare('sections = {bookinfo = ["deploy"]}')
    with pytest.raises(ValueError, match="unknown sections: deploy"):
        declared_sections()


# Which suite a run is of.


def test_the_commit_and_the_digest_of_the_manifests_are_said(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a")
    said = provenance(tmp_path, tree_digest(tmp_path))
    assert said["manifests"] == f"{tmp_path.name}, sha256:{tree_digest(tmp_path)}"
    assert said["meshproof"].startswith(f"{__version__}, commit ")
    assert re.fullmatch(r".+, \d+ cores, [\d.]+ GiB, cgroup v[12]", said["machine"])


def test_any_change_of_a_folder_changes_its_digest(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    file = tmp_path / "below" / "a.yaml"
    file.write_text("a")
    digests = [tree_digest(tmp_path)]
    file.write_text("b")
    digests.append(tree_digest(tmp_path))
    file.rename(tmp_path / "a.yaml")
    digests.append(tree_digest(tmp_path))
    (tmp_path / "more.yaml").touch()
    digests.append(tree_digest(tmp_path))
    assert len(set(digests)) == 4


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit, taken for the suite's own."""
    for name in ("DATA", "PROJECT"):
        monkeypatch.setattr(coverage, name, tmp_path)
    (tmp_path / "a").write_text("a")
    for words in (["init", "-q"], ["add", "a"], ["commit", "-qm", "Begin"]):
        run(["git", "-C", tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", *words])
    return tmp_path


def test_what_differs_from_the_commit_is_said(checkout: Path) -> None:
    clean = provenance(checkout, tree_digest(checkout))["meshproof"]
    assert re.fullmatch(rf"{__version__}, commit [0-9a-f]{{40}}", clean)
    (checkout / "a").write_text("b")
    assert provenance(checkout, tree_digest(checkout))["meshproof"] == f"{clean}, with changes"


def test_a_copy_that_is_no_checkout_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DATA", "PROJECT"):
        monkeypatch.setattr(coverage, name, tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert provenance(tmp_path, tree_digest(tmp_path))["meshproof"].endswith(
        "this is no checkout of its repository"
    )
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance(tmp_path, tree_digest(tmp_path))["meshproof"].endswith(
        "commit unknown: git is not there"
    )


def test_of_another_project_its_commit_is_said_and_the_librarys_version(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coverage, "DATA", checkout / "installed")
    said = provenance(checkout, tree_digest(checkout))
    assert said["meshproof"] == __version__
    assert re.fullmatch(rf"{checkout.name}, commit [0-9a-f]{{40}}", said["project"])
