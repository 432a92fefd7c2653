"""Whether a cluster that exists is ready for a run: `meshproof doctor --cluster existing`.

Nothing is made, changed or deleted: the API server is asked, and tries manifests by dry runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kubernetes.client.exceptions import ApiException

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.namespaces import log_calls
from meshproof.cluster.objects import get
from meshproof.engine.engine import answering
from meshproof.engine.machine import this_machine
from meshproof.environment.existing import existing_cluster, shaped, told
from meshproof.environment.finding import Finding
from meshproof.environment.inotify import proxies_finding
from meshproof.environment.options import Options
from meshproof.errors import EnvironmentBroken, MeshproofError
from meshproof.mesh.istio import Istio
from meshproof.probes.admission import ENFORCED, Tried, documents, try_run
from meshproof.probes.preflight import lacking_nodes
from meshproof.probes.rights import Missing, missing_rights
from meshproof.progress import Progress
from meshproof.suite.registry import suite_named
from meshproof.suite.rights import Place
from meshproof.wording import listed

CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
HOOKS = "/apis/admissionregistration.k8s.io/v1/{kind}webhookconfigurations"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
SERVICE_LABEL = "kubernetes.io/service-name"
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
FORBIDDEN = 403
Item = Mapping[str, Any]


def readiness(options: Options) -> list[Finding]:
    """Say of a cluster what a run needs of it and what is lacking, changing nothing.

    Raises ``UsageFailure`` where the cluster or its mesh must be named otherwise.
    """
    cluster = existing_cluster(options)
    try:
        found = [Finding("cluster", f"context {cluster.name}, Kubernetes {cluster.version}")]
        missing = missing_rights(cluster, Place.CLUSTER)
        cluster, gateway = shaped(cluster, options)
        missing += missing_rights(cluster, Place.ISTIOD)
    except EnvironmentBroken as error:
        return [Finding("cluster", str(error), fatal=True)]
    except Exception as error:  # whatever keeps it from answering
        return [
            Finding("cluster", f"context {cluster.name} does not answer: {error!r}", fatal=True)
        ]
    found += rights_findings(missing)
    found.append(Finding("gateway", f"Service {gateway.name}"))
    found += [Finding("mesh", line) for line in told(cluster.mesh)]
    for subject, look in (
        ("istio", lambda: [istio_finding(cluster)]),
        ("storage", lambda: [storage_finding(get(cluster, CLASSES)["items"], claims_of(options))]),
        ("webhooks", lambda: webhook_findings(cluster)),
        ("nodes", lambda: nodes_findings(cluster)),
        ("admission", lambda: admission_findings(cluster, options)),
    ):
        found += _looked(subject, look)
    return found


def _looked(subject: str, look: Callable[[], Sequence[Finding]]) -> Sequence[Finding]:
    """Return what was found, or that it cannot be seen, and why."""
    try:
        return look()
    except ApiException as error:
        if error.status == FORBIDDEN:
            return [Finding(subject, "cannot be seen: this user may not look", doubtful=True)]
        return [Finding(subject, f"cannot be seen: {error.reason}", fatal=True)]
    except MeshproofError as error:
        return [Finding(subject, error.sentence, fatal=True)]


def rights_findings(missing: Iterable[Missing]) -> list[Finding]:
    """Say a sentence of each right that is lacking, or that none is."""
    found = [
        Finding("rights", one.sentence, fatal=one.right.needed, doubtful=not one.right.needed)
        for one in missing
    ]
    return found or [Finding("rights", "all that a run needs")]


def istio_finding(cluster: Cluster) -> Finding:
    """Say which Istio runs."""
    versions = Istio(cluster, progress=Progress()).versions()
    return Finding("istio", f"{versions['istio']}, Envoy {versions['envoy']}")


def claims_of(options: Options) -> list[str]:
    """Name the suite's PersistentVolumeClaims that name no StorageClass."""
    return [
        one["metadata"]["name"]
        for one in documents([_manifests(options)])
        if one["kind"] == "PersistentVolumeClaim" and "storageClassName" not in one["spec"]
    ]


def storage_finding(classes: Iterable[Item], claims: Sequence[str]) -> Finding:
    """Say which StorageClass those claims get, which name none."""
    names = [
        one["metadata"]["name"]
        for one in classes
        if (one["metadata"].get("annotations") or {}).get(DEFAULT_CLASS) == "true"
    ]
    if names:
        return Finding("storage", f"default StorageClass {listed(sorted(names))}")
    if not claims:
        return Finding("storage", "no StorageClass is the default, and no claim needs one")
    return Finding(
        "storage",
        f"no StorageClass is the default: the suite's PersistentVolumeClaim {listed(claims)} would "
        f"stay pending; annotate one with {DEFAULT_CLASS}=true",
        fatal=True,
    )


