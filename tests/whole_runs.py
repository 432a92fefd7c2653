"""Runs as whole processes, from the arguments to the exit code and the reports, on a live mesh."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from meshproof.environment import Environment
from meshproof.leftovers import clean_up
from meshproof.options import Options
from meshproof.paths import ROOT
from meshproof.process import run
from meshproof.progress import Progress

#: Seconds; a run of one scenario takes some 15.
RUN_TIMEOUT = 300.0


@dataclass(frozen=True)
class Ended:
    """A run that has ended: its exit code, what it printed, and its sign-off."""

    code: int
    printed: str
    signoff: dict[str, Any]

    def row(self, expectation: str) -> dict[str, Any]:
        """What the sign-off says of an expectation."""
        (found,) = (row for row in self.signoff["expectations"] if row["id"] == expectation)
        row: dict[str, Any] = found
        return row


class WholeRuns:
    """Starts runs on the cluster of the run around them, in a namespace of their own.

    The way in for any host is for that run's lanes.
    """

    def __init__(
        self, environment: Environment, options: Options, namespace: str, reports: Path
    ) -> None:
        """Nothing has run yet."""
        self.cluster, self.namespace, self.reports = environment.cluster, namespace, reports
        where = {"cluster": options.cluster, "cluster-name": self.cluster.name}
        if options.kube_context:
            where["kube-context"] = options.kube_context
        where |= {"namespace": namespace, "reports": str(reports)}
        self.where = [f"--{name}={value}" for name, value in where.items()]

    def __call__(self, *arguments: str) -> Ended:
        """Run the scenarios that the arguments select, and return how that ended."""
        own = ["-p", "no:cacheprovider", "--no-allure-report", *self.where]
        done = run(
            [sys.executable, "acceptance.py", "features", *own, *arguments],
            check=False,
            cwd=ROOT,
            timeout=RUN_TIMEOUT,
        )
        signoff = json.loads((self.reports / "signoff.json").read_text())
        return Ended(done.exit_code, done.transcript(), signoff)

    def clean_up(self) -> None:
        """Take away what they left, whoever made it."""
        clean_up(replace(self.cluster, owner=None), self.namespace, Progress())
