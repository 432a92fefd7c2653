"""What runs of unit tests are forked by is told as if `python` had started them."""

from __future__ import annotations

import os
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.forked import LIBRARIES, ran

SHOW = """
import os, sys
print(sys.argv, os.environ["GIVEN"], os.getcwd(), __name__, os.getsid(0) == os.getpid(),
      flush=True)
print("an error", file=sys.stderr)
sys.exit(3)
"""
HANG = """
import os, time
print(os.getpid(), flush=True)
time.sleep(300)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shown.py").write_text(SHOW)
    (tmp_path / "hangs.py").write_text(HANG)
    return tmp_path


@pytest.mark.parametrize("typed", [["shown.py"], ["-m", "shown"]])
def test_it_has_its_own_arguments_variables_and_folder(folder: Path, typed: list[str]) -> None:
    done = ran([*typed, "--more"], cwd=folder, env={**os.environ, "GIVEN": "given"})
    first, *others = done.stdout.splitlines()
    assert first.endswith(f"shown.py', '--more'] given {folder} __main__ True")
    assert (others, done.returncode) == (["an error"], 3)


def test_what_does_not_end_is_killed(folder: Path) -> None:
    with pytest.raises(subprocess.TimeoutExpired) as caught:
        ran(["hangs.py"], cwd=folder, env=os.environ, timeout=3)
    assert caught.value.timeout == 3
    assert isinstance(caught.value.output, bytes)
    assert not Path(f"/proc/{int(caught.value.output)}").exists()


@pytest.mark.parametrize("name", LIBRARIES)
def test_what_is_imported_beforehand_is_there(name: str) -> None:
    # The server that forks would say nothing, and save nothing.
    assert find_spec(name)
