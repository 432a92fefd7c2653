"""What the linters say of the repository; each one's output is the failure's message."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

from meshproof.paths import PROJECT
from meshproof.supply.catalogue import recipes
from meshproof.supply.workshop import Workshop

#: The linters are those of the virtual environment that the tests run in.
TOOLS = Path(sys.executable).parent
SHELL = re.compile(rb"#!\s*/\S*\b(sh|bash|dash)\b")


@cache
def files() -> tuple[str, ...]:
    """Every file of the repository that is tracked or would be, relative to its root."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    return tuple(name for name in sorted(set(listed)) if name and (PROJECT / name).is_file())


def is_shell(name: str) -> bool:
    with (PROJECT / name).open("rb") as file:
        return SHELL.match(file.readline()) is not None


def named(*patterns: str) -> list[str]:
    return [name for name in files() if any(Path(name).match(pattern) for pattern in patterns)]


def commands() -> dict[str, list[str]]:
    """The linters as they are called in the root of the repository; no file, no call."""
    return {
        "ruff check": ["ruff", "check", "."],
        "ruff format": ["ruff", "format", "--check", "--diff", "."],
        "mypy": ["mypy"],  # pyproject.toml says how strict, and that it is all Python here
        "yamllint": ["yamllint", "--strict", "--config-file=.yamllint.yaml", *named("*.y*ml")],
        "hadolint": ["hadolint", *named("images/*/Dockerfile")],
        "shellcheck": ["shellcheck", *filter(is_shell, files())],
    }


@pytest.mark.parametrize("linter", commands())
def test_lint(linter: str) -> None:
    lint(*commands()[linter])


def test_actionlint(users_cache: Path) -> None:
    """It comes from its Go module, so it is built, once, by its recipe."""
    shop = Workshop({"actionlint": recipes()["actionlint"]}, root=PROJECT, cache=users_cache)
    shop.provide("actionlint")
    program = shop.folder("actionlint") / "bin" / "actionlint"
    workflows = named(".github/workflows/*.y*ml")
    assert workflows
    lint(str(program), f"-shellcheck={TOOLS / 'shellcheck'}", "-pyflakes=", *workflows)


def lint(program: str, *arguments: str) -> None:
    done = subprocess.run(
        [TOOLS / program, *arguments],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.fail(f"{program} {' '.join(arguments)}\n{done.stdout}", pytrace=False)


def test_every_kind_of_file_is_found() -> None:
    assert "meshproof/engine/oci-runtime.sh" in commands()["shellcheck"]
    assert "images/node/Dockerfile" in commands()["hadolint"]
    assert "manifests/kind/cluster.yaml" in commands()["yamllint"]
    assert ".yamllint.yaml" in commands()["yamllint"]


def test_mypy_reads_all_python_below_the_root_strictly() -> None:
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["mypy"]
    assert settings["files"] == ["."]
    assert settings["strict"] is True
    assert settings["exclude_gitignore"] is True
    assert not {"exclude", "ignore_errors", "disable_error_code"} & set(settings)
