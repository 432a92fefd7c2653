"""tox as these tests start it: with the packages that they run with, and no environment made."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

from meshproof.paths import PROJECT

#: What replaces the settings of the environment `acceptance`.
INSTEAD = {
    "deps": "",
    "commands_pre": "",
    "pass_env": "*",
    "set_env": f"PYTHONPATH={sysconfig.get_path('purelib')}{os.pathsep}{PROJECT}",
}


def acceptance(*options: str) -> list[str]:
    """The README's command up to what is typed after ``--``, with some options of tox's own."""
    program = str(Path(sys.executable).with_name("tox"))
    overrides = [f"-x=testenv:acceptance.{key}={value}" for key, value in INSTEAD.items()]
    return [program, "-qq", "run", *options, "-e", "acceptance", *overrides, "--"]
