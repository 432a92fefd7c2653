"""What a mesh must give the harness to see by, beside what it gives its users.

A mesh can keep a promise that the harness cannot see kept: no proxy logs the call, none counts it.
A scenario names what it needs (``@needs-access-log``); whether it is there is found out before the
run, on pods of the suite's own (``meshproof/probes/preflight.py``). Where it is lacking the
scenario is skipped, and says why.
"""

from __future__ import annotations

from enum import StrEnum

#: What the tags of scenarios begin with that name what they need.
NEEDS = "needs-"


class Capability(StrEnum):
    """What scenarios read of a mesh."""

    ACCESS_LOG = "access-log"
    REQUEST_COUNTS = "request-counts"
    DENIAL_COUNTS = "denial-counts"
    REFUSAL_COUNTS = "refusal-counts"
    NODES = "nodes"
    ADDRESS = "address"
    LISTING = "listing"
    POD_LOG = "pod-log"

    @property
    def tag(self) -> str:
        """The tag of a scenario that needs it."""
        return NEEDS + self


#: What proxies count.
COUNTS = (Capability.REQUEST_COUNTS, Capability.DENIAL_COUNTS, Capability.REFUSAL_COUNTS)
#: What proxies log and count: it is found out on pods of the suite's own.
BY_PROXIES = (Capability.ACCESS_LOG, *COUNTS)
#: What is found out without such pods.
BY_LOOKING = frozenset(Capability) - {*BY_PROXIES}

MEANINGS = {
    Capability.ACCESS_LOG: "the sidecars log each call, as JSON with the fields that are read",
    Capability.REQUEST_COUNTS: "the sidecars count what they pass to the application",
    Capability.DENIAL_COUNTS: "the sidecars count what policies deny",
    Capability.REFUSAL_COUNTS: "the sidecars count what mutual TLS refuses",
    Capability.NODES: "the nodes are containers of an engine that answers here",
    Capability.ADDRESS: "the ingress gateway's Service states an IP address",
    Capability.POD_LOG: "what the application's own containers log can be read",
    Capability.LISTING: "objects of every kind can be listed, in the whole cluster",
}
