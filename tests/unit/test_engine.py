from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from meshproof.engine.engine import Container, Engine, answering, podman_settings
from meshproof.engine.machine import Machine
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


def test_podmans_builds_ask_for_the_limits_that_the_machine_has(
    machine: Machine, script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    withheld = replace(machine, withheld=("CAP_SYS_RESOURCE",), open_files=1024, processes=4096)
    monkeypatch.setattr("meshproof.engine.engine.this_machine", lambda: withheld)
    script("docker", "exit 1")
    script("podman", "exit 0")
    said = commands_of_a_build(answering(), tmp_path)
    assert [word for word in said if word.startswith("--ulimit")] == [
        "--ulimit=nofile=1024:1024",
        "--ulimit=nproc=4096:4096",
    ]
    assert '"nofile=1024:1024", "nproc=4096:4096"' in (podman_settings(withheld) or "")


@pytest.mark.parametrize("name", ["docker", "podman"])
def test_builds_ask_for_no_limits_where_nothing_is_withheld(
    machine: Machine, script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("meshproof.engine.engine.this_machine", lambda: machine)
    script(name, "exit 0")
    found = answering((name,))
    assert not [word for word in commands_of_a_build(found, tmp_path) if "ulimit" in word]


def commands_of_a_build(engine: Engine | None, context: Path) -> list[str]:
    """The words of the command by which an engine builds an image."""
    words: list[str] = []
    assert engine is not None
    engine.build_image(lambda *argv, **_: words.extend(map(str, argv)), context, "made:1", {})
    return words


@pytest.mark.parametrize(
    ("name", "printed", "rootless"),
    [
        ("docker", '["name=seccomp,profile=default","name=rootless"]', True),
        ("docker", '["name=seccomp,profile=default"]', False),
        ("docker", "null", False),
        ("podman", "true", True),
        ("podman", "false", False),
    ],
)
def test_an_engine_says_whether_it_is_rootless(
    script: Script, name: str, printed: str, rootless: bool
) -> None:
    command = script(name, f"echo '{printed}'")
    assert Engine(name, str(command)).rootless is rootless
