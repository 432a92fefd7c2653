"""Runs on a mesh with Istio's default settings, made for them: `tox run -e clusters`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from meshproof.cluster.cluster import Cluster
from meshproof.errors import ExitCode
from meshproof.progress import Progress
from tests.clusters import defaults
from tests.clusters.by_hand import COMMAND, Run, made, objects, runs_on, verdicts, whole_suite


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with made(defaults.MESH, tmp_path_factory.mktemp("defaults"), Progress()) as cluster:
        yield cluster


@pytest.fixture
def existing(cluster: Cluster) -> Run:
    return runs_on(defaults.MESH, cluster)


def test_what_these_settings_let_be_seen_is_accepted_and_the_rest_says_why(
    cluster: Cluster, existing: Run, tmp_path: Path
) -> None:
    before = objects(cluster)
    done = existing(*whole_suite(tmp_path / "reports"))
    assert done.exit_code == ExitCode.PARTIAL, done.transcript()
    signoff: dict[str, Any] = json.loads((tmp_path / "reports" / "signoff.json").read_text())
    unseen = signoff["unseen"]
    assert {row["name"] for row in unseen} == {str(one) for one in defaults.UNSEEN}, unseen
    without = {name for row in unseen for name in row["expectations"]}
    found = verdicts(signoff)
    assert {name for name, said in found.items() if said == "partial"} == without, found
    assert {found[name] for name in found.keys() - without} == {"accepted"}, found
    cleaned = existing(*COMMAND, "clean")
    assert cleaned.ok, cleaned.transcript()
    assert objects(cluster) == before
