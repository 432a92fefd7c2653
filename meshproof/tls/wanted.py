"""What the objects say that servers accept and clients send: precedence as istiod has it.

Sources, in istio.io/istio: ``ComposePeerAuthentication`` (policy_applier.go) for
servers; ``destinationRule`` (push_context.go), ``mergeDestinationRule`` and
``MergeSubsetTrafficPolicy`` for clients.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from meshproof.tls.modes import ClientMode, ServerMode

Manifest = Mapping[str, Any]
NOBODY = "-"
#: The domain of the Services' names; Istio's and Kubernetes's default.
DOMAIN = "cluster.local"


@dataclass(frozen=True)
class Mesh:
    """What counts for the whole mesh: whether auto mTLS is on, and where its own objects are."""

    auto_mtls: bool = True
    root: str = "istio-system"


@dataclass(frozen=True)
class Policy:
    """What a PeerAuthentication says: ``name`` is ``name/namespace``, or `-` where none does."""

    mode: ServerMode
    name: str = NOBODY


@dataclass(frozen=True)
class Rule:
    """The DestinationRules in force for a host and a client, merged; ``name`` is the first one's.

    Without one, ``name`` is `-` and there is nothing else.
    """

    name: str = NOBODY
    policy: Manifest | None = None
    subsets: tuple[Manifest, ...] = ()

    def mode(self, port: int, subset: str = "") -> ClientMode:
        """The mode for a port of the host, or of a subset. Raises ``KeyError`` for an unknown one.

        Settings for a port replace the others; a subset's replace the host's where it has any.
        """
        tls, _ = _tls(self.policy, port)
        if subset:
            chosen = {entry["name"]: entry for entry in self.subsets}[subset]
            own, for_port = _tls(chosen.get("trafficPolicy"), port)
            tls = own if own is not None or for_port else tls
        return ClientMode.NONE if tls is None else ClientMode(tls.get("mode", "DISABLE"))

    @property
    def names(self) -> set[str]:
        """The names of the subsets."""
        return {str(entry["name"]) for entry in self.subsets}


def named(manifest: Manifest) -> str:
    """Return an object's ``name/namespace``, as tls-check prints it."""
    return f"{manifest['metadata']['name']}/{manifest['metadata']['namespace']}"


def server_policy(
    policies: Iterable[Manifest], mesh: Mesh, namespace: str, labels: Mapping[str, str], port: int
) -> Policy:
    """Return what counts at a port of a pod of this namespace with these labels.

    The narrowest PeerAuthentication that has a mode counts: one that selects the
    pod (its port first), the namespace's, the mesh's; of several, the oldest.
    Without any, servers are PERMISSIVE.
    """
    found = Policy(ServerMode.PERMISSIVE)
    scopes: dict[str, Manifest] = {}
    for policy in _oldest_first(policies):
        selector = policy["spec"].get("selector", {}).get("matchLabels") or {}
        where = policy["metadata"]["namespace"]
        if not selector and where in (mesh.root, namespace):
            scopes.setdefault("mesh" if where == mesh.root else "namespace", policy)
        elif selector and where == namespace != mesh.root and _selects(selector, labels):
            scopes.setdefault("workload", policy)
    for scope in ("mesh", "namespace", "workload"):
        if scope in scopes:
            found = _narrowed(found, scopes[scope], scopes[scope]["spec"].get("mtls"))
    ports = scopes["workload"]["spec"].get("portLevelMtls", {}) if "workload" in scopes else {}
    return _narrowed(found, scopes["workload"], ports[str(port)]) if str(port) in ports else found


def namespace_mode(policies: Iterable[Manifest], mesh: Mesh, namespace: str) -> ServerMode:
    """Return a namespace's mode, without those of single workloads and ports.

    That is all that istiod looks at when it decides for a client that is not told.
    """
    whole = [p for p in policies if not p["spec"].get("selector", {}).get("matchLabels")]
    return server_policy(whole, mesh, namespace, {}, 0).mode


