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

#: Stands for all callers, or all workloads that are called.
ANYONE = "anyone"
#: Somebody with a certificate of the mesh, of another namespace, whom no policy can name.
STRANGER = "a workload of another namespace"
SOMEBODY = {
    "metadata": {"namespace": "somewhere-else"},
    "spec": {"serviceAccountName": "somebody"},
}


def let_in(tutorial: Tutorial) -> Admitted:
    """Ask each sidecar of the tutorial's workloads whom it lets in; by workload.

    Callers are all that there are, and a stranger. Raises ``EnvironmentBroken`` where a sidecar
    does not answer, ``LookupError`` where it shows nothing.
    """
    domain = trust_domain(mesh_config(tutorial.cluster))
    callers, sidecars = {STRANGER: identity(domain, SOMEBODY)}, []
    for workload, namespace, name in tutorial.proxies():
        pod = get(tutorial.cluster, f"/api/v1/namespaces/{namespace}/pods/{name}")
        caller = GATEWAY if workload == GATEWAY else pod_state(pod).workload
        callers[caller] = identity(domain, pod)
        if caller != GATEWAY:
            sidecars.append((caller, name))
    found: Admitted = {}
    for workload, name in sidecars:
        dump = listeners_loaded(tutorial.cluster, tutorial.namespace, name)
        found.setdefault(workload, set()).update(admissions(dump, callers))
    return found


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


def may_not_call(found: Admitted, caller: str, server: str) -> Observation:
    """Hold the ways that a caller has into a server against there being none.

    Either may be ``ANYONE``. Raises ``KeyError`` for a server without a sidecar.
    """
    servers = sorted(found) if server == ANYONE else [server]
    ways = [
        (name, each) for name in servers for each in found[name] if caller in (ANYONE, each.caller)
    ]
    lines = sorted(f"{name} lets in {each}" for name, each in ways)
    told = f"{number(len(servers), 'workload')} asked: {caller} has {number(len(ways), 'way')} in"
    return Observation(
        results=[f"{told} to {server}, whatever is asked for."],
        problems=unless(servers and not lines, "; ".join(lines) or "no workload was asked"),
    )
