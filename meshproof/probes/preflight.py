"""Finding out what a mesh lets the harness see, on pods of the suite's own, before the run.

A client calls a server beside the tutorial's namespace, in HTTP and in TCP, and is let in and is
denied by policy. What their proxies log and count of just these calls is what they will log and
count of the tutorial's workloads. Only what is surely lacking is said to be: a call that did not
end as it was meant to says nothing of what is logged or counted.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from ipaddress import ip_address

from kubernetes.client.exceptions import ApiException

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.objects import get
from meshproof.engine.engine import Engine
from meshproof.mesh.access_log import (
    inbound_calls,
    missing_fields,
    outbound_calls,
    read_logs,
    seconds_since,
)
from meshproof.mesh.addresses import stated_address
from meshproof.mesh.capabilities import Capability
from meshproof.mesh.proxy_stats import (
    DENIED,
    NO_CHAIN,
    NOT_VERIFIED,
    PASSED_ON,
    SERVED,
    matching,
    stats_of,
)
from meshproof.paths import DATA
from meshproof.probes.calls import Answer, Call, call_all
from meshproof.probes.injection import InjectionProbe
from meshproof.probes.scratch_namespace import BASELINE, make_pod
from meshproof.progress import Progress
from meshproof.waiting import LOGS_WRITTEN, PREFLIGHT_CALLS, NotConverged, converge
from meshproof.wording import listed

OBJECTS = DATA / "manifests" / "probes" / "preflight.yaml"
CLIENT, SERVER, DENIED_NAME = "preflight-client", "preflight-server", "preflight-denied"
CONTAINER = "baseline"
#: Create and label the namespace, as every tutorial of Istio's does.
INJECTED = (
    "kubectl create namespace {namespace}",
    "kubectl label namespace {namespace} istio-injection=enabled",
)
#: What the client calls, and whether a policy denies it.
CALLS = {
    Call(SERVER, "http"): False,
    Call(SERVER, "redis"): False,
    Call(DENIED_NAME, "http"): True,
    Call(DENIED_NAME, "mysql"): True,
}
FORBIDDEN = 403

Stats = Mapping[str, int]
#: Why a capability is lacking, in a sentence.
Lacking = dict[Capability, str]


@dataclass(frozen=True)
class Preflight:
    """What was found out: what is ``lacking``, or why that is not known (a sentence, details)."""

    lacking: Lacking = field(default_factory=dict)
    failure: tuple[str, str] | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Round:
    """The calls, each made once, and what the server's proxy counted before and after them."""

    answers: Sequence[Answer]
    before: Stats
    after: Stats

    def as_meant(self, protocol: str, *, denied: bool) -> bool:
        """Whether a call was let in, or denied, as it was meant to be."""
        return any(
            one.refused if denied else one.served
            for one in self.answers
            if one.call.protocol == protocol and CALLS[one.call] is denied
        )

    @property
    def all_as_meant(self) -> bool:
        """Whether each of them was."""
        return all(self.as_meant(one.protocol, denied=denied) for one, denied in CALLS.items())

    def rise(self, pattern: re.Pattern[str]) -> int:
        """By how much a count rose."""
        return sum(matching(self.after, pattern)) - sum(matching(self.before, pattern))


def lacking_counts(seen: Round) -> Lacking:
    """Say which counts the server's proxy does not keep, by what it counted of calls."""
    found: Lacking = {}
    unmoved = [
        what
        for what, protocol, pattern in (
            ("a request that it served", "http", SERVED),
            ("bytes that it passed on", "redis", PASSED_ON),
        )
        if seen.as_meant(protocol, denied=False) and seen.rise(pattern) <= 0
    ]
    if unmoved:
        found[Capability.REQUEST_COUNTS] = f"A proxy does not count {' and '.join(unmoved)}."
    denials = sum(seen.as_meant(one.protocol, denied=True) for one, denied in CALLS.items()
                  if denied)  # fmt: skip
    if seen.rise(DENIED) < denials:
        found[Capability.DENIAL_COUNTS] = (
            f"Of {denials} calls that a policy denied, a proxy counts {seen.rise(DENIED)}."
        )
    # These are there from the start, or never.
    if not all(matching(seen.after, pattern) for pattern in (NO_CHAIN, NOT_VERIFIED)):
        found[Capability.REFUSAL_COUNTS] = "A proxy does not count what mutual TLS refuses."
    return found


