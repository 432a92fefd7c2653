"""A run of the suite in a process that begins where imports end.

Imports are a third of what a run of one scenario costs. One process has them made
and forks for each run; what a run does, from its arguments to its exit code, is
what ``python acceptance.py`` does.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from pathlib import Path

import acceptance
from meshproof.paths import ROOT

#: No plugin of pytest's is among them: those must be imported by the run's own pytest. An API of
#: the Kubernetes client is: with its models, which take a second, it is imported at its first use.
PRELOADED = [
    "tests.live.suite_process",
    "kubernetes.config",
    "kubernetes.client.api.core_v1_api",
    "kubernetes.client.api.apps_v1_api",
]


def run_suite(arguments: list[str], output: Path, timeout: float) -> int:
    """Run the suite with all that it prints in a file, and return its exit code.

    Raises ``TimeoutError`` where it does not end within ``timeout`` seconds.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    process = context.Process(target=_run, args=(arguments, output))
    process.start()
    process.join(timeout)
    if process.exitcode is None:
        process.terminate()
        process.join()
        raise TimeoutError(f"not finished within {timeout:g} s:\n{output.read_text()}")
    return process.exitcode


def _run(arguments: list[str], output: Path) -> None:
    with output.open("wb") as sink:
        for stream in (1, 2):
            os.dup2(sink.fileno(), stream)
    os.chdir(ROOT)
    sys.argv = ["acceptance.py", *arguments]
    sys.exit(acceptance.main(arguments))
