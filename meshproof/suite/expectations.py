"""The specification: every promise of the tutorial, with an id that never changes.

docs/expectations.md says how each is proved. A scenario carries the ids that
it proves as tags; the sign-off is a table of these rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

SECTIONS = {
    "deploy": "Deploy the application",
    "update": "Update the application",
    "mtls": "Mutual TLS",
    "canary": "Roll out a canary release",
    "finalize": "Finalize the rollout",
    "always": "At every step",
    "bookinfo": "Next steps: Bookinfo",
}


@dataclass(frozen=True)
class Expectation:
    """One promise: its id, the section of the tutorial, and what is expected."""

    id: str
    section: str
    text: str


def _section(section: str, rows: Iterable[tuple[str, str]]) -> list[Expectation]:
    return [Expectation(identifier, section, text) for identifier, text in rows]


EXPECTATIONS: tuple[Expectation, ...] = tuple(
    _section("deploy", [
        ("D1", "The labelled namespace makes Istio inject a proxy into new pods, and only into new ones."),
        ("D2", "Step 1 creates exactly three Deployments and three Services."),
        ("D3", "Three app pods, one analytics and one storage pod run, each 2/2 and never restarted."),
        ("D4", "Every pod has a proxy, in sync with istiod."),
        ("D5", "The app is out of reach before Gateway and VirtualService exist, and served after."),
        ("D6", "The tutorial's command prints the ingress gateway's address, and the address answers."),
        ("D7", "The page is the voting app 1.0 on Redis, with simple counts."),
        ("D8", "A vote adds one to its own category, reset sets zero, all app pods agree with Redis."),
    ])
    + _section("update", [
        ("U1", "Step 2 creates analytics 1.1 alone; 1.0 keeps running."),
        ("U2", "The page alternates evenly between both formats, with the same counts."),
        ("U3", "Analytics 1.1 shows totals and whole percentages."),
        ("U4", "Locking down creates the listed PeerAuthentication, DestinationRules and VirtualServices."),
        ("U5", "After lock-down only analytics 1.1 answers."),
        ("U6", "Analytics 1.0 is still deployed and ready, and no traffic reaches or leaves it."),
    ])
    + _section("mtls", [
        ("T1", "tls-check reports mutual TLS on both sides for every service and port."),
        ("T2", "A client outside the mesh is refused on every port, in plain text and in its own TLS."),
        ("T3", "Each call carries the caller's own identity."),
        ("T4", "Nothing between pods is readable on the wire."),
        ("T5", "Certificates are the mesh's own and are renewed."),
    ])
    + _section("canary", [
        ("C1", "Routing for 2.0 changes nothing for ordinary users before 2.0 is there."),
        ("C2", "Step 3 creates or configures exactly what the tutorial lists, and all of it gets ready."),
        ("C3", "Exactly the holders of the cookie featureflag=on get 2.0, always."),
        ("C4", "The toggle on the page sets and clears the flag, and so switches version and store."),
        ("C5", "1.0 and 2.0 count separately."),
        ("C6", "The two stacks are apart: every pair of workloads talks exactly where it may."),
        ("C7", "Votes of 2.0 survive the loss of the MySQL pod."),
        ("C8", "The flag lasts 15 minutes and holds for the whole site."),
    ])
    + _section("finalize", [
        ("F1", "All users get 2.0, with or without the flag."),
        ("F2", "No DestinationRule or VirtualService names an old version any more."),
        ("F3", "The old workloads are idle before they are deleted, and deleting them harms no one."),
        ("F4", "Only 2.0 remains, with all votes that were cast in it."),
    ])
    + _section("always", [
        ("A1", "No request fails at any step of the rollout, and every acknowledged vote is stored once."),
        ("A2", "istioctl analyze finds no error at any stage."),
        ("A3", "Nothing is left behind."),
        ("A4", "Every stage can be reached from every other, and a step applied twice changes nothing."),
    ])
    + _section("bookinfo", [
        ("B1", "All users get reviews v1, and jason gets v2."),
        ("B2", "Injected delays and aborts show for jason alone."),
        ("B3", "Traffic is shifted by the stated shares."),
    ])
)  # fmt: skip

IDS = tuple(expectation.id for expectation in EXPECTATIONS)
