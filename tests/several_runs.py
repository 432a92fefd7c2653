"""Several runs in one process: most of a run's time is spent on imports."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from meshproof.paths import PROJECT
from tests.forked import ran

DRIVER = """
import json, sys
from meshproof.plugin.main import main
runs = json.load(open(sys.argv[1]))
json.dump({name: main(run) for name, run in runs.items()}, open(sys.argv[2], "w"))
"""


def run_all(
    root: Path, runs: Mapping[str, Sequence[str]], *, timeout: float
) -> tuple[dict[str, int], str]:
    """Run pytest in a folder with each run's arguments, without what the user has set.

    Returns the exit codes, by the runs' names, and what all of them printed. ``timeout`` is in
    seconds. Raises ``AssertionError`` where not all came to their ends.
    """
    (root / "runs.json").write_text(json.dumps(runs))
    (root / "driver.py").write_text(DRIVER)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MESHPROOF_")}
    done = ran(
        ["driver.py", "runs.json", "codes.json"],
        cwd=root,
        env={**environment, "PYTHONPATH": str(PROJECT), "MESHPROOF_STATE": str(root / "state")},
        timeout=timeout,
    )
    assert done.returncode == 0, done.stdout
    codes: dict[str, int] = json.loads((root / "codes.json").read_text())
    return codes, done.stdout
