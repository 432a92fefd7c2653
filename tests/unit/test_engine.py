from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from meshproof.engine.engine import Container, Engine, answering
from meshproof.process import CommandFailed

if TYPE_CHECKING:
    from tests.unit.conftest import Script


@pytest.mark.parametrize(
    ("docker", "podman", "found"),
    [
        ("exit 0", "exit 0", "docker"),
        ("exit 1", "exit 0", "podman"),
        ("exit 1", "exit 1", None),
        ('[ "$1" != --version ] || echo podman version 4.3.1', "exit 0", "podman"),
        ('[ "$1" != --version ] || echo Docker version 20.10.24', "exit 0", "docker"),
    ],
)
def test_docker_comes_before_podman_where_it_answers(
    script: Script, docker: str, podman: str, found: str | None
) -> None:
    script("docker", docker)
    script("podman", podman)
    engine = answering()
    assert (engine and engine.name) == found


def test_an_engine_may_have_another_command(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = script("docker-of-ours", "exit 0")
    monkeypatch.setenv("MESHPROOF_DOCKER", str(other))
    assert answering() == Engine("docker", str(other))


def test_no_engine_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert answering() is None


def test_images(script: Script) -> None:
    docker = script("docker", 'case "$*" in *there*) echo sha256:abcd ;; *) exit 1 ;; esac')
    engine = Engine("docker", str(docker))
    assert engine.has_image("there")
    assert engine.image_id("there") == "sha256:abcd"
    assert not engine.has_image("gone")
    with pytest.raises(CommandFailed):
        engine.image_id("gone")


def inspected(name: str, state: str, image: str) -> dict[str, object]:
    config = {"Image": image}
    return {"Id": f"id-of-{name}", "Name": name, "State": {"Status": state}, "Config": config}


def test_containers_by_name_as_docker_and_podman_show_them(script: Script, tmp_path: Path) -> None:
    shown = [
        inspected("/worker", "exited", "old:1"),
        inspected("control-plane", "running", "node:1"),
    ]
    (tmp_path / "shown").write_text(json.dumps(shown))
    body = f'case "$1" in ps) echo 1 2 ;; container) cat {tmp_path / "shown"} ;; esac'
    assert Engine("docker", str(script("docker", body))).containers("a=b") == [
        Container("control-plane", "running", "node:1", "id-of-control-plane"),
        Container("worker", "exited", "old:1", "id-of-/worker"),
    ]


def test_no_containers(script: Script) -> None:
    docker = script("docker", 'test "$1" = ps')
    assert Engine("docker", str(docker)).containers("a=b") == []


@pytest.mark.parametrize(
    ("body", "port"),
    [
        ("echo 127.0.0.1:35043", 35043),
        ("echo '[::1]:35043'; echo 127.0.0.1:35044", 35043),
        ("exit 1", None),
        ("exit 0", None),
    ],
)
def test_published_port(script: Script, body: str, port: int | None) -> None:
    assert Engine("docker", str(script("docker", body))).published_port("node", 30080) == port


@pytest.mark.parametrize(("body", "there"), [("exit 0", True), ("exit 1", False)])
def test_whether_there_are_containers_of_these_names(
    script: Script, body: str, there: bool
) -> None:
    assert Engine("docker", str(script("docker", body))).has_containers(["n1", "n2"]) is there


def test_docker_means_podman_for_a_program_that_calls_it_so(script: Script, tmp_path: Path) -> None:
    podman = script("podman", 'printf "%s|" "$@"')
    environment = Engine("podman", str(podman)).docker_shim(tmp_path)
    printed = subprocess.run(
        ["docker", "a b", "c"], env=environment, capture_output=True, text=True, check=True
    )
    assert printed.stdout == "a b|c|"
    assert environment["PATH"].endswith(os.environ["PATH"])


def test_docker_needs_no_shim(tmp_path: Path) -> None:
    assert Engine("docker", "docker").docker_shim(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []
