"""The votes as the stores themselves hold them, by their ids (C5, C7, F4)."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.objects import get
from meshproof.process import CommandFailed, Completed
from meshproof.suite.tutorial import Tutorial
from steps.voting.ballots import CATEGORIES

#: The id of a vote, and its category.
Row = tuple[str, str]

STORAGE = "voting-storage"
#: Reads the table as the application's user. The pod's shell fills the password in: no command
#: line that is kept as evidence holds it.
SELECT = (
    'MYSQL_PWD="$MYSQL_PASSWORD" exec mariadb --no-defaults --protocol=tcp --host=127.0.0.1 '
    '--user="$MYSQL_USER" --batch --skip-column-names '
    '--execute="SELECT id, category FROM votes ORDER BY id" "$MYSQL_DATABASE"'
)

#: Kills the server, which cannot write anything more. A container's first process would not be
#: killed from within, and nobody would say so.
CRASH = (
    'pid="$(cat /run/mysqld/mysqld.pid)" && test "$pid" -ne 1 '
    '&& test "$(cat "/proc/$pid/comm")" = mariadbd && kill -KILL "$pid"'
)
#: What a command ends with that was killed itself, since its container ended with the server.
KILLED = 128 + signal.SIGKILL


def redis_rows(cluster: Cluster, namespace: str, pod: str) -> list[Row]:
    """Read all votes in Redis, by `redis-cli` in its pod. Raises ``CommandFailed``.

    An error that Redis answers with is one, too (``-e``): its words would pass for votes.
    """
    ask = ("redis-cli", "-e", "SMEMBERS")
    return [
        (vote_id, category)
        for category in CATEGORIES
        for vote_id in cluster.exec(
            namespace, pod, STORAGE, *ask, f"votes:{category}"
        ).stdout.split()
    ]


def mysql_rows(cluster: Cluster, namespace: str, pod: str) -> list[Row]:
    """Read all votes in MySQL, by the `mariadb` client in its pod. Raises ``CommandFailed``."""
    printed = cluster.exec(namespace, pod, STORAGE, "sh", "-c", SELECT).stdout
    return [(row[0], row[1]) for row in (line.split("\t") for line in printed.splitlines())]


def crash_mysql(cluster: Cluster, namespace: str, pod: str) -> Completed:
    """Kill the server in a pod of MySQL's with SIGKILL, and its container ends with it.

    Raises ``CommandFailed`` where it was not killed.
    """
    done = cluster.exec(namespace, pod, STORAGE, "sh", "-c", CRASH, check=False)
    if not done.ok and done.exit_code != KILLED:
        raise CommandFailed("The server of MySQL's pod could not be killed.", done)
    return done


def in_redis(tutorial: Tutorial) -> list[Row]:
    """Read all votes of 1.0. Raises as `redis_rows`, and ``PromiseBroken`` where it has no pod."""
    pod = tutorial.pod_of(STORAGE, "1.0").name
    return redis_rows(tutorial.cluster, tutorial.namespace, pod)


def in_mysql(tutorial: Tutorial) -> list[Row]:
    """Read all votes of 2.0. Raises as `mysql_rows`, and ``PromiseBroken`` where it has no pod."""
    pod = tutorial.pod_of(STORAGE, "2.0").name
    return mysql_rows(tutorial.cluster, tutorial.namespace, pod)


#: Reads all votes of a store, by its name.
STORES: Mapping[str, Callable[[Tutorial], list[Row]]] = {"Redis": in_redis, "MySQL": in_mysql}


def counts_of(rows: Iterable[Row]) -> tuple[int, int]:
    """Count cats and dogs."""
    counted = Counter(category for _, category in rows)
    return counted["Cats"], counted["Dogs"]


def amiss(cast: Iterable[Row], rows: Sequence[Row], *, others: bool = False) -> list[str]:
    """Say which votes are not in a store exactly once, and which are there that were not cast.

    ``others`` says that more may be there.
    """
    wanted, found = set(cast), Counter(rows)
    lines = [
        f"vote {vote_id} for {category} is there {found[vote_id, category]} times"
        for vote_id, category in sorted(wanted)
        if found[vote_id, category] != 1
    ]
    if others:
        return lines
    return lines + [f"vote {i} for {c} was not cast here" for i, c in sorted(found.keys() - wanted)]


def readiness_command(deployment: Mapping[str, Any]) -> list[str]:
    """Return the command by which a Deployment's first container says that it is ready.

    Empty where it has none, or is asked in another way.
    """
    probe = deployment["spec"]["template"]["spec"]["containers"][0].get("readinessProbe", {})
    return list(probe.get("exec", {}).get("command", []))


def claims_of(cluster: Cluster, namespace: str, pod: str) -> list[str]:
    """Name the claims whose volumes a pod has mounted in its first container."""
    spec = get(cluster, f"/api/v1/namespaces/{namespace}/pods/{pod}")["spec"]
    mounted = {mount["name"] for mount in spec["containers"][0].get("volumeMounts", [])}
    return [
        volume["persistentVolumeClaim"]["claimName"]
        for volume in spec["volumes"]
        if "persistentVolumeClaim" in volume and volume["name"] in mounted
    ]
