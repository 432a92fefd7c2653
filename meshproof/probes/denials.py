"""Calls between workloads on new connections, answered or denied, and what the proxies count."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

from meshproof.analysis.observation import Observation, unless
from meshproof.mesh.proxy_stats import DENIED, ProxyCounts
from meshproof.probes.calls import READY
from meshproof.probes.pod_exec import ask_from, service_to
from meshproof.suite.tutorial import Tutorial
from meshproof.waiting import ROUTE_IN_FORCE, converge
from meshproof.wording import number


@dataclass(frozen=True)
class NewCalls:
    """Calls one workload from another, each time by a new name that leads to it alone.

    A new name is a new connection: one that was open before a policy may outlive it. Workloads
    are named by app and version, “web 1.0”. ``services`` ends the names.
    """

    tutorial: Tutorial
    services: ExitStack

    def ask(self, client: str, server: str) -> tuple[int, str]:
        """Ask a server's readiness path: the status and the body. Raises ``NotConverged``."""
        cluster, namespace = self.tutorial.cluster, self.tutorial.namespace
        app, version = server.split()
        name = self.services.enter_context(
            service_to(cluster, namespace, app, version, {"http": 8080})
        )
        pod, url = self.tutorial.pod_of(*client.split()), f"http://{name}:8080{READY}"
        return converge(
            lambda: ask_from(cluster, namespace, pod.name, pod.app, url),
            until=lambda answer: answer[0] in (200, 403),
            what=f"{name} leads to {server}",
            timeout=ROUTE_IN_FORCE,
        ).value

    def answered(self, client: str, server: str) -> Observation:
        """Call once, where a call is to be answered with 200."""
        status, text = self.ask(client, server)
        said = f"{server} answers {client} with {status} {text}".strip()
        return Observation(baselines=[f"{said}."], problems=unless(status == 200, said))

    def denied(self, client: str, server: str, counts: ProxyCounts) -> Observation:
        """Call twice, where each call is to be denied with 403; the second must be counted.

        Without a policy there would be no count of what it denies: the first call sees to that.
        """
        first, _ = said = self.ask(client, server)
        if first != 403:
            return Observation(problems=[_answer(client, server, said)])
        before = denials(self.tutorial, counts, server)
        said = self.ask(client, server)
        rise = denials(self.tutorial, counts, server) - before
        answer = _answer(client, server, said)
        return Observation(
            results=[f"{answer}, and its proxy counts {number(rise, 'denial')}."],
            problems=[
                *unless(said[0] == 403, answer),
                *unless(rise == 1, f"denials of {server} counted {before} → {before + rise}"),
            ],
        )


def _answer(client: str, server: str, said: tuple[int, str]) -> str:
    return f"{server} answers {client} with {said[0]} {said[1]}"


def denials(tutorial: Tutorial, counts: ProxyCounts, workload: str) -> int:
    """Count what the proxies of a workload have denied by policy."""
    return counts.sum([pod.name for pod in tutorial.pods() if pod.workload == workload], DENIED)
