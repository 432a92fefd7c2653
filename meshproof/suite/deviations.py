"""What was tested that is not the tutorial's own or not the default: one list, complete.

Each line says which expectations rest on it: whoever relies on one of these should know that its
proof is of a mesh, or of an application, that is other in this way. docs/deviations.md is made
from it, and docs/machine.md has the settings behind those of the cluster and the mesh.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Deviation:
    """One way in which what is tested is not the tutorial's own, or not the default.

    ``name`` is short and unique, ``text`` says what is other, ``why`` the reason, each in a
    sentence. ``expectations`` are the ids of those that rest on it: without it they would be
    proved otherwise, of something else, or not at all. ``built`` says that it is so only where
    Meshproof built the cluster and its mesh, and not on a cluster that was there.
    """

    name: str
    text: str
    why: str
    expectations: tuple[str, ...] = ()
    built: bool = False


def _on(ids: str) -> tuple[str, ...]:
    return tuple(ids.split())


DEVIATIONS: tuple[Deviation, ...] = (
    # What the tutorial has, and is here of the project's own.
    Deviation(
        "own application",
        "The application is this project's own, in Python: page, votes, analytics and the storing "
        "of votes are written anew after the tutorial's text and pictures, each vote with an id.",
        "The tutorial's images were withdrawn; and votes can be counted once "
        "only if they have ids.",
        _on("D7 D8 U2 U3 U5 T4 C1 C3 C4 C5 C7 C8 F1 F3 F4 A1"),
    ),
    Deviation(
        "MariaDB",
        "Behind the name mysql is Debian's MariaDB, not MySQL.",
        "Debian has no MySQL server.",
        _on("T2 T3 C2 C4 C5 C6 C7 F1 F4 A1"),
    ),
    Deviation(
        "own manifests",
        "The manifests are this project's own, with the tutorial's names of files, objects and "
        "ports; each object carries the label of its owner.",
        "The tutorial's manifests were withdrawn; what they created is known from its text alone.",
        _on("D2 D3 D5 U1 U2 U4 U5 U6 T1 T2 C1 C2 C3 C6 A1 A2 A4"),
    ),
    Deviation(
        "today's names",
        "“kubectl apply” stands for “istioctl create” and “replace”, "
        "PeerAuthentication for Policy, "
        "and the lists of what a command prints are in kubectl's words.",
        "The tutorial is of Istio 1.0.4 and Kubernetes 1.10, whose commands and kinds are gone.",
        _on("D5 U4 C2 A4"),
    ),
    Deviation(
        "own tls-check",
        "“meshproof tls-check” stands for “istioctl authn tls-check”, and works its table out from "
        "what the proxies have loaded.",
        "Istio removed the command.",
        _on("T1"),
    ),
    Deviation(
        "native sidecars",
        "Sidecars are containers among the init containers, counted in READY all the same.",
        "So Istio injects them today.",
        _on("D1 D3 D4 C2"),
    ),
    Deviation(
        "shown and hardened pods",
        "Pods run without root, with a read-only root and without a token of the API server, have "
        "probes of their own, and requests and limits for 2 cores; storage 2.0 is ready only to "
        "who logs in and reads votes, and is replaced, never doubled.",
        "The tutorial shows no pod's manifest.",
        _on("D3 C2 C7"),
    ),
    # What the tutorial does not have.
    Deviation(
        "service accounts",
        "Each Deployment has a service account of its own, from a file that the tutorial does not "
        "have.",
        "Without one, all components and versions have one identity, and nothing tells them apart.",
        _on("U6 T3 T5 C6"),
    ),
    Deviation(
        "policies",
        "AuthorizationPolicies by identity are applied at the end of lock-down and of the routing "
        "for 2.0, from files that the tutorial does not have.",
        "Routing alone keeps nobody out: who matches no route falls through to the Service's "
        "default one, so what the tutorial says of its diagrams would not be so.",
        _on("U6 C6"),
    ),
    Deviation(
        "last route to MySQL",
        "A last TCP route leads who may not have MySQL where its port has no endpoint, and each "
        "port of storage's Service leads to the pods that name it.",
        "A policy for TCP is decided on the client's first byte, and MySQL speaks first.",
        _on("C2 C6"),
    ),
    Deviation(
        "order of lock-down",
        "Step 2b is applied in parts, by a label, and step 2a between them: "
        "subsets, routes, STRICT; "
        "the proxies are waited for before each next one.",
        "In the tutorial's order every request between the two gets a 503.",
        _on("U4 U5 U6 T1 T2 A1 A2"),
    ),
    Deviation(
        "order of routing for 2.0",
        "Step 3's routing is applied in two parts, by a label: subsets, then routes.",
        "Otherwise some requests go to a subset that a proxy does not know yet.",
        _on("C1 C2 A1"),
    ),
    Deviation(
        "own finalizing",
        "The last steps, all users to 2.0 and the old versions gone, are manifests and commands of "
        "the project's own.",
        "The tutorial leaves them to its reader.",
        _on("F1 F2 F3 F4 A1 A4"),
    ),
    Deviation(
        "draining",
        "App and analytics go on answering for 5 s once they are told to stop, old Deployments are "
        "deleted in the foreground, and pods that a way back deletes go once "
        "nothing is sent to them.",
        "Whoever stops at once fails requests that are on their way.",
        _on("F3 A1"),
    ),
    Deviation(
        "durable stores",
        "Redis writes each vote to a log on a volume of its pod before it acknowledges it, and the "
        "database flushes its log at each commit.",
        "By default Redis keeps votes in memory, and loses what it acknowledged.",
        _on("C7 F4 A1"),
    ),
    Deviation(
        "hosts of their own",
        "A1's rollout, scenarios in other lanes than the first, and those of a run beside another "
        "one lead users in by a host of their own, where the tutorial's Gateway and "
        "VirtualServices are for any host.",
        "Only one namespace can have the way in for any host.",
        _on("D7 D8 U2 U3 U5 U6 T3 T4 C1 C3 C4 C5 C7 C8 F1 F3 F4 A1"),
    ),
    Deviation(
        "probes beside the tutorial",
        "Clients outside the mesh, a workload that anyone may call, Services that lead to one "
        "version alone, and namespaces with mutual TLS off or with certificates of 20 s are made "
        "beside the tutorial's objects, and taken away.",
        "They are what shows that a refusal is one, and that what is said not to be there is seen "
        "where it is.",
        _on("D1 U6 T2 T4 T5 C6"),
    ),
    # What is not the default of cluster and mesh, where Meshproof makes them.
    Deviation(
        "upstream Envoy",
        "The sidecars and the gateway run upstream Envoy, not Istio's build of it: Istio's own "
        "telemetry, metadata-exchange and ALPN filters are switched off.",
        "Istio's proxy image is only in container registries.",
        _on("D1 D4 D5 U2 U5 U6 T1 T2 T3 T4 T5 C1 C3 C6 F1 F3 A1"),
        built=True,
    ),
    Deviation(
        "built from source",
        "Kubernetes and Istio, a development commit of it, are built from source, and so are the "
        "node and all images.",
        "No container registry is asked.",
        _on("D1 D4 U4 T1 T5 A2"),
        built=True,
    ),
    Deviation(
        "counts and access logs",
        "The proxies count what they served, denied and refused, and their access logs name both "
        "sides' identities, which Istio leaves out by default.",
        "They are held against what never arrived, and say to whom something was served.",
        _on("U6 T2 T3 C6 F3"),
        built=True,
    ),
    Deviation(
        "small requests",
        "Requests for CPU and memory of istiod and the proxies are lowered, and there is one "
        "ingress gateway, which does not scale.",
        "Everything runs on 2 cores, without a metrics server.",
        _on("U2 A1"),
        built=True,
    ),
    Deviation(
        "gateway's address",
        "The ingress gateway's address is set by the harness, and all scenarios but that of the "
        "address come in by a port of 127.0.0.1 that leads to it.",
        "No cloud is beyond the cluster to give a Service an address.",
        _on("D6"),
        built=True,
    ),
    Deviation(
        "cluster's network",
        "The cluster's network is containerd's own ptp, host-local and "
        "portmap, not kind's CNI, and "
        "packets to Services that nothing has translated yet are rejected at once.",
        "kind's plugin is only in a container registry; and a pod that starts early need not wait.",
        _on("T2 T3 T4"),
        built=True,
    ),
    Deviation(
        "own node image",
        "The nodes are of kind's own image build on Debian 12, with tcpdump and with catatonit for "
        "the pause image.",
        "There is no container registry; and packets are captured in the nodes.",
        _on("T4"),
        built=True,
    ),
    Deviation(
        "no DNS forwarder",
        "The cluster's DNS has no forwarder, and only the plugins that it uses.",
        "No network is beyond the cluster.",
        built=True,
    ),
)


def deviations_of(*, built: bool) -> list[Deviation]:
    """Return those of a run; ``built`` says that Meshproof built its cluster and mesh."""
    return [one for one in DEVIATIONS if built or not one.built]


def described(texts: Iterable[str]) -> list[Deviation]:
    """Return deviations by their texts; of one that is not in the list only the text is known."""
    known = {one.text: one for one in DEVIATIONS}
    return [known.get(text) or Deviation(text, text, "") for text in texts]


def table() -> str:
    """Return the list as a table in Markdown."""
    rows = ["| name | what is other | why | expectations that rest on it | where |",
            "|---|---|---|---|---|"]  # fmt: skip
    for one in DEVIATIONS:
        where = "a cluster that Meshproof made" if one.built else "everywhere"
        ids = ", ".join(one.expectations) or "none"
        rows.append(f"| {one.name} | {one.text} | {one.why} | {ids} | {where} |")
    return "\n".join(rows) + "\n"
