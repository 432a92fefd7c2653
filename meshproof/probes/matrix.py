"""Calls between all workloads at once, with what each proxy on the way knows of them (C6)."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

from meshproof.cluster.logs import whole_logs
from meshproof.cluster.pods import PROXY, PodState
from meshproof.errors import PromiseBroken
from meshproof.mesh.access_log import AccessLog, Sent, seconds_since
from meshproof.mesh.loaded import with_endpoints
from meshproof.mesh.proxy_stats import DENIED, ProxyCounts, total
from meshproof.probes.calls import PORTS, Answer, Call, call_all
from meshproof.probes.capture import places
from meshproof.probes.isolation import BASELINE, Cell, Name, refused_at
from meshproof.probes.pod_exec import service_to
from meshproof.suite.tutorial import Tutorial
from meshproof.waiting import LOGS_WRITTEN, converge
from meshproof.wording import listed

#: Pods that make calls at once.
AT_ONCE = 8


@contextmanager
def own_names(tutorial: Tutorial, workloads: Sequence[str]) -> Iterator[list[Name]]:
    """Have names that each lead to one of these workloads alone, by every protocol that it serves.

    Raises ``NotConverged`` where the proxies do not get to know them.
    """
    addresses: dict[str, list[str]] = {}
    for place in places(tutorial.cluster, tutorial.namespace):
        addresses.setdefault(place.workload, []).append(place.address)
    names, wanted = [], []
    suite, arrows = tutorial.suite, tutorial.suite.arrows()
    with ExitStack() as services:
        for workload in workloads:
            if workload == BASELINE:
                ports = PORTS
            else:
                served = suite.workload(workload)
                ports = {served.protocol: served.port}
            app, version = workload.split()
            host = services.enter_context(
                service_to(tutorial.cluster, tutorial.namespace, app, version, ports)
            )
            for protocol, port in ports.items():
                title = f"{workload}:{port}"
                names.append(Name(title, Call(host, protocol), (workload,), arrows))
                wanted += with_endpoints(host, port, addresses[workload])
        tutorial.await_loaded(wanted)
        yield names


def call_each(
    tutorial: Tutorial,
    access_log: AccessLog,
    proxy_counts: ProxyCounts,
    sources: Sequence[str],
    names: Sequence[Name],
) -> list[Cell]:
    """Call each name from a pod of each workload, each once and on a connection of its own.

    Nothing is tried again. Each denial is looked for among the counts of the proxy that it
    reached: it is counted where that proxy counted as many as were refused there. Raises
    ``EnvironmentBroken`` where a pod can call nobody, ``NotConverged`` where a proxy does not
    log its calls, ``PromiseBroken`` where a workload has no pod.
    """
    cluster, namespace = tutorial.cluster, tutorial.namespace
    pods = [pod for pod in tutorial.pods() if pod.proxied]
    callers = {source: caller(pods, source) for source in sources}
    where = places(cluster, namespace)
    by_address = {place.address: place.workload for place in where}
    pods_by_address = {place.address: place.pod for place in where}
    servers = [pod.name for pod in pods]
    calls = [name.call for name in names]

    def ask(pod: PodState) -> list[Answer]:
        return call_all(cluster, namespace, pod.name, pod.app, calls)

    begun, before = time.monotonic(), proxy_counts.by_pod(servers, DENIED)
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        answers = dict(zip(sources, pool.map(ask, callers.values()), strict=True))
    after = proxy_counts.by_pod(servers, DENIED)
    sent = _await_sent(access_log, [pod.name for pod in callers.values()], answers.values(), begun)
    refused = refused_at(
        pods_by_address,
        [(answer, sent[answer.local]) for given in answers.values() for answer in given],
    )
    counted = {
        pod
        for pod in refused.keys() & before.keys()
        if total(after[pod], DENIED) - total(before[pod], DENIED) == refused[pod]
    }
    cells = []
    for source, given in answers.items():
        for name, answer in zip(names, given, strict=True):
            way = sent[answer.local]
            reached, at = by_address.get(way.to, way.to), pods_by_address.get(way.to)
            cells.append(Cell(source, name, answer, way, reached, counted=at in counted))
    return cells


def _await_sent(
    access_log: AccessLog, pods: Sequence[str], answers: Collection[Sequence[Answer]], begun: float
) -> dict[str, Sent]:
    """Read where calls were sent that were made since ``begun``, once all of them are logged.

    Raises ``NotConverged``, and ``EnvironmentBroken`` where their nodes have put logs away.
    """

    def look() -> tuple[list[Answer], dict[str, Sent]]:
        sent = access_log.sent(pods, seconds_since(begun))
        return [answer for given in answers for answer in given if answer.local not in sent], sent

    logs = dict.fromkeys(pods, PROXY)
    with whole_logs(access_log.cluster, access_log.namespace, logs, begun):
        _, sent = converge(
            look,
            until=lambda seen: not seen[0],
            what=f"the proxies have logged all of {sum(map(len, answers))} calls",
            timeout=LOGS_WRITTEN,
        ).value
    return sent


def caller(pods: Sequence[PodState], workload: str) -> PodState:
    """The first settled pod of a workload. Raises ``PromiseBroken``, listing the pods, for none."""
    for pod in pods:
        if pod.workload == workload and pod.settled:
            return pod
    raise PromiseBroken(f"no pod of {workload} to call from, among {listed(pods, most=len(pods))}")
