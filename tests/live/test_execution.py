"""Commands in containers of a live cluster: all that they print, and how they ended."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.objects import get
from meshproof.cluster.shape import DEFAULT
from meshproof.mesh.istio import NAMESPACE as MESH_NAMESPACE
from meshproof.process import CommandFailed, Completed

CONTAINER = "istio-proxy"
#: So many lines are more than any frame or buffer on the way holds.
LINES = 200_000


@pytest.fixture
def gateway(cluster: Cluster) -> str:
    """The ingress gateway's pod."""
    return str(get(cluster, DEFAULT.gateway.pods_path)["items"][0]["metadata"]["name"])


def sh(cluster: Cluster, pod: str, script: str, *, stdin: str | None = None) -> Completed:
    """Run a script of the shell."""
    return cluster.exec(
        MESH_NAMESPACE, pod, CONTAINER, "sh", "-c", script, check=False, stdin=stdin
    )


def test_all_that_a_command_prints_comes(cluster: Cluster, gateway: str) -> None:
    done = sh(cluster, gateway, f"seq 1 {LINES}")
    assert done.ok, done.stderr
    assert done.stdout.split() == [str(number) for number in range(1, LINES + 1)]


def test_commands_that_end_beside_each_other_lose_nothing(cluster: Cluster, gateway: str) -> None:
    scripts = [f"sleep 0.{number}; seq 1 20000; echo ä >&2" for number in range(8)]
    with ThreadPoolExecutor(4) as pool:
        ended = list(pool.map(lambda script: sh(cluster, gateway, script), scripts))
    assert {(done.exit_code, done.stdout.split()[-1], done.stderr) for done in ended} == {
        (0, "20000", "ä\n")
    }


def test_a_long_line_is_whole_where_it_is_acknowledged(cluster: Cluster, gateway: str) -> None:
    script = "seq -s, 1 100000; read -r told; exit 3"
    done = cluster.exec(
        MESH_NAMESPACE, gateway, CONTAINER, "sh", "-c", script, check=False, acknowledged=True
    )
    assert (done.exit_code, done.stdout.count(",")) == (3, 99_999)


def test_what_a_command_reads_ends(cluster: Cluster, gateway: str) -> None:
    assert sh(cluster, gateway, "cat", stdin="größer\n").stdout == "größer\n"


def test_the_exit_code_is_the_commands_own(cluster: Cluster, gateway: str) -> None:
    done = sh(cluster, gateway, "echo so far; exit 7")
    assert (done.exit_code, done.stdout) == (7, "so far\n")


def test_a_pod_or_program_that_is_not_there_is_said(cluster: Cluster, gateway: str) -> None:
    with pytest.raises(CommandFailed) as no_pod:
        cluster.exec(MESH_NAMESPACE, "nobody", CONTAINER, "true")
    assert "404" in no_pod.value.completed.stderr
    with pytest.raises(CommandFailed) as no_program:
        cluster.exec(MESH_NAMESPACE, gateway, CONTAINER, "no-such-program")
    assert "no-such-program" in no_program.value.completed.stderr
