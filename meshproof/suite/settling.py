"""Waiting for what a stage brings about: workloads that run, proxies that know it, and the page."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.objects import Manifest, delete, get
from meshproof.cluster.pods import PodState, no_room, pod_state, refuse_hopeless, unsettled
from meshproof.cluster.scheduling import Scheduling
from meshproof.errors import EnvironmentBroken
from meshproof.mesh.ingress import NO_UPSTREAM, Answer
from meshproof.mesh.loaded import GATEWAY, Loaded, not_loaded, without_endpoint
from meshproof.mesh.starved import StarvedProxies
from meshproof.suite.model import Served
from meshproof.waiting import (
    CHANGE_LOADED,
    ROUTE_IN_FORCE,
    WORKLOADS_READY,
    NotConverged,
    NotKept,
    converge,
)

#: A proxy by its workload, its namespace and its pod.
Proxy = tuple[str, str, str]


def await_workloads(
    cluster: Cluster,
    namespace: str,
    pods: Callable[[], list[PodState]],
    what: str,
    *,
    note: Callable[[str], None],
) -> None:
    """Wait until ``what`` is so: all Deployments of a namespace have their pods, and these run.

    Raises ``NotKept``, and ``EnvironmentBroken`` where a pod cannot run here.
    """
    seen: list[PodState] = []
    deployments = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    scheduling = Scheduling(cluster, namespace, note)
    starved = StarvedProxies(cluster, namespace)

    def look() -> list[str]:
        seen[:] = pods()
        refuse_hopeless(seen, namespace)
        scheduling.look(seen)
        starved.refuse(seen)
        return unsettled(seen, get(cluster, deployments)["items"])

    try:
        converge(
            look,
            until=lambda missing: not missing,
            what=what,
            timeout=WORKLOADS_READY,
            promised=True,
        )
    except NotKept as late:
        if full := no_room(seen, namespace):
            raise EnvironmentBroken(full.sentence, str(late)) from late
        raise


@dataclass(frozen=True)
class Awaited:
    """What the ingress is to answer: ``what`` is so once ``holds`` is true of what is ``asked``."""

    what: str
    asked: Callable[[], Answer]
    holds: Callable[[Answer], bool]


def with_upstream(users: str, asked: Callable[[], Answer]) -> Awaited:
    """Have the gateway know the pods that ``users`` are led to.

    Pods are ready a moment before it does. What they answer then, if only that the mesh lets
    nobody in, is for scenarios to judge.
    """
    what = f"the gateway knows the pods for {users}"
    return Awaited(what, asked, lambda answer: NO_UPSTREAM not in answer.body)


def with_page(served: Served, asked: Callable[[], Answer]) -> Awaited:
    """Have the page served."""
    what = "the page is served through the ingress"
    return Awaited(what, asked, lambda answer: served.by(answer.status, answer.body))


def await_answers(awaited: Sequence[Awaited]) -> None:
    """Wait until all that is asked is answered as it must be, three times in a row.

    Each has to hold for a while, which all can at the same time. Raises ``NotKept``.
    """
    if not awaited:
        return

    def look() -> list[str]:
        answers = [(one, one.asked()) for one in awaited]
        return [str(answer) for one, answer in answers if not one.holds(answer)]

    converge(
        look,
        until=lambda lacking: not lacking,
        what=" and ".join(one.what for one in awaited),
        timeout=ROUTE_IN_FORCE,
        successes=3,
        promised=True,
    )


def await_loaded(
    wanted: Sequence[Loaded],
    namespace: str,
    dumps: Callable[[Collection[tuple[str, str]]], Mapping[tuple[str, str], str]],
) -> None:
    """Wait until the proxies of a namespace have loaded a change, by what ``dumps`` returns.

    That is asked of all but those it is given, by workload and pod: who has loaded a change keeps
    it. Raises ``NotKept``, and ``EnvironmentBroken`` where a proxy does not answer in the end.
    """
    if not wanted:
        return
    silent: list[EnvironmentBroken] = []
    done: set[tuple[str, str]] = set()

    def look() -> list[str]:
        silent.clear()
        try:
            told = dumps(done)
        except EnvironmentBroken as error:  # a busy proxy may answer the next time
            silent.append(error)
            return [str(error)]
        missing = {key: not_loaded({key: dump}, wanted, namespace) for key, dump in told.items()}
        done.update(key for key, lines in missing.items() if not lines)
        return [line for key in sorted(missing) for line in missing[key]]

    try:
        converge(
            look,
            until=lambda missing: not missing,
            what="the proxies have loaded the change",
            timeout=CHANGE_LOADED,
            promised=True,
        )
    except NotConverged:
        if silent:
            raise silent[0] from None
        raise


def proxies(cluster: Cluster, namespace: str, pods: Iterable[PodState]) -> list[Proxy]:
    """Return the sidecars of a namespace's pods that have started, and the ingress gateway."""
    sidecars = [
        (f"{pod.app}-{pod.version}", namespace, pod.name)
        for pod in pods
        if pod.proxied and pod.settled
    ]
    gateway = cluster.mesh.gateway
    return sidecars + [
        (GATEWAY, gateway.namespace, pod["metadata"]["name"])
        for pod in get(cluster, gateway.pods_path)["items"]
    ]


def concerned(among: Iterable[Proxy], wanted: Sequence[Loaded]) -> list[Proxy]:
    """Return the proxies that a change concerns."""
    return [proxy for proxy in among if any(entry.concerns(proxy[0]) for entry in wanted)]


def drop_pods(
    cluster: Cluster,
    namespace: str,
    deployments: Sequence[Manifest],
    loaded: Callable[[Sequence[Loaded]], None],
) -> None:
    """End the pods of Deployments that are gone, once nobody sends them anything.

    ``loaded`` waits until the proxies have loaded a change. Raises ``NotConverged``.
    """
    path = f"/api/v1/namespaces/{namespace}/pods"
    chosen = [deployment["spec"]["selector"]["matchLabels"] for deployment in deployments]

    def dropped() -> list[Mapping[str, Any]]:
        pods = get(cluster, path)["items"]
        return [
            p for p in pods if any(c.items() <= p["metadata"]["labels"].items() for c in chosen)
        ]

    # Before that, a proxy that is about to stop would be asked, and not answer.
    pods = converge(
        dropped,
        until=lambda pods: all(pod_state(pod).stopping for pod in pods),
        what="the pods of what was deleted stop",
        timeout=WORKLOADS_READY,
    ).value
    addresses = [pod["status"].get("podIP") for pod in pods]
    loaded([without_endpoint(address) for address in addresses if address])
    for pod in pods:
        delete(cluster, f"{path}/{pod['metadata']['name']}", grace=0)
