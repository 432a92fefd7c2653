"""Two runs at once on one cluster, each in a namespace of its own."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from meshproof.cluster.objects import namespaces_of
from meshproof.environment.environment import Environment
from meshproof.paths import PROJECT
from meshproof.probes.scratch_namespace import delete_namespaces
from meshproof.process import Completed, run
from meshproof.progress import Progress
from meshproof.run.lanes import Lane
from tests.whole_runs import run_of

#: What is published for any host, what looks at the whole mesh, and what at the whole cluster.
SCOPE = "D5 or A3 or (T1 and not canary)"
#: Seconds for a run beside another one; by itself it takes about 60.
RUN_TIMEOUT = 900.0


@pytest.mark.exclusive
def test_two_runs_at_once_are_both_accepted(
    environment: Environment, lane: Lane, progress: Progress, tmp_path: Path
) -> None:
    cluster, names = environment.cluster, [lane.namespace, f"{lane.namespace}-b"]
    # This run's own way in for any host is lent to the first of them.
    delete_namespaces(cluster, lane.namespace, progress=progress)

    def accept(namespace: str) -> Completed:
        where = (f"--cluster-name={cluster.name}", f"--namespace={namespace}")
        return run(
            [sys.executable, *run_of("features", tmp_path / namespace, "-m", SCOPE, *where)],
            check=False,
            cwd=PROJECT,
            timeout=RUN_TIMEOUT,
        )

    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(accept, names))
    printed = [each.transcript() for each in ended]
    for name, each in zip(names, ended, strict=True):
        assert each.exit_code == 0, each.transcript()
        signoff = json.loads((tmp_path / name / "signoff.json").read_text())
        assert signoff["verdict"] == "accepted", each.transcript()
        assert namespaces_of(cluster, name) == []
    (second,) = [text for text in printed if "the way in for any host is taken" in text]
    # It has not waited with what needs no host that another run has.
    assert second.index("T1 Before lock-down") < second.index("✓ D5"), second
    (first,) = [text for text in printed if text is not second]
    assert first.index("✓ D5") < first.index("T1 Before lock-down"), first
