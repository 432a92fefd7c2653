"""A project of somebody else, from an installed package to its verdict: docs/own-tutorial.md."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from meshproof.environment.environment import Environment
from meshproof.paths import PROJECT
from tests.pages import printed_by, readers_variables, typed

PAGE = PROJECT / "docs" / "own-tutorial.md"
#: Seconds; all of it takes about 150 where images and packages are there, and the rest is load.
ALL_OF_IT = 900.0


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder that has nothing but a checkout, under the name that the page gives it."""
    (tmp_path / "meshproof").symlink_to(PROJECT)
    return tmp_path


@pytest.fixture
def users(environment: Environment) -> Mapping[str, str]:
    """The variables of somebody who has chosen nothing but this run's cluster."""
    # A virtual environment that is active here is none of theirs.
    ours = {"VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"}
    own = str(Path(sys.executable).parent)
    return {
        **{name: value for name, value in readers_variables().items() if name not in ours},
        "PATH": os.pathsep.join(p for p in os.environ["PATH"].split(os.pathsep) if p != own),
        "MESHPROOF_CLUSTER_NAME": environment.cluster.name,
    }


@pytest.mark.exclusive
def test_every_command_of_the_page_does_what_it_says(place: Path, users: Mapping[str, str]) -> None:
    commands = [block.text for block in typed(PAGE)]
    assert len(commands) == 4
    printed = printed_by("".join(commands), place, users, timeout=ALL_OF_IT)
    assert "G2   Let testers in first   Testers get version 2" in printed
    assert "3 tests collected" in printed
    assert "4 passed" in printed

    signoff = json.loads((place / "greeting" / "reports" / "signoff.json").read_text())
    assert signoff["verdict"] == "accepted"
    verdicts = {row["id"]: row["verdict"] for row in signoff["expectations"]}
    assert verdicts == {"G1": "accepted", "G2": "accepted"}

    site = place / "venv" / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    assert (site / "meshproof" / "_data" / "supply").is_dir()
    assert not {"steps", "fixtures", "features"} & {each.name for each in site.iterdir()}
