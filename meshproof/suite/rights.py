"""What whoever runs the suites must be allowed on a cluster that exists, and what falls without it.

Of this table are made: the ClusterRole and the Role in `manifests/rights/`, the table of
docs/rights.md, and what the API server is asked before a run. The namespaces of a run are made by
it, and nothing can be granted in a namespace that is not there yet: what is done in them is granted
in the whole cluster.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from meshproof.cluster.shape import DEFAULT
from meshproof.mesh.capabilities import Capability
from meshproof.paths import DATA
from meshproof.suite.features import expectations_that_need
from meshproof.suite.model import Suite
from meshproof.wording import listed

#: The file that grants all of it.
GRANTED = DATA / "manifests" / "rights" / "rights.yaml"
#: What the ClusterRole and the Role are called.
ROLE = "meshproof"
#: The longest line of a manifest.
WIDTH = 110


class Place(Enum):
    """Where something must be allowed."""

    CLUSTER = "the whole cluster"
    ISTIOD = "istiod's namespace"


@dataclass(frozen=True)
class Access:
    """One thing that the API server allows or not: a verb on a resource of a group, and where.

    ``namespace`` is empty for the whole cluster.
    """

    verb: str
    group: str
    resource: str
    namespace: str = ""

    @property
    def attributes(self) -> dict[str, str]:
        """What a SelfSubjectAccessReview asks for."""
        resource, _, below = self.resource.partition("/")
        asked = {"verb": self.verb, "group": self.group, "resource": resource}
        return asked | ({"subresource": below} if below else {}) | (
            {"namespace": self.namespace} if self.namespace else {}
        )  # fmt: skip


@dataclass(frozen=True)
class Right:
    """Verbs on resources of a group, and what they are for.

    Without it there is no run; with ``capabilities``, the scenarios are skipped that need one; with
    what is ``lost``, nothing else is.
    """

    verbs: tuple[str, ...]
    resources: tuple[str, ...]
    why: str
    group: str = ""
    place: Place = Place.CLUSTER
    capabilities: tuple[Capability, ...] = ()
    lost: str = ""

    @property
    def needed(self) -> bool:
        """Whether there is no run without it."""
        return not self.capabilities and not self.lost

    def asked(self, istiods: str) -> list[Access]:
        """Return all that must be allowed for it, where istiod is in that namespace."""
        namespace = istiods if self.place is Place.ISTIOD else ""
        return [
            Access(verb, self.group, resource, namespace)
            for resource in self.resources
            for verb in self.verbs
        ]

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags of scenarios that need it, as features have them."""
        return tuple(f"@{one.tag}" for one in self.capabilities)

    @property
    def without(self) -> str:
        """Say what falls without it, as the end of a sentence."""
        if self.capabilities:
            return f"what needs it ({' or '.join(self.tags)}) is skipped"
        return self.lost or "there is no run"


#: What manifests are applied, asked for and taken away with.
KEPT = ("get", "list", "create", "patch", "delete")
#: A command in a pod or a port of it: a GET to the API server, which is `get` to older ones.
STREAMED = ("get", "create")

RIGHTS = (
    Right(
        KEPT, ("namespaces",),
        "a run makes, labels, marks as its own and deletes the namespaces that it follows "
        "tutorials in",
    ),
    Right(
        ("get", "list", "create", "delete", "deletecollection"), ("pods",),
        "pods are awaited, asked and thrown away, and probes are pods; the mesh's own are found "
        "and watched",
    ),
    Right(STREAMED, ("pods/exec",), "commands are run in pods of the suites and of probes"),
    Right(
        STREAMED, ("pods/portforward",),
        "sidecars, the ingress gateway and istiod are asked what they have loaded and counted",
    ),
    Right(
        ("get",), ("pods/log",), "what proxies log of calls is read, and what Bookinfo's pods do",
        capabilities=(Capability.ACCESS_LOG, Capability.POD_LOG),
    ),
    Right(
        KEPT,
        ("services", "serviceaccounts", "secrets", "persistentvolumeclaims"),
        "tutorials apply them, and which stage a namespace is at is asked by them; Services lead "
        "to the ingress gateway",
    ),
    Right(
        ("update",), ("secrets",), "a registry's login is renewed where it is there already",
        lost="a run with `--pull-secret` fails, and no other",
    ),
    Right(
        KEPT, ("deployments",),
        "tutorials apply them; istiod is found by its own",
        group="apps",
    ),
    Right(
        KEPT,
        ("gateways", "virtualservices", "destinationrules"),
        "tutorials apply them; somebody else's Gateway for any host is looked for",
        group="networking.istio.io",
    ),
    Right(
        ("create", "patch"), ("envoyfilters",),
        "sidecars in the suites' own namespaces are told to log calls",
        group="networking.istio.io",
        lost="what reads calls (`@needs-access-log`) is skipped, unless the mesh's own settings "
        "have sidecars log them",
    ),
    Right(
        KEPT,
        ("peerauthentications", "authorizationpolicies"),
        "tutorials apply them",
        group="security.istio.io",
    ),
    Right(
        ("get", "list", "create", "update", "delete"), ("leases",),
        "runs that share a mesh keep out of each other's way",
        group="coordination.k8s.io", place=Place.ISTIOD,
    ),
    Right(
        ("get",), ("configmaps",), "the mesh's root certificate, domain and lifetimes are read",
        place=Place.ISTIOD,
    ),
    Right(
        ("create",), ("serviceaccounts/token",),
        "istioctl asks istiod who is in sync, by a token of the account `default`",
        place=Place.ISTIOD,
    ),
    Right(
        ("list", "watch"), ("mutatingwebhookconfigurations",),
        "istioctl looks there for the revision that is the default; a tag of one is found",
        group="admissionregistration.k8s.io",
    ),
    Right(
        ("list",), ("replicasets",), "whose a pod is that tls-check asks about", group="apps",
    ),
    Right(
        ("list",), ("endpointslices",), "which pods answer for a Service, also for a webhook's",
        group="discovery.k8s.io",
    ),
    Right(
        ("list",), ("events",), "why a pod does not run is told by its events",
        lost="a failure does not say what the cluster did, and nothing else",
    ),
    Right(
        ("list",), ("nodes",),
        "the nodes are watched while scenarios run; packets are captured on them",
        capabilities=(Capability.NODES,),
    ),
    Right(
        ("list",), ("*",), "the whole cluster is listed, before and after, for what is left behind",
        group="*", capabilities=(Capability.LISTING,),
    ),
    Right(
        ("list",), ("resourcequotas",), "`meshproof doctor` says what quotas leave",
        lost="`meshproof doctor` cannot say it, and nothing else",
    ),
    Right(
        ("list",), ("storageclasses",), "`meshproof doctor` looks for a default one",
        group="storage.k8s.io", lost="`meshproof doctor` cannot say it, and nothing else",
    ),
    Right(
        ("list",), ("validatingwebhookconfigurations",),
        "`meshproof doctor` looks for those that nobody answers",
        group="admissionregistration.k8s.io",
        lost="`meshproof doctor` cannot say it, and nothing else",
    ),
)  # fmt: skip


