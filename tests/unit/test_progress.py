from __future__ import annotations

import re
import threading

import pytest

from meshproof import progress as module
from meshproof.progress import Progress


def test_a_step_says_when_it_begins_and_how_it_ended(progress: Progress, lines: list[str]) -> None:
    with progress.step("build kind"):
        assert len(lines) == 1
    assert re.fullmatch(r"\[ +\d+\.\d s\] ▸ build kind", lines[0])
    assert re.fullmatch(r"\[ +\d+\.\d s\] ✓ build kind \(\d+\.\d s\)", lines[1])


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_a_failed_step_says_so_and_lets_the_error_through(
    progress: Progress, lines: list[str], error: BaseException
) -> None:
    with pytest.raises(type(error)), progress.step("build kind"):
        raise error
    assert "✗ failed: build kind" in lines[-1]


def test_a_long_step_says_that_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.001)
    lines: list[str] = []
    beaten = threading.Event()

    def write(line: str) -> None:
        lines.append(line)
        if "…" in line:
            beaten.set()

    with Progress(write).step("build kubernetes"):
        assert beaten.wait(10)
    assert re.search(r"… build kubernetes: still running after \d+ s$", lines[1])


def test_progress_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    Progress().note("ready")
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.fullmatch(r"\[ +\d+\.\d s\] ready\n", printed.err)
