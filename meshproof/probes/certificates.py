"""Certificates as live proxies hold them, and calls that must outlive their renewal (T5)."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.objects import get
from meshproof.cluster.pods import pod_state
from meshproof.errors import PromiseBroken
from meshproof.mesh.admin import ask_proxy
from meshproof.mesh.authority import mesh_config, trust_domain
from meshproof.mesh.loaded import AT_ONCE
from meshproof.tls.certificates import Held, read_held
from meshproof.waiting import CERTIFICATE_RENEWED, converge
from meshproof.wording import listed, quoted

SECRETS = "/config_dump?resource=dynamic_active_secrets"
#: Redis's number of the connection that asks: the same as long as it is the same connection.
CONNECTION_ID = ("CLIENT", "ID")
#: Seconds between two questions on an open connection.
INTERVAL = "0.5"


def pods_of(cluster: Cluster, namespace: str, path: str = "") -> list[Mapping[str, Any]]:
    """Return the pods of a namespace that run, as the API server has them, at another path or all.

    Raises ``PromiseBroken`` where one has no proxy: it could have no certificate.
    """
    there = get(cluster, path or f"/api/v1/namespaces/{namespace}/pods")["items"]
    running = [pod for pod in there if pod_state(pod).settled]
    bare = [pod["metadata"]["name"] for pod in running if not pod_state(pod).proxied]
    if bare or not running:
        raise PromiseBroken(
            f"{namespace}: {len(running)} pods run, without a proxy: {listed(bare)}"
        )
    return running


def pods_and_gateway(cluster: Cluster, namespace: str) -> list[Mapping[str, Any]]:
    """Return a namespace's pods and those of the ingress gateway. Raises ``PromiseBroken``."""
    gateway = cluster.mesh.gateway
    return [
        *pods_of(cluster, namespace),
        *pods_of(cluster, gateway.namespace, gateway.pods_path),
    ]


def certificates_held(cluster: Cluster, pods: Sequence[Mapping[str, Any]]) -> list[Held]:
    """Ask the proxies of pods what they hold.

    Raises ``PromiseBroken`` where one holds none, ``EnvironmentBroken`` where one does not answer.
    """
    domain = trust_domain(mesh_config(cluster))

    def ask(pod: Mapping[str, Any]) -> Held:
        place = pod["metadata"]
        (dump,) = ask_proxy(cluster, place["namespace"], place["name"], [SECRETS])
        return read_held(dump, pod, domain)

    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        return list(pool.map(ask, pods))


def await_renewal(
    cluster: Cluster, pods: Sequence[Mapping[str, Any]], before: Sequence[Held]
) -> list[Held]:
    """Wait until each proxy holds another certificate; return the first that followed.

    Raises ``NotConverged``.
    """
    old = {held.pod: held.serial for held in before}
    followed: dict[str, Held] = {}

    def waiting() -> list[str]:
        for held in certificates_held(cluster, pods):
            if held.serial != old[held.pod]:
                followed.setdefault(held.pod, held)
        return [f"{pod} still holds {old[pod]}" for pod in old if pod not in followed]

    converge(
        waiting,
        until=lambda pods: not pods,
        what="the proxies have renewed their certificates",
        timeout=CERTIFICATE_RENEWED,
        promised=True,
    )
    return [followed[held.pod] for held in before]


@dataclass(frozen=True)
class Answer:
    """What came back on a connection, and when."""

    at: datetime
    text: str

    def __str__(self) -> str:
        """Return it in a line."""
        return f"{quoted(self.text)} at {self.at:%T}"


class OpenConnection:
    """One connection to Redis, opened inside a pod and asked for its number every half second.

    ``redis-cli`` would open another where it breaks, which has another number.
    """

    def __init__(self, cluster: Cluster, namespace: str, pod: str, container: str, to: str) -> None:
        """``to`` is the Service's name."""
        self.answers: list[Answer] = []
        self._argv = [
            str(cluster.tools / "kubectl"), "exec", "-n", namespace, pod, "-c", container, "--",
            "redis-cli", "-h", to, "-r", "-1", "-i", INTERVAL, *CONNECTION_ID,
        ]  # fmt: skip
        self._environment = {**os.environ, **cluster.environment}

    def __enter__(self) -> OpenConnection:
        """Open it, and write down what comes back."""
        self._process = subprocess.Popen(
            self._argv,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            env=self._environment,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        self._process.terminate()
        self._process.wait()
        self._reader.join()

    def await_answer(self, after: datetime) -> None:
        """Wait until something came back after a moment. Raises ``NotConverged``."""
        converge(
            lambda: self.answers[-1],
            until=lambda answer: answer.at > after,
            what=f"an answer on the open connection after {after:%T}",
            timeout=CERTIFICATE_RENEWED,
            promised=True,
        )

    def _read(self) -> None:
        assert self._process.stdout is not None, "its output was asked for"  # noqa: S101
        with self._process.stdout as lines:
            for line in lines:
                self.answers.append(Answer(datetime.now(UTC), line.strip()))


def new_connection(cluster: Cluster, namespace: str, pod: str, container: str, to: str) -> str:
    """Ask Redis on a connection of its own, opened inside a pod, for the connection's number."""
    done = cluster.exec(
        namespace, pod, container, "redis-cli", "-h", to, *CONNECTION_ID, check=False
    )
    return done.stdout.strip()
