"""Where a browser's temporary files are, and what is said of one that does not start."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest

from meshproof.errors import EnvironmentBroken
from meshproof.plugin.browser import _temporary_files, launched

#: What a folder's path may have at most, so that Chromium's socket below it has 107 bytes.
MOST = 62


@pytest.mark.parametrize("name", ["/" + (MOST - 1) * "t", "/" + "ü" * 30 + "t"])
def test_a_path_in_which_the_socket_fits_is_taken(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", name)
    with _temporary_files() as folder:
        assert folder == name


@pytest.mark.parametrize("name", ["/" + MOST * "t", "/" + "ü" * 31])
def test_a_longer_one_is_not_and_nothing_stays(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(tempfile, "tempdir", name)
    with _temporary_files() as folder:
        assert Path(folder).is_dir()
        assert Path(folder).parent == Path("/tmp")
    assert not Path(folder).exists()


def test_without_room_for_the_socket_the_reader_is_told_what_to_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(**_: Any) -> None:
        raise OSError(28, "No space left on device")

    usual = "/" + MOST * "t"
    monkeypatch.setattr(tempfile, "tempdir", usual)
    monkeypatch.setattr(tempfile, "TemporaryDirectory", full)
    with pytest.raises(EnvironmentBroken) as refused, _temporary_files():
        pass
    assert refused.value.sentence == (
        f"Chromium makes a socket, whose path would be too long in {usual}, and /tmp cannot be "
        "written to ([Errno 28] No space left on device). Set TMPDIR to a folder of at most 62 "
        "bytes."
    )


def test_what_a_browser_says_that_does_not_start_is_kept() -> None:
    with pytest.raises(EnvironmentBroken) as refused, launched(Path("/bin/false")):
        pass
    assert refused.value.sentence == "/bin/false does not start; what it says is below."
    assert "<launching> /bin/false" in refused.value.details
