"""The runtime that does without withheld capabilities, run for real before a runc that is not."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from meshproof.engine import provision

if TYPE_CHECKING:
    from tests.unit.conftest import Script

SETS = ("bounding", "effective", "permitted")
ASKED = ["CAP_CHOWN", "CAP_SYS_RESOURCE", "CAP_NET_ADMIN", "CAP_SYSLOG"]
LEFT = ["CAP_CHOWN", "CAP_NET_ADMIN"]

pytestmark = pytest.mark.skipif(
    shutil.which("jq") is None, reason="jq is installed only where capabilities are withheld"
)


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    """The runtime with its list of what is withheld beside it."""
    home = tmp_path / "engine"
    home.mkdir()
    (home / "withheld.json").write_text(json.dumps(["CAP_SYS_RESOURCE", "CAP_SYSLOG"]))
    return Path(shutil.copy(Path(provision.__file__).with_name("oci-runtime.sh"), home))


@pytest.fixture
def call(runtime: Path, script: Script, tmp_path: Path) -> Callable[..., list[str]]:
    """A function that calls the runtime and returns what runc was called with."""
    said = tmp_path / "arguments"
    script("runc", f"printf '%s\\0' \"$@\" >{said}")

    def run(*arguments: str | Path) -> list[str]:
        subprocess.run([runtime, *arguments], check=True, timeout=10)
        return said.read_text().split("\0")[:-1]

    return run


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def process(capabilities: dict[str, list[str]] | None) -> dict[str, Any]:
    rest = {"terminal": False, "args": ["sleep", "1 2"], "env": ["A=CAP_SYSLOG"]}
    return rest if capabilities is None else {**rest, "capabilities": capabilities}


@pytest.mark.parametrize("flag", ["--bundle", "-b"])
def test_a_new_container_is_not_given_what_is_withheld(
    call: Callable[..., list[str]], tmp_path: Path, flag: str
) -> None:
    asked = {"ociVersion": "1.2.0", "process": process(dict.fromkeys(SETS, ASKED)), "linux": {}}
    config = write(tmp_path / "bundle" / "config.json", asked)
    call("--log", "/var/log/x", "create", flag, config.parent, "--pid-file", "/run/pid", "id")
    assert json.loads(config.read_text()) == {
        **asked,
        "process": process(dict.fromkeys(SETS, LEFT)),
    }


@pytest.mark.parametrize("flag", ["--process", "-p"])
def test_a_process_in_a_container_is_not_given_what_is_withheld(
    call: Callable[..., list[str]], tmp_path: Path, flag: str
) -> None:
    file = write(tmp_path / "process.json", process({"bounding": ASKED, "inheritable": []}))
    call("exec", flag, file, "id")
    assert json.loads(file.read_text()) == process({"bounding": LEFT, "inheritable": []})


def test_arguments_reach_runc_unchanged(call: Callable[..., list[str]]) -> None:
    arguments = ["--root", "/a path", "", "kill", "--all", "id", "*", "$HOME", "a\nb"]
    assert call(*arguments) == arguments


@pytest.mark.parametrize(
    "config", [{"process": process(None)}, {"process": process({})}, {"ociVersion": "1.2.0"}]
)
def test_a_bundle_without_capabilities_is_left_as_it_is(
    call: Callable[..., list[str]], tmp_path: Path, config: dict[str, object]
) -> None:
    file = write(tmp_path / "bundle" / "config.json", config)
    call("create", "--bundle", file.parent, "id")
    assert json.loads(file.read_text()) == config
    assert list(file.parent.iterdir()) == [file]


def test_a_bundle_that_is_not_there_is_for_runc_to_complain_of(
    call: Callable[..., list[str]], tmp_path: Path
) -> None:
    arguments = ["create", "--bundle", str(tmp_path / "gone"), "id"]
    assert call(*arguments) == arguments


def test_the_exit_code_is_that_of_runc(runtime: Path, script: Script) -> None:
    script("runc", "exit 42")
    assert subprocess.run([runtime, "state", "id"], check=False, timeout=10).returncode == 42
