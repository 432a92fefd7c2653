"""Whom each workload's sidecars let in, of all workloads there are, and of a stranger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from meshproof.cluster.objects import get
from meshproof.cluster.pods import pod_state
from meshproof.mesh.authority import mesh_config, trust_domain
from meshproof.mesh.authorization import Admission, admissions, listeners_loaded
from meshproof.mesh.loaded import GATEWAY
from meshproof.suite.tutorial import Tutorial
from meshproof.tls.certificates import identity

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


def let_in(tutorial: Tutorial) -> dict[str, set[Admission]]:
    """Ask each sidecar of the tutorial's workloads whom it lets in; by workload.

    Raises ``EnvironmentBroken`` where one does not answer, ``LookupError`` where it shows nothing.
    """
    callers = callers_of(tutorial)
    found: dict[str, set[Admission]] = {}
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


def table(found: Mapping[str, Iterable[Admission]]) -> str:
    """Return whom workloads let in, a line each."""
    lines = [f"{workload}: {', '.join(map(str, sorted(each, key=str))) or 'nobody'}\n"
             for workload, each in sorted(found.items())]  # fmt: skip
    return "".join(lines)
