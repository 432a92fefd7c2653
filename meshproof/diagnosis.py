"""What a failure leaves behind, caught before anything is cleaned up."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from meshproof.cluster.cluster import Cluster
from meshproof.errors import MeshproofError
from meshproof.evidence import Evidence
from meshproof.mesh.istio import NAMESPACE as MESH_NAMESPACE

#: Lines of a log that are kept: enough for a minute of traffic.
LOG_LINES = "400"
#: Seconds for one command; a broken cluster must not hold up the report.
COMMAND_TIMEOUT = 20.0


def capture(cluster: Cluster, namespace: str, evidence: Evidence) -> None:
    """Keep events, pods, logs of application and proxy, and the proxies' state and configuration.

    What cannot be had is kept as the error that it gave; nothing is raised.
    """
    kubectl = ("kubectl", "-n", namespace)
    commands: list[tuple[str, ...]] = [
        (*kubectl, "get", "all,gateways,virtualservices,destinationrules,peerauthentications,"
         "authorizationpolicies", "-o", "wide"),
        (*kubectl, "get", "events", "--sort-by=.metadata.creationTimestamp"),
        (*kubectl, "describe", "pods"),
        ("istioctl", "proxy-status"),
        *(("kubectl", "-n", MESH_NAMESPACE, "logs", f"deploy/{name}", f"--tail={LOG_LINES}")
          for name in ("istiod", "istio-ingressgateway")),
    ]  # fmt: skip
    listed = _output(cluster, *kubectl, "get", "pods", "-o", "name")
    for pod in (
        line.removeprefix("pod/") for line in listed.splitlines() if line.startswith("pod/")
    ):
        commands.append(
            (*kubectl, "logs", pod, "--all-containers", "--prefix", f"--tail={LOG_LINES}")
        )
        # Without secrets: keys have no place in a report.
        commands += [
            ("istioctl", "-n", namespace, "proxy-config", part, pod, "-o", "json")
            for part in ("listener", "cluster", "route", "endpoint")
        ]

    with ThreadPoolExecutor(max_workers=4) as pool:
        outputs = pool.map(lambda command: _output(cluster, *command), commands)
        for command, output in zip(commands, outputs, strict=True):
            evidence.text(f"failure {' '.join(command)}", output)


def _output(cluster: Cluster, *command: str) -> str:
    try:
        done = cluster.command(*command, check=False, timeout=COMMAND_TIMEOUT)
    except MeshproofError as error:
        return str(error)
    return done.transcript()
