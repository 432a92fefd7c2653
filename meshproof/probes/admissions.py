"""Whom each workload's sidecars let in, of all workloads there are, and of a stranger."""

from __future__ import annotations

from typing import TypeAlias

from meshproof.analysis.observation import Observation, unless
from meshproof.cluster.objects import get
from meshproof.cluster.pods import pod_state
from meshproof.mesh.authority import mesh_config, trust_domain
from meshproof.mesh.authorization import Admission, admissions, listeners_loaded, unlike
from meshproof.mesh.loaded import GATEWAY
from meshproof.suite.model import Suite
from meshproof.suite.tutorial import Tutorial
from meshproof.tls.certificates import identity
from meshproof.wording import number

#: Whom each workload lets in.
Admitted: TypeAlias = dict[str, set[Admission]]

#: Somebody with a certificate of the mesh, of another namespace, whom no policy can name.
STRANGER = "a workload of another namespace"
SOMEBODY = {
    "metadata": {"namespace": "somewhere-else"},
    "spec": {"serviceAccountName": "somebody"},
}


def callers_of(tutorial: Tutorial) -> dict[str, str]:
    """Return all callers that there are, by name, with their SPIFFE identities."""
    domain = trust_domain(mesh_config(tutorial.cluster))
    callers = {STRANGER: identity(domain, SOMEBODY)}
    for workload, namespace, pod in _pods(tutorial):
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}"
        callers[workload] = identity(domain, get(tutorial.cluster, path))
    return callers


def let_in(tutorial: Tutorial) -> Admitted:
    """Ask each sidecar of the tutorial's workloads whom it lets in; by workload.

    Raises ``EnvironmentBroken`` where one does not answer, ``LookupError`` where it shows nothing.
    """
    callers = callers_of(tutorial)
    found: Admitted = {}
    for workload, namespace, pod in _pods(tutorial):
        if workload != GATEWAY:
            dump = listeners_loaded(tutorial.cluster, namespace, pod)
            found.setdefault(workload, set()).update(admissions(dump, callers))
    return found


def _pods(tutorial: Tutorial) -> list[tuple[str, str, str]]:
    """Pods with a proxy, by the workload's name, namespace and pod."""
    path = f"/api/v1/namespaces/{tutorial.namespace}/pods"
    names = {
        state.name: state.workload for state in map(pod_state, get(tutorial.cluster, path)["items"])
    }
    return [
        (names.get(pod, workload), namespace, pod)
        for workload, namespace, pod in tutorial.proxies()
    ]


def read_admissions(found: Admitted) -> Observation:
    """Tell whom workloads let in, a line each."""
    lines = [f"{workload}: {', '.join(map(str, sorted(each, key=str))) or 'nobody'}\n"
             for workload, each in sorted(found.items())]  # fmt: skip
    return Observation(texts={"callers that sidecars let in": "".join(lines)})


def as_drawn(found: Admitted, suite: Suite, entrance: str) -> Observation:
    """Hold whom workloads let in against the diagram, with the gateway as a caller of an app."""
    arrows = suite.arrows() | {(GATEWAY, each) for each in found if each.startswith(f"{entrance} ")}
    wanted = {server: [a for a, b in arrows if b == server] for server in found}
    wrong = unlike(found, wanted)
    told = (
        f"{number(len(found), 'workload')}: {number(len(wrong), 'caller')} let in, or not, "
        "otherwise than in the tutorial's diagram, whatever is asked for."
    )
    return Observation(results=[told], problems=unless(not wrong, "; ".join(wrong)))


def nobody_calls(found: Admitted, *, server: str = "", caller: str = "") -> Observation:
    """Tell who is let in by a server, or who lets a caller in; an empty name means any."""
    lines = [
        f"{workload} lets in {each}"
        for workload, admitted in sorted(found.items())
        for each in sorted(admitted, key=str)
        if server in ("", workload) and caller in ("", each.caller)
    ]
    who = f"{server} lets in" if server else f"{number(len(found), 'workload')}: {caller} has"
    told = f"{who} {number(len(lines), 'caller' if server else 'way')} "
    told += "" if server else "in"
    return Observation(
        results=[f"{told.strip()}, whatever is asked for."],
        problems=unless(not lines, "; ".join(lines)),
    )
