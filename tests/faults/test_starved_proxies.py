"""The kernel gives proxies no more instances of inotify, while a run waits for them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from meshproof.engine.machine import PROXY_USER
from meshproof.environment.environment import Environment
from meshproof.environment.options import Options
from meshproof.errors import ExitCode
from meshproof.run.lanes import Lane
from tests.whole_runs import WholeRuns, runs_beside

pytestmark = pytest.mark.exclusive

#: Takes all instances that a user may have, gives some back, and keeps the others to its end.
HOLD = """\
import ctypes, os, sys
os.setgroups([])
os.setgid(int(sys.argv[2]))
os.setuid(int(sys.argv[2]))
libc, held = ctypes.CDLL(None), []
while (instance := libc.inotify_init()) >= 0:
    held.append(instance)
for instance in held[: int(sys.argv[1])]:
    os.close(instance)
print(len(held), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def runs(
    environment: Environment, lane: Lane, options: Options, tmp_path: Path
) -> Iterator[WholeRuns]:
    with runs_beside(environment, lane, options, "starved", tmp_path / "reports") as runs:
        yield runs


@contextmanager
def taken(*, but: int) -> Iterator[None]:
    """Have the proxies' user hold all instances but some."""
    if os.geteuid() != 0:
        pytest.fail("only root can run a process as the proxies' user")
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", HOLD, str(but), str(PROXY_USER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout and int(process.stdout.readline()) > but
        yield
    finally:
        process.communicate()


@pytest.mark.parametrize("left", [0, 4], ids=["none is left", "too few are left"])
def test_proxies_that_get_no_instance_of_inotify_are_the_environments_fault(
    left: int, runs: WholeRuns
) -> None:
    # With none, Istio's agent ends; with some, one of several Envoys aborts.
    with taken(but=left):
        ended = runs("-m", "D3")
    assert ended.code == ExitCode.ENVIRONMENT, ended.printed
    (scenario,) = ended.row("D3")["scenarios"]
    assert scenario["outcome"] == "error"
    assert "gives it no more instances of inotify. Run `sysctl -w " in scenario["message"]