def nodes_findings(cluster: Cluster) -> list[Finding]:
    """Say whether packets can be captured on the nodes, and what proxies get of this machine."""
    if said := lacking_nodes(cluster, answering()):
        return [Finding("nodes", said, doubtful=True)]
    # They are containers of its engine, so that their proxies are this kernel's.
    return [Finding("nodes", "packets can be captured on them"), proxies_finding(this_machine())]


def webhook_findings(cluster: Cluster) -> list[Finding]:
    """Say which webhooks would fail what is applied: nobody is behind their Services."""
    configurations = [
        one
        for kind in ("mutating", "validating")
        for one in get(cluster, HOOKS.format(kind=kind))["items"]
    ]
    dead = []
    for name, namespace, service in strict_services(configurations):
        slices = get(cluster, SLICES.format(namespace=namespace))["items"]
        if not answers(slices, service):
            dead.append(f"{name} (Service {namespace}/{service})")
    if not dead:
        return [Finding("webhooks", "each that must answer has an endpoint")]
    return [
        Finding("webhooks", f"{one} has no endpoint, and fails what it is asked about",
                doubtful=True)
        for one in dead
    ]  # fmt: skip


def strict_services(configurations: Iterable[Item]) -> list[tuple[str, str, str]]:
    """Return the webhooks without whose answer nothing is applied, and the Services behind them."""
    return sorted(
        {
            (hook["name"], service["namespace"], service["name"])
            for configuration in configurations
            for hook in configuration.get("webhooks") or ()
            if hook.get("failurePolicy", "Fail") == "Fail"
            if (service := hook["clientConfig"].get("service"))
        }
    )


def answers(slices: Iterable[Item], service: str) -> bool:
    """Whether a Service has an endpoint that is ready."""
    return any(
        (endpoint.get("conditions") or {}).get("ready", True)
        for each in slices
        if (each["metadata"].get("labels") or {}).get(SERVICE_LABEL) == service
        for endpoint in each.get("endpoints") or ()
    )


def admission_findings(cluster: Cluster, options: Options) -> list[Finding]:
    """Say what would be denied or changed of all that a run applies, and by which pod security."""
    trial = try_run(cluster, [_manifests(options)], options.namespace)
    return [
        security_finding(trial.place, trial.there, trial.new),
        *_looked("quota", lambda: [quota_finding(trial.place, _quotas(cluster, trial.place))]),
        *tried_findings(trial.place, trial.tried),
        *_looked(
            "access log",
            lambda: [access_log_finding(log_calls(cluster, trial.place, tried=True))],
        ),
    ]


def access_log_finding(refused: str) -> Finding:
    """Say whether the suites may have sidecars log calls, by why they may not, or ""."""
    if not refused:
        return Finding("access log", "the suites' own EnvoyFilter would be taken")
    return Finding(
        "access log",
        f"the suites' own EnvoyFilter is refused: {refused}; what reads calls is skipped, unless "
        "the mesh's own settings have sidecars log them (docs/aks.md)",
        doubtful=True,
    )


def _manifests(options: Options) -> Path:
    named = "manifests" in options.given
    return options.manifests if named else suite_named(options.suite).manifests


def _quotas(cluster: Cluster, namespace: str) -> list[Item]:
    found: list[Item] = get(cluster, f"/api/v1/namespaces/{namespace}/resourcequotas")["items"]
    return found


def security_finding(place: str, there: Mapping[str, str], new: Mapping[str, str]) -> Finding:
    """Say which pod security a namespace enforces, and one that a run makes."""
    own, tried = new.get(ENFORCED), there.get(ENFORCED)
    text = f"a namespace that a run makes is labelled to enforce {own or 'nothing'}"
    if tried:
        text += f"; manifests are tried in {place}, which enforces {tried}"
    return Finding("pod security", text, doubtful=bool(own or tried))


def quota_finding(place: str, quotas: Iterable[Item]) -> Finding:
    """Say which quotas a namespace has, and what is left of them."""
    told = []
    for one in quotas:
        status = one.get("status") or {}
        used = status.get("used") or {}
        told += [
            f"{one['metadata']['name']}: {used.get(what, '0')} of {hard} {what}"
            for what, hard in sorted((status.get("hard") or {}).items())
        ]
    return Finding("quota", f"in {place}: {listed(told, most=len(told))}", doubtful=bool(told))


def tried_findings(place: str, tried: Sequence[Tried]) -> list[Finding]:
    """Say what of the manifests would be denied, and what would be changed."""
    denied = [one for one in tried if one.denied]
    changed = [one for one in tried if one.changed]
    fine = len(tried) - len(denied) - len(changed)
    found = [
        Finding("manifests", f"{fine} of {len(tried)} objects would be as they are applied "
                f"(server-side dry run in {place})")
    ]  # fmt: skip
    found += [Finding("denied", f"{one.what}: {one.denied}", fatal=True) for one in denied]
    found += [
        Finding("changed", f"{one.what}: {'; '.join(one.changed)}", doubtful=True)
        for one in changed
    ]
    return found
