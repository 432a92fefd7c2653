"""What a failure leaves behind, caught before anything is cleaned up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from meshproof.cluster.cluster import Cluster
from meshproof.errors import MeshproofError
from meshproof.mesh.admin import ask_proxy
from meshproof.signoff.evidence import Evidence

#: Lines of a log that are kept: enough for a minute of traffic.
LOG_LINES = "400"
#: Seconds for one command; a broken cluster must not hold up the report.
COMMAND_TIMEOUT = 20.0
#: What a proxy is asked for: listeners, clusters, routes and endpoints.
QUERY = "/config_dump?include_eds"


def capture(cluster: Cluster, namespace: str, evidence: Evidence) -> None:
    """Keep events, pods, logs of application and proxy, and the proxies' state and configuration.

    What cannot be had is kept as the error that it gave; nothing is raised.
    """
    kubectl, shape = ("kubectl", "-n", namespace), cluster.mesh
    commands: list[tuple[str, ...]] = [
        (*kubectl, "get", "all,gateways,virtualservices,destinationrules,peerauthentications,"
         "authorizationpolicies", "-o", "wide"),
        (*kubectl, "get", "events", "--sort-by=.metadata.creationTimestamp"),
        (*kubectl, "describe", "pods"),
        shape.istioctl("proxy-status"),
        *(("kubectl", "-n", place, "logs", f"deploy/{name}", f"--tail={LOG_LINES}")
          for place, name in ((shape.namespace, shape.deployment),
                              (shape.gateway.namespace, shape.gateway.deployment))),
    ]  # fmt: skip
    listed = _output(cluster, *kubectl, "get", "pods", "-o", "name")
    pods = [line.removeprefix("pod/") for line in listed.splitlines() if line.startswith("pod/")]
    commands += [
        (*kubectl, "logs", pod, "--all-containers", "--prefix", f"--tail={LOG_LINES}")
        for pod in pods
    ]
    with ThreadPoolExecutor(max_workers=4) as pool:
        outputs = pool.map(lambda command: _output(cluster, *command), commands)
        configurations = pool.map(lambda pod: configuration(cluster, namespace, pod), pods)
        for command, output in zip(commands, outputs, strict=True):
            evidence.text(f"failure {' '.join(command)}", output)
        for pod, found in zip(pods, configurations, strict=True):
            evidence.text(f"failure configuration of {pod}", found)


def configuration(cluster: Cluster, namespace: str, pod: str) -> str:
    """Return what a pod's proxy has loaded, as JSON, or why that cannot be had.

    Asked of the proxy itself: `istioctl proxy-config` takes ten times as long, for each part.
    """
    try:
        (dump,) = ask_proxy(cluster, namespace, pod, [QUERY])
    except Exception as error:  # a report says what it met, whatever that is
        return f"{type(error).__name__}: {error}\n"
    return json.dumps(without_secrets(dump), indent=1) + "\n"


def without_secrets(dump: Mapping[str, Any]) -> dict[str, Any]:
    """Take out of a proxy's configuration what holds keys: they have no place in a report."""
    kept = [part for part in dump["configs"] if not part["@type"].endswith("SecretsConfigDump")]
    return {"configs": kept}


def _output(cluster: Cluster, *command: str) -> str:
    try:
        done = cluster.command(*command, check=False, timeout=COMMAND_TIMEOUT)
    except MeshproofError as error:
        return str(error)
    return done.transcript()
