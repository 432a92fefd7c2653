"""Nodes that cannot end as something in them is frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from meshproof.engine.engine import Container, Engine
from meshproof.engine.freezer import SETTLE, frozen, settle, thaw
from meshproof.errors import EnvironmentBroken
from meshproof.process import Completed
from tests.unit.conftest import Script

NODE = Container("meshproof-control-plane", "running", "node", "0123abcd")
POD = "kubelet.slice/cri-containerd-77.scope"


def group(folder: Path, state: str) -> Path:
    """A control group, as the kernel shows it in a file."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "freezer.state"
    file.write_text(f"{state}\n")
    return file


@pytest.mark.parametrize(
    "node", ["docker/0123abcd", "system.slice/docker-0123abcd.scope"], ids=["cgroupfs", "systemd"]
)
def test_what_is_frozen_in_a_node_is_thawed_and_nothing_else(tmp_path: Path, node: str) -> None:
    others = group(tmp_path / "docker/4567", "FROZEN")
    within = group(tmp_path / node, "THAWED")
    pod = group(tmp_path / node / POD, "FROZEN")
    half = group(tmp_path / node / "kubelet.slice/half", "FREEZING")
    assert frozen(NODE.id, tmp_path) == [pod, half]
    assert thaw([NODE], tmp_path)
    assert (pod.read_text(), half.read_text()) == ("THAWED", "THAWED")
    assert (within.read_text(), others.read_text()) == ("THAWED\n", "FROZEN\n")
    assert not thaw([NODE], tmp_path)


def test_where_nothing_is_frozen_or_seen_nothing_is_thawed(tmp_path: Path) -> None:
    assert not thaw([NODE], tmp_path / "not there")
    group(tmp_path / "docker/0123abcd", "THAWED")
    assert not thaw([NODE], tmp_path)


def test_who_may_not_thaw_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group(tmp_path / "docker/0123abcd" / POD, "FROZEN")

    def refuse(path: Path, text: str) -> int:
        raise PermissionError(f"not {text} for you in {path.name}")

    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.raises(EnvironmentBroken, match=r"meshproof-control-plane cannot end.* as root"):
        thaw([NODE], tmp_path)


@dataclass(frozen=True)
class Told(Engine):
    """An engine that notes what it is told, and fails."""

    commands: list[tuple[str | Path, ...]] = field(default_factory=list)

    def run(self, *argv: str | Path, check: bool = True, timeout: float = 60.0) -> Completed:
        self.commands.append(argv)
        assert not check
        assert timeout <= 20
        return Completed(("docker",), 1, "", "is not running", 0, 0)


def test_a_node_that_does_not_run_need_not_settle() -> None:
    engine = Told("docker", "docker")
    settle(engine, NODE.name)
    assert engine.commands == [("exec", NODE.name, "sh", "-c", SETTLE)]


def test_a_node_that_does_not_answer_is_not_waited_for(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meshproof.engine.freezer.SETTLE_TIMEOUT", 0.2)
    script("docker", "sleep 60")
    settle(Engine("docker", "docker"), NODE.name)
