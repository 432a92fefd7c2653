"""What the API server would make of every manifest of the suites, by dry runs: nothing is made.

Admission (policies, webhooks, quotas, pod security) may deny an object or change it. Both are known
before a run this way, and not by a workload that never comes. Namespaces of a run are not there
yet, and what is denied hangs on where: objects are tried in a namespace that is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernetes.client.exceptions import ApiException

from meshproof.cluster.cluster import OWNED, Cluster
from meshproof.cluster.objects import KINDS, Manifest, dry_run, namespace_object, refusal
from meshproof.cluster.shape import REVISION_LABEL, MeshShape
from meshproof.documents import manifests_in
from meshproof.errors import EnvironmentBroken
from meshproof.paths import DATA
from meshproof.suite.breakages import manifests_below
from meshproof.suite.differences import differences

PROBES = DATA / "manifests" / "probes"
NAMESPACES = "/api/v1/namespaces"
PODS = "/api/v1/namespaces/{namespace}/pods"
#: Asks for a sidecar in a namespace that does not.
INJECT = {"sidecar.istio.io/inject": "true"}
#: What is held against the manifest of a container; Istio's injection changes its probes and what
#: is mounted in it, and is to.
COMPARED = ("image", "command", "args", "env", "ports", "resources", "securityContext")
#: Objects that are tried at once.
AT_ONCE = 8
CONFLICT = 409
#: By policy, pod security or quota; and too many requests.
REFUSED = (403, 429)
#: The label of a namespace's pod security, and how its denials begin.
ENFORCED, BY_SECURITY = "pod-security.kubernetes.io/enforce", "violates PodSecurity"
#: A namespace that every cluster has, where objects are tried that a run makes in its own.
TRIED_IN = "default"


@dataclass(frozen=True)
class Tried:
    """An object that was tried: its kind and name, why it is denied, and what of it is changed.

    ``status`` is what the API server answered where it is denied.
    """

    what: str
    denied: str = ""
    changed: tuple[str, ...] = ()
    status: int = 0

    @property
    def by_cluster(self) -> bool:
        """Whether it is the cluster that does not want it: a policy, a quota, a webhook that fails.

        A manifest that cannot be is the tutorial's own fault, and is for scenarios to find.
        """
        return self.status in REFUSED or self.status >= 500


def documents(folders: Iterable[Path]) -> list[Manifest]:
    """Return what manifests state below folders, each object once as often as it differs.

    Those that break something on purpose are left out.
    """
    found: list[Manifest] = []
    for folder in folders:
        for file in manifests_below(folder):
            found += [one for one in manifests_in(file) if one not in found]
    return found


def pod_of(deployment: Manifest, mesh: MeshShape) -> dict[str, Any]:
    """Return a pod of a Deployment, as its ReplicaSet would make it in an injected namespace.

    Its account is left out: the namespace that it is tried in has none of that name.
    """
    template = deployment["spec"]["template"]
    metadata = template.get("metadata") or {}
    return _injected(deployment["metadata"]["name"], metadata, template["spec"], mesh)


def _injected(
    name: str, metadata: Mapping[str, Any], spec: Mapping[str, Any], mesh: MeshShape
) -> dict[str, Any]:
    label, value = mesh.injection
    revision = {label: value} if label == REVISION_LABEL else {}
    labels = {**INJECT, **revision, **(metadata.get("labels") or {})}
    stated = {key: spec[key] for key in spec if key != "serviceAccountName"}
    annotations = metadata.get("annotations") or {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name.lower(), "labels": labels, "annotations": annotations},
        "spec": stated,
    }


def to_try(documents: Iterable[Manifest], cluster: Cluster) -> list[tuple[str, Manifest]]:
    """Return what is tried, each with where the API server keeps such: objects as applied here.

    Pods of Deployments are tried, too, as it is they that policies and quotas are about.
    """
    found: list[tuple[str, Manifest]] = []
    for document in documents:
        adapted = cluster.applied(dict(document))
        if adapted["kind"] == "Pod":
            found.append((PODS, _injected(adapted["metadata"]["name"], adapted["metadata"],
                                          adapted["spec"], cluster.mesh)))  # fmt: skip
            continue
        found.append((KINDS[adapted["kind"]], adapted))
        if adapted["kind"] == "Deployment":
            found.append((PODS, pod_of(adapted, cluster.mesh)))
    return found


def try_all(cluster: Cluster, folders: Iterable[Path], namespace: str) -> list[Tried]:
    """Try everything that manifests below folders state, in a namespace that is there.

    Raises ``ApiException`` where the API server does not say what it would do.
    """
    wanted = to_try(documents(folders), cluster)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda one: _try(cluster, one[0], one[1], namespace), wanted))


def try_namespace(cluster: Cluster, name: str) -> tuple[Tried, Mapping[str, str]]:
    """Try a namespace as a run makes it; returns the labels, too, that it would have."""
    label, value = cluster.mesh.injection
    wanted = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {label: value, **OWNED}},
    }
    try:
        made = dry_run(cluster, NAMESPACES, wanted)
    except ApiException as error:
        if error.status == CONFLICT:
            return Tried(f"Namespace {name}"), {}
        return Tried(f"Namespace {name}", refusal(error), status=error.status), {}
    return Tried(f"Namespace {name}"), made["metadata"].get("labels") or {}


@dataclass(frozen=True)
class Trial:
    """What came of all that a run applies in a namespace: everything tried, the namespace first.

    ``place`` is where objects were tried, with the labels ``there``; ``new`` are those of a
    namespace that the run would make. ``own`` says that the place is the run's own namespace.
    """

    place: str
    there: Mapping[str, str]
    new: Mapping[str, str]
    own: bool
    tried: Sequence[Tried]

    @property
    def denied(self) -> list[Tried]:
        """What the cluster would deny a run.

        Pod security that is stricter where objects are tried than in a namespace that a run makes
        says nothing.
        """
        stricter = not self.own and ENFORCED in self.there and ENFORCED not in self.new
        return [
            one
            for one in self.tried
            if one.by_cluster and not (stricter and BY_SECURITY in one.denied)
        ]


def try_run(cluster: Cluster, manifests: Iterable[Path], namespace: str) -> Trial:
    """Try all that a run applies in a namespace: by these manifests, and for its probes.

    Where the namespace is not there yet, objects are tried in one that is. Raises ``ApiException``.
    """
    own = namespace_object(cluster, namespace)
    place = namespace if own else TRIED_IN
    made, new = try_namespace(cluster, namespace)
    whole = own or namespace_object(cluster, place) or {"metadata": {}}
    tried = [made, *try_all(cluster, (*manifests, PROBES), place)]
    return Trial(place, whole["metadata"].get("labels") or {}, new, own is not None, tried)


def require_admitted(cluster: Cluster, manifests: Iterable[Path], namespace: str) -> list[str]:
    """Raise ``EnvironmentBroken`` where the cluster would deny what a run applies in a namespace.

    Returns what it would change, a sentence each. Raises ``ApiException``.
    """
    trial = try_run(cluster, manifests, namespace)
    if denied := trial.denied:
        first = denied[0]
        raise EnvironmentBroken(
            f"The cluster would deny {len(denied)} of {len(trial.tried)} objects that a run "
            f"applies, and nothing was changed: {first.what}: {first.denied}",
            "\n".join(f"{one.what}: {one.denied}" for one in denied),
        )
    return [
        f"admission changes {one.what}: {'; '.join(one.changed)}"
        for one in trial.tried
        if one.changed
    ]


def _try(cluster: Cluster, path: str, manifest: Manifest, namespace: str) -> Tried:
    what = f"{manifest['kind']} {manifest['metadata']['name']}"
    try:
        made = dry_run(cluster, path.format(namespace=namespace), manifest)
    except ApiException as error:
        if error.status == CONFLICT:  # it is there already, by the same name
            return Tried(what)
        return Tried(what, refusal(error), status=error.status)
    return Tried(what, changed=tuple(changes(manifest, made)))


def changes(wanted: Manifest, made: Manifest) -> list[str]:
    """Say what the API server would have otherwise than a manifest states it."""
    if wanted["kind"] != "Pod":
        return differences({key: wanted[key] for key in wanted if key != "stringData"}, made)
    there = {one["name"]: one for one in _containers(made["spec"])}
    found = []
    for one in _containers(wanted["spec"]):
        stated = {key: one[key] for key in COMPARED if key in one}
        found += differences(stated, there.get(one["name"], {}), f"container {one['name']}")
    return found


def _containers(spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*spec.get("initContainers", ()), *spec.get("containers", ())]
