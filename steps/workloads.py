"""The workloads: pods and their proxies."""

from __future__ import annotations

import shlex
from collections import Counter

from pytest_bdd import given, parsers, then, when

from meshproof.cluster.objects import get, live_objects
from meshproof.cluster.pods import PodState, container_names, pods_table
from meshproof.mesh.proxies import out_of_sync, sync_states
from meshproof.probes.pod_exec import ready_by_port
from meshproof.probes.stores import STORAGE, claims_of, readiness_command
from meshproof.process import Completed
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial
from meshproof.waiting import PROXIES_SYNCED, converge
from meshproof.wording import in_turn, listed, number

#: What the application could not use MySQL with, if it were told so.
AMISS = (("MYSQL_PASSWORD=not-the-password",), ("MYSQL_DATABASE=not-the-database",))


@given("the pods are listed", target_fixture="pods")
@when("the pods are listed", target_fixture="pods")
def _(tutorial: Tutorial, evidence: Evidence) -> list[PodState]:
    return list_pods(tutorial, evidence)


@then("there are exactly these pods")
def _(pods: list[PodState], datatable: list[list[str]]) -> None:
    require_pods(pods, datatable)


@then("only these pods are left", target_fixture="pods")
def _(tutorial: Tutorial, evidence: Evidence, datatable: list[list[str]]) -> list[PodState]:
    pods = list_pods(tutorial, evidence)
    require_pods(pods, datatable)
    return pods


def list_pods(tutorial: Tutorial, evidence: Evidence) -> list[PodState]:
    """List the pods, in one line of observation."""
    pods = tutorial.pods()
    kinds = Counter(f"{pod.app} {pod.version}" for pod in pods)
    told = listed(f"{n} of {kind}" for kind, n in sorted(kinds.items()))
    restarts = sum(pod.restarts for pod in pods)
    evidence.result(f"{number(len(pods), 'pod')}: {told}; {number(restarts, 'restart')}.")
    evidence.observe(f"pods: {', '.join(map(str, pods))}")
    return pods


def require_pods(pods: list[PodState], table: list[list[str]]) -> None:
    """Require as many pods of each app and version as a table says, and no others."""
    expected = {(app, version): int(count) for app, version, count in table[1:]}
    assert Counter((pod.app, pod.version) for pod in pods) == expected, (
        f"{number(len(pods), 'pod')}: {listed(pods, most=len(pods))}"
    )


@then(parsers.parse('the claim "{claim}" is bound, and storage 2.0 keeps its votes on it'))
def _(tutorial: Tutorial, evidence: Evidence, claim: str) -> None:
    path = f"/api/v1/namespaces/{tutorial.namespace}/persistentvolumeclaims/{claim}"
    phase = get(tutorial.cluster, path)["status"]["phase"]
    pod = tutorial.pod_of(STORAGE, "2.0").name
    mounted = claims_of(tutorial.cluster, tutorial.namespace, pod)
    evidence.observe(f"claim {claim} is {phase}; {pod} has mounted {listed(mounted)}")
    assert phase == "Bound", f"claim {claim} is {phase}"
    assert mounted == [claim], f"{pod} has mounted {listed(mounted)}"


@then("the Service of storage leads to 1.0 at port 6379, and to 2.0 at port 3306")
def _(tutorial: Tutorial, evidence: Evidence) -> None:
    ready = ready_by_port(tutorial.cluster, tutorial.namespace, STORAGE)
    expected = {6379: [tutorial.pod_of(STORAGE, "1.0").name],
                3306: [tutorial.pod_of(STORAGE, "2.0").name]}  # fmt: skip
    ends = listed(f"{listed(pods)} at port {port}" for port, pods in ready.items())
    evidence.observe(f"ready endpoints of {STORAGE}: {ends}")
    assert ready == expected, f"ready endpoints of {STORAGE}: {ends}"


@then("storage 2.0 is ready for those alone who log in and read votes")
def _(tutorial: Tutorial, evidence: Evidence) -> None:
    live = live_objects(tutorial.cluster, tutorial.namespace)
    command = readiness_command(live["Deployment", "voting-storage-2-0"])
    pod = tutorial.pod_of(STORAGE, "2.0").name
    exec_in = ("kubectl", "exec", pod, "-n", tutorial.namespace, "-c", STORAGE, "--", "env")
    codes = {
        told: tutorial.run_own(shlex.join([*exec_in, *told, *command]), check=False).exit_code
        for told in ((), *AMISS)
    }
    lines = [f"{' '.join(told) or 'told nothing else'}: exit code {c}" for told, c in codes.items()]
    evidence.observe(f"{' '.join(command)}, {'; '.join(lines)}")
    assert command, "the kubelet asks storage 2.0 by no command whether it is ready"
    assert codes.pop(()) == 0, f"not ready, says {' '.join(command)}"
    assert all(codes.values()), f"ready all the same, by {' '.join(command)}: {in_turn(lines)}"


@then("each is 2/2, Running and has never been restarted")
def _(pods: list[PodState]) -> None:
    wrong = [
        str(pod)
        for pod in pods
        if (pod.ready, pod.containers, pod.phase, pod.restarts) != (2, 2, "Running", 0)
    ]
    assert not wrong, f"{len(wrong)} of {len(pods)} pods: {listed(wrong, most=len(wrong))}"


@then("the pods listed before still run, never restarted")
def _(pods: list[PodState], tutorial: Tutorial, evidence: Evidence) -> None:
    now = {pod.name: pod for pod in tutorial.pods()}
    gone = [str(pod) for pod in pods if pod.name not in now]
    changed = [str(now[pod.name]) for pod in pods if pod.name in now and now[pod.name] != pod]
    evidence.result(
        f"{number(len(pods), 'pod')} before, {len(now)} now; {len(gone)} gone and {len(changed)} "
        "changed."
    )
    assert not gone and not changed, f"gone: {in_turn(gone)}; changed: {in_turn(changed)}"


@then(parsers.parse('the table of "{command}" says the same'))
def _(tutorial: Tutorial, pods: list[PodState], command: str) -> None:
    printed = tutorial.run(command.format(namespace=tutorial.namespace)).stdout
    assert sorted(pods_table(printed)) == sorted(str(pod) for pod in pods), (
        f"the table says {in_turn(sorted(pods_table(printed)), 'nothing')}, "
        f"and the pods are {in_turn(sorted(map(str, pods)))}"
    )


@when("each pod is described as in the tutorial", target_fixture="descriptions")
def _(tutorial: Tutorial) -> list[Completed]:
    return [
        tutorial.run(f"kubectl describe pod {pod.name} -n {tutorial.namespace}")
        for pod in tutorial.pods()
    ]


@then(parsers.parse('every description shows the container "{container}"'))
def _(descriptions: list[Completed], evidence: Evidence, container: str) -> None:
    shown = {done.argv[3]: container_names(done.stdout) for done in descriptions}
    without = [pod for pod, names in shown.items() if container not in names]
    evidence.observe(
        f"{len(shown) - len(without)} of {number(len(shown), 'pod')} show the container {container}"
    )
    assert shown and not without, (
        f"without {container}: {listed(without, most=len(without))}; "
        f"shown are {in_turn(f'{pod} with {listed(names)}' for pod, names in shown.items())}"
    )


@then("every proxy has taken over all its configuration from istiod")
def _(tutorial: Tutorial, evidence: Evidence) -> None:
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
    evidence.result(
        f"{len(proxies)} of {number(len(proxies), 'proxy', 'proxies')} are in sync with istiod "
        f"(look {seen.attempts})."
    )
    tutorial.run("istioctl proxy-status")