def falls(right: Right, suites: Iterable[Suite]) -> str:
    """Say what falls without a right, in a cell of a table."""
    if right.capabilities:
        ids = ", ".join(expectations_that_need(right.capabilities, suites))
        return f"scenarios of {ids} ({_ticked(right.tags)}) are skipped"
    return right.lost or "every scenario: there is no run"


def refused(right: Right, denied: Iterable[Access], ids: Iterable[str] = ()) -> str:
    """Say in a sentence what of a right is lacking, and what falls for it.

    ``ids`` are of what is not proved then.
    """
    verbs: dict[str, list[str]] = {}
    for access in denied:
        verbs.setdefault(access.resource, []).append(access.verb)
    resources: dict[tuple[str, ...], list[str]] = {}
    for resource, lacking in verbs.items():
        resources.setdefault(tuple(lacking), []).append(resource)
    group = f" of {right.group}" if right.group else ""
    what = "; nor ".join(
        f"{_either(lacking)} {listed(names, most=len(names))}"
        for lacking, names in resources.items()
    )
    namespace = next((access.namespace for access in denied if access.namespace), "")
    where = f"namespace {namespace}" if namespace else Place.CLUSTER.value
    told = listed(ids, none="")
    end = f"scenarios of {told} are skipped" if told else right.without
    return f"This user may not {what}{group} in {where}: {end} ({right.why})."


def _either(verbs: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(verbs[:-1]), verbs[-1])))


def manifest(suites: Iterable[Suite]) -> str:
    """Return the ClusterRole and the Role that grant everything, each rule with what it is for."""
    suites = tuple(suites)
    documents = (
        ("ClusterRole", Place.CLUSTER, {"name": ROLE}),
        ("Role", Place.ISTIOD, {"name": ROLE, "namespace": DEFAULT.namespace}),
    )
    about = (
        "What whoever runs the suites on a cluster that exists must be allowed, and nothing more. "
        "Made by `python -m meshproof.suite.made` from meshproof/suite/rights.py."
    )
    return "---\n".join(
        [_comment(about), *(_role(kind, place, meta, suites) for kind, place, meta in documents)]
    )


def _role(kind: str, place: Place, metadata: Mapping[str, str], suites: tuple[Suite, ...]) -> str:
    lines = ["apiVersion: rbac.authorization.k8s.io/v1", f"kind: {kind}", "metadata:"]
    lines += [f"  {name}: {value}" for name, value in metadata.items()]
    text = "\n".join([*lines, "rules:"]) + "\n"
    return text + "".join(
        rule for right in RIGHTS if right.place is place for rule in _rule(right, suites)
    )


def _rule(right: Right, suites: tuple[Suite, ...]) -> Iterator[str]:
    yield _comment(f"{_capital(right.why)}. Without it: {falls(right, suites)}.".replace("`", ""))
    yield f'- apiGroups: ["{right.group}"]\n'
    yield f"  resources: {_words(right.resources)}\n"
    yield f"  verbs: {_words(right.verbs)}\n"


def _words(names: Iterable[str]) -> str:
    return "[" + ", ".join('"*"' if name == "*" else name for name in names) + "]"


def _comment(text: str) -> str:
    return "".join(f"# {line}\n" for line in textwrap.wrap(text, WIDTH, break_on_hyphens=False))


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def rows(suites: Iterable[Suite]) -> list[tuple[str, ...]]:
    """Return the rights as rows of a table: what, where, what for, and what falls without it."""
    suites = tuple(suites)
    return [
        (
            f"{_ticked(right.verbs)} {_ticked(right.resources)}"
            + (f" of `{right.group}`" if right.group else ""),
            right.place.value,
            right.why,
            falls(right, suites),
        )
        for right in RIGHTS
    ]


def _ticked(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
