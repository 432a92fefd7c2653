from __future__ import annotations

from pathlib import Path

import pytest

from meshproof.cluster.cluster import Cluster, make_tools
from meshproof.process import CommandFailed


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """A cluster whose kubectl says what it was called with."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "kubectl").write_text('#!/bin/sh\necho "$KUBECONFIG $*"; test "$1" != fail\n')
    (tools / "kubectl").chmod(0o755)
    return Cluster("meshproof", tmp_path / "kubeconfig", tools)


def test_a_command_means_this_cluster_and_its_own_programs(cluster: Cluster) -> None:
    done = cluster.command("kubectl", "get", "pods")
    assert done.stdout == f"{cluster.kubeconfig} get pods\n"
    assert cluster.command("sh", "-c", "command -v kubectl").stdout == f"{cluster.tools}/kubectl\n"


def test_evidence_shows_a_command_as_it_is_published(cluster: Cluster) -> None:
    assert cluster.command("kubectl", "get", "pods").command_line == "kubectl get pods"


def test_a_failing_command_is_an_error_unless_it_may_fail(cluster: Cluster) -> None:
    assert not cluster.command("kubectl", "fail", check=False).ok
    with pytest.raises(CommandFailed):
        cluster.command("kubectl", "fail")


def test_links_of_tools_follow_what_was_built_last(tmp_path: Path) -> None:
    old, new = tmp_path / "old" / "kind", tmp_path / "new" / "kind"
    folder = make_tools(tmp_path / "bin", {"kind": old})
    assert make_tools(folder, {"kind": new, "kubectl": old}) == folder
    assert {link.name: link.readlink() for link in folder.iterdir()} == {
        "kind": new,
        "kubectl": old,
    }
