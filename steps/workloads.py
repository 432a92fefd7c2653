"""The workloads: pods and their proxies."""

from __future__ import annotations

from collections import Counter

from pytest_bdd import given, parsers, then, when

from meshproof.evidence import Evidence
from meshproof.mesh.proxies import out_of_sync, sync_states
from meshproof.process import Completed
from meshproof.tutorial.pods import PodState, container_names, pods_table
from meshproof.tutorial.tutorial import Tutorial
from meshproof.waiting import PROXIES_SYNCED, converge


@given("the pods are listed", target_fixture="pods")
@when("the pods are listed", target_fixture="pods")
def _(tutorial: Tutorial, evidence: Evidence) -> list[PodState]:
    pods = tutorial.pods()
    evidence.observe(f"{len(pods)} pods: {', '.join(map(str, pods))}")
    return pods


@then("there are exactly these pods")
def _(pods: list[PodState], datatable: list[list[str]]) -> None:
    expected = {(app, version): int(count) for app, version, count in datatable[1:]}
    assert Counter((pod.app, pod.version) for pod in pods) == expected, [str(pod) for pod in pods]


@then("each is 2/2, Running and has never been restarted")
def _(pods: list[PodState]) -> None:
    wrong = [
        str(pod)
        for pod in pods
        if (pod.ready, pod.containers, pod.phase, pod.restarts) != (2, 2, "Running", 0)
    ]
    assert not wrong, f"{len(wrong)} of {len(pods)} pods: {wrong}"


@then("the pods listed before still run, never restarted")
def _(pods: list[PodState], tutorial: Tutorial, evidence: Evidence) -> None:
    now = {pod.name: pod for pod in tutorial.pods()}
    gone = [str(pod) for pod in pods if pod.name not in now]
    changed = [str(now[pod.name]) for pod in pods if pod.name in now and now[pod.name] != pod]
    evidence.observe(f"{len(pods)} pods before, {len(now)} now, gone: {gone}, changed: {changed}")
    assert not gone and not changed


@then(parsers.parse('the table of "{command}" says the same'))
def _(tutorial: Tutorial, pods: list[PodState], command: str) -> None:
    printed = tutorial.run(command.format(namespace=tutorial.namespace)).stdout
    assert sorted(pods_table(printed)) == sorted(str(pod) for pod in pods)


@when("each pod is described as in the tutorial", target_fixture="descriptions")
def _(tutorial: Tutorial) -> list[Completed]:
    return [
        tutorial.run(f"kubectl describe pod {pod.name} -n {tutorial.namespace}")
        for pod in tutorial.pods()
    ]


@then(parsers.parse('every description shows the container "{container}"'))
def _(descriptions: list[Completed], evidence: Evidence, container: str) -> None:
    shown = {done.argv[3]: container_names(done.stdout) for done in descriptions}
    evidence.observe(f"containers: {shown}")
    without = [pod for pod, names in shown.items() if container not in names]
    assert shown and not without, f"without {container}: {without} of {shown}"


@then("every proxy has taken over all its configuration from istiod")
def _(tutorial: Tutorial, evidence: Evidence) -> None:
    proxies = [f"{pod.name}.{tutorial.namespace}" for pod in tutorial.pods()]

    def look() -> list[str]:
        states = sync_states(tutorial.run("istioctl proxy-status -o json").stdout)
        return [line for proxy in proxies for line in out_of_sync(states, proxy)]

    seen = converge(
        look, until=lambda lines: not lines, what="all proxies are in sync", timeout=PROXIES_SYNCED
    )
    evidence.observe(f"{len(proxies)} of {len(proxies)} proxies in sync ({seen.attempts} look(s))")
    tutorial.run("istioctl proxy-status")