def missing_in_logs(client_log: str, server_log: str, answers: Collection[Answer]) -> str:
    """Say in a sentence what the log lacks of calls that were let in; empty for nothing."""
    served = [one for one in answers if one.served]
    fields = missing_fields(client_log + "\n" + server_log)
    if fields:
        return f"The proxies' log of calls has no {listed(fields, most=len(fields))}."
    out, came = outbound_calls(client_log), inbound_calls(SERVER, server_log)
    unsent = [one for one in served if one.local not in out]
    protocols = {(call.address, call.protocol) for call in came}
    unseen = [
        one
        for one in served
        if (_host(one.local), "HTTP" if one.call.protocol == "http" else "TCP") not in protocols
    ]
    if not unsent and not unseen:
        return ""
    return (
        f"Of {len(served)} calls that were answered, the client's proxy logs "
        f"{len(served) - len(unsent)} and the server's {len(served) - len(unseen)}, in JSON."
    )


def _host(address: str) -> str:
    return address.rpartition(":")[0]


def lacking_nodes(cluster: Cluster, engine: Engine | None) -> str:
    """Say in a sentence why the harness cannot look into the nodes; empty where it can.

    Raises ``ApiException``.
    """
    if engine is None:
        return "No container engine answers here, so that nothing can be looked at on the nodes."
    nodes = [item["metadata"]["name"] for item in get(cluster, "/api/v1/nodes")["items"]]
    strange = [node for node in nodes if not engine.run("exec", node, "true", check=False).ok]
    return f"No container of {engine.name} is the node {strange[0]}." if strange else ""


def lacking_address(cluster: Cluster) -> str:
    """Say in a sentence why the tutorial's command prints no IP address; empty where it does.

    Raises ``ApiException``.
    """
    gateway = cluster.mesh.gateway
    service = get(cluster, f"/api/v1/namespaces/{gateway.namespace}/services/{gateway.name}")
    stated = stated_address(service)
    try:
        ip_address(stated or "")
    except ValueError:
        has = f"the host name {stated}" if stated else "no address"
        return f"The Service {gateway.service} states {has}, and the tutorial's is an IP address."
    return ""


def look(cluster: Cluster, namespace: str, progress: Progress) -> Lacking:
    """Find out what is lacking of what proxies log and count, in a namespace of that name.

    It is deleted at the end, without waiting. Raises ``NotConverged``, ``CommandFailed``,
    ``EnvironmentBroken`` and ``ApiException`` where it cannot be found out, ``NotKept`` where
    nothing is injected.
    """
    commands = [command.format(namespace=namespace) for command in INJECTED]
    place = InjectionProbe(cluster, namespace, commands, progress=progress, keep=lambda _: None)
    place.remove(wait=True)  # one that a killed run left behind
    try:
        place.create()
        cluster.command("kubectl", "apply", "-n", namespace, "-f", str(OBJECTS))
        place.label()
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda pod: make_pod(cluster, namespace, BASELINE, pod, app=pod),
                          (CLIENT, SERVER)))  # fmt: skip
        begun = time.monotonic()
        seen = make_calls(cluster, namespace)
        found = lacking_counts(seen)
        if said := await_logs(cluster, namespace, seen.answers, begun):
            found[Capability.ACCESS_LOG] = said + (
                f" The API server refuses the suites' own access log ({place.refused}), and the "
                "mesh's settings log none of that format (manifests/mesh/seen-by.yaml)."
                if place.refused
                else ""
            )
        return found
    finally:
        place.remove(wait=False)


def make_calls(cluster: Cluster, namespace: str) -> Round:
    """Make the calls, again until all end as they are meant to; returns the last round of them."""
    rounds: list[Round] = []

    def make() -> Round:
        before = stats_of(cluster, namespace, SERVER)
        answers = call_all(cluster, namespace, CLIENT, CONTAINER, list(CALLS))
        rounds.append(Round(answers, before, stats_of(cluster, namespace, SERVER)))
        return rounds[-1]

    try:
        converge(
            make,
            until=lambda seen: seen.all_as_meant,
            what="calls between pods of the suite's own are let in, or denied by policy",
            timeout=PREFLIGHT_CALLS,
        )
    except NotConverged:
        if not rounds:
            raise
        # Whether the mesh does as it is told is for scenarios to say.
    return rounds[-1]


def await_logs(cluster: Cluster, namespace: str, answers: Collection[Answer], begun: float) -> str:
    """Say in a sentence what the log lacks, once it is whole or never will be; else empty."""
    said = ""

    def read() -> str:
        nonlocal said
        logs = read_logs(cluster, namespace, (CLIENT, SERVER), seconds_since(begun))
        said = missing_in_logs(logs[CLIENT], logs[SERVER], answers)
        return said

    try:
        read()
    except ApiException as error:
        if error.status != FORBIDDEN:
            raise
        return "Whoever the harness is at the API server may not read logs (pods/log)."
    try:
        converge(read, until=lambda said: not said, what="the proxies log calls",
                 timeout=LOGS_WRITTEN)  # fmt: skip
    except NotConverged:
        if not said:  # they could not be read
            raise
    return said
