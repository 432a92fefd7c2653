"""How long scenarios took in earlier runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshproof.paths import state_dir
from meshproof.run.durations import RUNS, Durations

NODE = "features/test_deploy.py::test_a_promise_is_kept"


def test_nothing_is_expected_before_the_first_run() -> None:
    assert Durations.load().expected(NODE) is None


def test_the_median_of_earlier_runs_is_expected() -> None:
    for seconds in (4.0, 90.0, 5.0):
        durations = Durations.load()
        durations.add(NODE, seconds)
        durations.save()
    assert Durations.load().expected(NODE) == 5.0
    assert Durations.load().expected("another") is None


def test_what_was_added_counts_before_it_is_saved() -> None:
    durations = Durations.load()
    durations.add(NODE, 4.0)
    assert durations.expected(NODE) == 4.0
    assert Durations.load().expected(NODE) is None


def test_only_the_last_runs_count() -> None:
    durations = Durations.load()
    for seconds in [100.0] * RUNS + [1.0] * RUNS:
        durations.add(NODE, seconds)
    durations.save()
    assert Durations.load().expected(NODE) == 1.0


def test_what_another_run_saved_meanwhile_stays() -> None:
    mine, another = Durations.load(), Durations.load()
    mine.add(NODE, 4.0)
    another.add(NODE, 6.0)
    another.add("another", 1.0)
    another.save()
    mine.save()
    assert (Durations.load().expected(NODE), Durations.load().expected("another")) == (5.0, 1.0)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b'{"a": 3}', b'{"a": ["soon"]}', b'{"a": [-1]}', b'{"a": [1e999]}',
        b'{"a": [NaN]}', b"\xff",
    ],
)  # fmt: skip
def test_a_damaged_file_holds_nothing_and_is_written_anew(content: bytes) -> None:
    state_dir().mkdir(parents=True)
    path = state_dir() / "durations.json"
    path.write_bytes(content)
    durations = Durations.load()
    assert durations.expected("a") is None
    durations.add(NODE, 4.0)
    durations.save()
    assert Durations.load().expected(NODE) == 4.0


def test_nothing_is_left_beside_the_file(tmp_path: Path) -> None:
    durations = Durations.load(tmp_path / "below" / "d.json")
    durations.save()
    assert not (tmp_path / "below").exists()
    durations.add(NODE, 4.0)
    durations.save()
    assert {path.name for path in (tmp_path / "below").iterdir()} <= {"d.json", "d.json.lock"}


def test_a_file_that_cannot_be_written_is_an_error_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    durations = Durations.load(tmp_path / "file" / "d.json")
    durations.add(NODE, 4.0)
    with pytest.raises(OSError, match="file"):
        durations.save()
