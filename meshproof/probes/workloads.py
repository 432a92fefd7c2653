"""Pods and their proxies, held against what a stage promises of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from meshproof.analysis.observation import Observation, unless
from meshproof.cluster.pods import PodState, container_names, pods_table
from meshproof.mesh.proxies import out_of_sync, sync_states
from meshproof.probes.pod_exec import ready_by_port
from meshproof.process import Completed
from meshproof.suite.tutorial import Tutorial
from meshproof.waiting import PROXIES_SYNCED, converge
from meshproof.wording import in_turn, listed, number


def described(pods: Sequence[PodState], *, before: bool = False) -> Observation:
    """Say which pods there are; ``before`` anything is done that is a baseline, and no result."""
    kinds = Counter(f"{pod.app} {pod.version}" for pod in pods)
    told = listed(f"{n} of {kind}" for kind, n in sorted(kinds.items()))
    restarts = sum(pod.restarts for pod in pods)
    sentence = [f"{number(len(pods), 'pod')}: {told}; {number(restarts, 'restart')}."]
    return Observation(
        results=[] if before else sentence,
        baselines=sentence if before else [],
        details=[f"pods: {', '.join(map(str, pods))}"],
    )


def not_as_listed(pods: Sequence[PodState], table: Sequence[Sequence[str]]) -> str:
    """Say which pods there are where a table says otherwise: app, version and how many, in rows.

    Its first row is the heading. Empty where there are just these.
    """
    wanted = {(app, version): int(count) for app, version, count in table[1:]}
    same = Counter((pod.app, pod.version) for pod in pods) == wanted
    return "" if same else f"{number(len(pods), 'pod')}: {listed(pods, most=len(pods))}"


def not_whole(pods: Sequence[PodState]) -> list[str]:
    """Name the pods that are not 2/2, Running and never restarted."""
    return [
        str(pod)
        for pod in pods
        if (pod.ready, pod.containers, pod.phase, pod.restarts) != (2, 2, "Running", 0)
    ]


def against_table(pods: Sequence[PodState], printed: str) -> str:
    """Say how the table of `kubectl get pods` differs from the pods; empty where it does not."""
    said, there = sorted(pods_table(printed)), sorted(map(str, pods))
    if said == there:
        return ""
    return f"the table says {in_turn(said, 'nothing')}, and the pods are {in_turn(there)}"


def unchanged(before: Sequence[PodState], now: Sequence[PodState]) -> Observation:
    """Say which pods are gone or have changed since."""
    by_name = {pod.name: pod for pod in now}
    gone = [str(pod) for pod in before if pod.name not in by_name]
    others = [by_name[pod.name] for pod in before if by_name.get(pod.name, pod) != pod]
    changed = [str(pod) for pod in others]
    return Observation(
        results=[
            f"{number(len(before), 'pod')} before, {len(now)} now; {len(gone)} gone and "
            f"{len(changed)} changed."
        ],
        problems=unless(
            not gone and not changed, f"gone: {in_turn(gone)}; changed: {in_turn(changed)}"
        ),
    )


def describe_each(tutorial: Tutorial) -> list[Completed]:
    """Run the tutorial's `kubectl describe pod` for each pod."""
    command = "kubectl describe pod {} -n {}"
    return [tutorial.run(command.format(pod.name, tutorial.namespace)) for pod in tutorial.pods()]


def containers_shown(descriptions: Sequence[Completed], container: str) -> Observation:
    """Say which descriptions of pods show a container."""
    shown: Mapping[str, list[str]] = {
        done.argv[3]: list(container_names(done.stdout)) for done in descriptions
    }
    without = [pod for pod, names in shown.items() if container not in names]
    all_of_them = in_turn(f"{pod} with {listed(names)}" for pod, names in shown.items())
    return Observation(
        details=[
            f"{len(shown) - len(without)} of {number(len(shown), 'pod')} show the container "
            f"{container}"
        ],
        problems=unless(
            shown and not without,
            f"without {container}: {listed(without, most=len(without))}; shown are {all_of_them}",
        ),
    )


def synced_proxies(tutorial: Tutorial) -> Observation:
    """Wait until every sidecar has what istiod has for it. Raises ``NotKept`` where one has not."""
    proxies = [f"{pod.name}.{tutorial.namespace}" for pod in tutorial.pods()]

    def look() -> list[str]:
        states = sync_states(tutorial.run("istioctl proxy-status -o json").stdout)
        return [line for proxy in proxies for line in out_of_sync(states, proxy)]

    seen = converge(
        look,
        until=lambda lines: not lines,
        what="all proxies are in sync",
        timeout=PROXIES_SYNCED,
        promised=True,
    )
    tutorial.run("istioctl proxy-status")
    return Observation(
        results=[
            f"{len(proxies)} of {number(len(proxies), 'proxy', 'proxies')} are in sync with istiod "
            f"(look {seen.attempts})."
        ],
        problems=unless(proxies, "there are no proxies"),
    )


def endpoints_against(
    tutorial: Tutorial, service: str, rows: Iterable[Sequence[str]]
) -> Observation:
    """Hold the ready endpoints of a Service against rows of a port and a workload.

    All pods of the workload are to be there, by that port and no other, and to run, whole.
    """
    ready = ready_by_port(tutorial.cluster, tutorial.namespace, service)
    wanted: dict[int, list[str]] = {}
    pods = tutorial.pods()
    for port, workload in rows:
        wanted.setdefault(int(port), []).extend(p.name for p in pods if p.workload == workload)
    expected = {port: sorted(names) for port, names in wanted.items()}
    ends = listed(f"{listed(names)} at port {port}" for port, names in ready.items())
    behind = {name for names in expected.values() for name in names}
    unwell = [str(pod) for pod in pods if pod.name in behind and not pod.settled]
    told = f"ready endpoints of {service}: {ends}"
    return Observation(
        details=[told],
        problems=[
            *unless(ready == expected and all(expected.values()), told),
            *unless(not unwell, listed(unwell)),
        ],
    )
