"""Chromium where it has less room than usual."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from meshproof.environment.browser import ensure_browser
from meshproof.environment.options import Options
from meshproof.plugin.browser import launched
from meshproof.progress import Progress


def test_it_starts_where_the_path_of_temporary_files_is_long(
    options: Options, progress: Progress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = ensure_browser(install=options.install, progress=progress)
    folder = tmp_path / (100 * "t")
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)  # it is asked for anew

    def starts() -> bool:
        with launched(program) as browser:
            return browser.is_connected()

    # Playwright takes one browser a thread, and the run's own may be open in this one.
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(starts).result()
