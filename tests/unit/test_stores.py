from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from meshproof.cluster.cluster import Cluster
from meshproof.process import CommandFailed, run
from steps.voting import stored_rows as module
from steps.voting.stored_rows import (
    CRASH,
    amiss,
    claims_of,
    counts_of,
    crash_mysql,
    mysql_rows,
    readiness_command,
    redis_rows,
)

Kubectl = Callable[[str, str], Path]


def test_votes_in_redis(cluster: Cluster, script: Kubectl) -> None:
    script("kubectl", 'case "$*" in *votes:Cats) printf "a\\nb\\n";; *votes:Dogs) echo c;; esac')
    assert redis_rows(cluster, "voting", "storage-1") == [
        ("a", "Cats"), ("b", "Cats"), ("c", "Dogs"),
    ]  # fmt: skip


def test_what_redis_refuses_with_is_no_vote(cluster: Cluster, script: Kubectl) -> None:
    # As redis-cli does where it is told `-e`.
    refusal = 'echo "NOAUTH Authentication required."; case "$*" in *" -e "*) exit 1;; esac'
    script("kubectl", refusal)
    with pytest.raises(CommandFailed, match="NOAUTH"):
        redis_rows(cluster, "voting", "storage-1")


def test_votes_in_mysql(cluster: Cluster, script: Kubectl) -> None:
    script("kubectl", 'printf "a\\tCats\\nb\\tDogs\\n"')
    assert mysql_rows(cluster, "voting", "storage-2") == [("a", "Cats"), ("b", "Dogs")]


def test_stores_without_a_vote(cluster: Cluster, script: Kubectl) -> None:
    script("kubectl", "echo")
    assert redis_rows(cluster, "voting", "storage-1") == []
    script("kubectl", "true")
    assert mysql_rows(cluster, "voting", "storage-2") == []


@pytest.mark.parametrize("exit_code", [0, 137])
def test_who_kills_the_server_may_end_with_it(
    cluster: Cluster, script: Kubectl, exit_code: int
) -> None:
    script("kubectl", f"exit {exit_code}")
    assert crash_mysql(cluster, "voting", "storage-1").exit_code == exit_code


def test_a_server_that_could_not_be_killed(cluster: Cluster, script: Kubectl) -> None:
    script("kubectl", "echo no such process >&2; exit 1")
    with pytest.raises(CommandFailed, match="could not be killed"):
        crash_mysql(cluster, "voting", "storage-1")


@pytest.mark.parametrize(
    ("program", "pid", "killed"),
    [
        ("mariadbd", "$!", True),
        ("other", "$!", False),  # the number is now another process's
        ("mariadbd", "1", False),  # to kill the first process has no effect within
    ],
)
def test_the_server_alone_is_killed(tmp_path: Path, program: str, pid: str, killed: bool) -> None:
    shutil.copy(shutil.which("sleep") or "", tmp_path / program)
    crash = CRASH.replace("/run/mysqld", str(tmp_path))
    # What was not killed ends by another signal.
    whole = (
        f"{tmp_path / program} 60 & echo {pid} >{tmp_path / 'mysqld.pid'}; "
        f"until grep -q {program} /proc/$!/comm; do :; done; ({crash}); echo $?; "
        "kill $!; wait $!; echo $?"
    )
    code, ended = run(["sh", "-c", whole]).stdout.split()
    assert (code == "0", ended) == ((True, "137") if killed else (False, "143"))


def test_votes_are_counted_by_category() -> None:
    assert counts_of([("a", "Cats"), ("b", "Dogs"), ("c", "Cats")]) == (2, 1)
    assert counts_of([]) == (0, 0)


CAST = [("a", "Cats"), ("b", "Dogs")]


def test_a_store_that_holds_just_what_was_cast() -> None:
    assert amiss(CAST, [("b", "Dogs"), ("a", "Cats")]) == []


@pytest.mark.parametrize(
    ("rows", "lines"),
    [
        ([("a", "Cats")], ["vote b for Dogs is there 0 times"]),
        ([*CAST, ("b", "Dogs")], ["vote b for Dogs is there 2 times"]),
        (
            [("a", "Cats"), ("b", "Cats")],
            ["vote b for Dogs is there 0 times", "vote b for Cats was not cast here"],
        ),
        ([*CAST, ("c", "Dogs")], ["vote c for Dogs was not cast here"]),
    ],
)
def test_what_is_amiss(rows: list[tuple[str, str]], lines: list[str]) -> None:
    assert amiss(CAST, rows) == lines


def test_others_may_be_there() -> None:
    assert amiss(CAST, [*CAST, ("c", "Dogs")], others=True) == []
    assert amiss(CAST, [("c", "Dogs")], others=True) == [
        "vote a for Cats is there 0 times", "vote b for Dogs is there 0 times",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("probe", "command"),
    [
        ({"readinessProbe": {"exec": {"command": ["ready", "now"]}}}, ["ready", "now"]),
        ({"readinessProbe": {"tcpSocket": {"port": 3306}}}, []),
        ({}, []),
    ],
)
def test_how_a_deployment_is_asked_whether_it_is_ready(
    probe: dict[str, Any], command: list[str]
) -> None:
    spec = {"containers": [{"name": "one", **probe}, {"name": "two"}]}
    assert readiness_command({"spec": {"template": {"spec": spec}}}) == command


def test_the_claims_that_a_pod_keeps_its_files_on(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = [{"name": "votes", "mountPath": "/a"}, {"name": "run", "mountPath": "/b"}]
    volumes = [
        {"name": "votes", "persistentVolumeClaim": {"claimName": "claim"}},
        {"name": "spare", "persistentVolumeClaim": {"claimName": "another"}},
        {"name": "run", "emptyDir": {}},
    ]
    spec = {"containers": [{"volumeMounts": mounts}, {}], "volumes": volumes}
    monkeypatch.setattr(module, "get", lambda *_: {"spec": spec})
    assert claims_of(cluster, "voting", "storage-2") == ["claim"]