def client_rule(
    rules: Sequence[Manifest],
    mesh: Mesh,
    host: str,
    *,
    service: str,
    client: str,
    labels: Mapping[str, str],
) -> Rule:
    """Return what DestinationRules say to a client of a host.

    ``service`` and ``client`` are the namespaces of both, ``labels`` the client's.
    The client's own namespace comes first, then the service's, then the mesh's;
    within one, the most specific host.
    """
    visible = [rule for rule in rules if _exported(rule, client)]
    first = [rule for rule in visible if rule["metadata"]["namespace"] == client]
    if client == mesh.root:
        # What the root namespace has for everyone comes last for its gateways, too.
        first = [rule for rule in first if rule["spec"].get("exportTo") == ["."]]
    for group in (
        first,
        [rule for rule in visible if rule["metadata"]["namespace"] == service],
        [rule for rule in visible if rule["metadata"]["namespace"] == mesh.root],
    ):
        matching = _most_specific(group, host)
        chosen = [rule for rule in matching if _chosen_for(rule, client, labels)]
        unselected = [rule for rule in matching if not _selector(rule)]
        if matching:
            return _merged(chosen or unselected)
    return Rule()


def expected(
    wanted: ClientMode, mesh: Mesh, servers: ServerMode, *, by_address: bool
) -> set[ClientMode]:
    """Return what a client's proxy may have loaded where the objects want this mode.

    ``servers`` is the mode of the server's namespace; a proxy that goes
    ``by_address`` cannot tell endpoints apart, so istiod decides for all of them.
    """
    if wanted is not ClientMode.NONE:
        return {wanted}
    if not mesh.auto_mtls or servers is ServerMode.DISABLE:
        return {ClientMode.DISABLE}
    return {ClientMode.ISTIO_MUTUAL, ClientMode.DISABLE} if by_address else {ClientMode.NONE}


def full_host(host: str, namespace: str) -> str:
    """Return a host of an Istio object in full: one without a dot is of the object's namespace."""
    return host if "." in host or host == "*" else f"{host}.{namespace}.svc.{DOMAIN}"


def _tls(policy: Manifest | None, port: int) -> tuple[Manifest | None, bool]:
    """Return the TLS settings for a port, and whether there are settings for just this port."""
    for entry in (policy or {}).get("portLevelSettings", []):
        if entry.get("port", {}).get("number") == port:
            return entry.get("tls"), True
    return (policy or {}).get("tls"), False


def _narrowed(outer: Policy, policy: Manifest, mtls: Manifest | None) -> Policy:
    mode = (mtls or {}).get("mode", "UNSET")
    return outer if mode == "UNSET" else Policy(ServerMode(mode), named(policy))


def _oldest_first(objects: Iterable[Manifest]) -> list[Manifest]:
    def age(manifest: Manifest) -> tuple[str, str, str]:
        metadata = manifest["metadata"]
        return metadata.get("creationTimestamp", ""), metadata["name"], metadata["namespace"]

    return sorted(objects, key=age)


def _selects(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return selector.items() <= labels.items()


def _selector(rule: Manifest) -> Mapping[str, str]:
    found: Mapping[str, str] = rule["spec"].get("workloadSelector", {}).get("matchLabels") or {}
    return found


def _chosen_for(rule: Manifest, client: str, labels: Mapping[str, str]) -> bool:
    selector = _selector(rule)
    own = rule["metadata"]["namespace"] == client
    return bool(selector) and own and _selects(selector, labels)


def _exported(rule: Manifest, client: str) -> bool:
    to = rule["spec"].get("exportTo") or ["*"]
    return "*" in to or client in to or ("." in to and rule["metadata"]["namespace"] == client)


def _most_specific(rules: Iterable[Manifest], host: str) -> list[Manifest]:
    """Return the rules of the host that matches best, oldest first."""
    by_host: dict[str, list[Manifest]] = {}
    for rule in _oldest_first(rules):
        of = full_host(rule["spec"]["host"], rule["metadata"]["namespace"])
        if of == host or (of.startswith("*") and host.endswith(of[1:])):
            by_host.setdefault(of, []).append(rule)
    if not by_host:
        return []
    return by_host[max(by_host, key=len)]


def _merged(rules: Sequence[Manifest]) -> Rule:
    """Merge rules for one host: the first's policy, and every subset that has a new name."""
    if not rules:
        return Rule()
    subsets: dict[str, Manifest] = {}
    policy = None
    for rule in rules:
        policy = policy or rule["spec"].get("trafficPolicy")
        for entry in rule["spec"].get("subsets", []):
            subsets.setdefault(entry["name"], entry)
    return Rule(named(rules[0]), policy, tuple(subsets.values()))
