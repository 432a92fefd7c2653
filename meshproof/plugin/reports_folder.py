"""The folder of a run's reports: had by that run alone, and emptied of an earlier one's."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
from filelock import BaseFileLock, FileLock, Timeout

from meshproof.paths import state_dir
from meshproof.signoff.allure_report import HISTORY, REPORT, RESULTS
from meshproof.signoff.attestation import ATTESTATION
from meshproof.signoff.decisions import PATTERN as DECISIONS
from meshproof.signoff.reports_folder import mark, may_write

#: Folders and files of the reports that a run writes anew.
WRITTEN = (
    "junit.xml", RESULTS, REPORT, HISTORY, "signoff.json", "signoff.html", "signoff.md", "evidence",
    ATTESTATION,
)  # fmt: skip


def claim_folder(reports: Path) -> BaseFileLock:
    """Keep a reports folder for this run, until the lock is released or the process ends.

    Raises ``pytest.UsageError`` where another run has it: the two would mix their evidence.
    """
    name = hashlib.sha256(str(reports.resolve()).encode()).hexdigest()[:16]
    lock = FileLock(state_dir() / "reports" / f"{name}.lock")
    Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise pytest.UsageError(
            f"Another run is writing its reports to {reports}: name another folder with --reports, "
            "or wait until it ends."
        ) from error
    return lock


def prepare_folder(reports: Path) -> None:
    """Empty a reports folder of what an earlier run wrote; anything else in it stays.

    Raises ``pytest.UsageError`` where it cannot be written, or holds what no run has written.
    """
    try:
        if not may_write(reports):
            raise pytest.UsageError(
                f"The reports folder {reports} is not empty, and no run has written there: name "
                "another with --reports, or empty it."
            )
        mark(reports)
        for path in [*(reports / name for name in WRITTEN), *reports.glob(DECISIONS)]:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    except OSError as error:
        raise pytest.UsageError(
            f"The reports folder {reports} cannot be written ({error.strerror}): name another "
            "with --reports."
        ) from error
