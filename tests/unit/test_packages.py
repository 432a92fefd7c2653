from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from meshproof.engine.machine import Machine
from meshproof.engine.packages import install_packages
from meshproof.errors import EnvironmentBroken
from meshproof.progress import Progress

if TYPE_CHECKING:
    from tests.unit.conftest import Script


@dataclass
class Apt:
    """An apt-get that does what it is told, and notes what it is called with."""

    script: Script
    log: Path

    def does(self, body: str) -> None:
        self.script("apt-get", f'echo "$*" >>{self.log}\n{body}')

    @property
    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def apt(script: Script, tmp_path: Path) -> Apt:
    apt = Apt(script, tmp_path / "calls")
    apt.does("exit 0")
    return apt


def install(machine: Machine, progress: Progress, *, allowed: bool = True) -> None:
    install_packages(
        ("docker.io", "jq"), why="an engine", machine=machine, allowed=allowed, progress=progress
    )


def test_what_is_installed_is_said_before(
    machine: Machine, progress: Progress, lines: list[str], apt: Apt
) -> None:
    install(machine, progress)
    assert "▸ install from Debian: docker.io jq (an engine)" in lines[0]
    assert apt.calls[-1].endswith("--yes install --no-install-recommends docker.io jq")


def test_old_lists_are_fetched_anew_once(
    machine: Machine, progress: Progress, apt: Apt, tmp_path: Path
) -> None:
    fresh = tmp_path / "fresh"
    apt.does(f'case "$*" in *update*) touch {fresh} ;; *) test -e {fresh} ;; esac')
    install(machine, progress)
    assert [call.split("--yes ")[1].split()[0] for call in apt.calls][-2:] == ["update", "install"]


def test_a_failure_shows_what_apt_said(machine: Machine, progress: Progress, apt: Apt) -> None:
    apt.does("echo E: Unable to locate package; exit 100")
    with pytest.raises(EnvironmentBroken, match="E: Unable to locate package"):
        install(machine, progress)


def test_no_install_refuses_and_tells_the_command(
    machine: Machine, progress: Progress, apt: Apt
) -> None:
    with pytest.raises(EnvironmentBroken, match=r"run `apt-get install docker\.io jq` yourself"):
        install(machine, progress, allowed=False)
    assert apt.calls == []


@pytest.mark.parametrize("change", [{"root": False}, {"distribution": "fedora"}])
def test_only_debian_as_root_is_installed_on(
    machine: Machine,
    progress: Progress,
    apt: Apt,
    change: dict[str, object],
) -> None:
    with pytest.raises(EnvironmentBroken, match="only on Debian as root"):
        install(replace(machine, **change), progress)  # type: ignore[arg-type]
    assert apt.calls == []
