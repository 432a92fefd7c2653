"""What servers accept and what clients send, and what comes of it.

The rules are those of `istioctl authn tls-check` of Istio 1.4, put as what they
mean: a call works where the server accepts what the client sends.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class ServerMode(StrEnum):
    """What a server accepts, by the names of a PeerAuthentication's modes."""

    STRICT = "STRICT"
    PERMISSIVE = "PERMISSIVE"
    DISABLE = "DISABLE"

    @property
    def shown(self) -> str:
        """The mode as tls-check shows it."""
        return {"STRICT": "mTLS", "PERMISSIVE": "mTLS/HTTP", "DISABLE": "HTTP"}[self.value]


class ClientMode(StrEnum):
    """What a client is told to send, by the names of a DestinationRule's modes; NONE: not told."""

    ISTIO_MUTUAL = "ISTIO_MUTUAL"
    MUTUAL = "MUTUAL"
    SIMPLE = "SIMPLE"
    DISABLE = "DISABLE"
    NONE = "-"

    @property
    def shown(self) -> str:
        """The mode as tls-check shows it; TLS that is not the mesh's own is just `TLS`."""
        return {"ISTIO_MUTUAL": "mTLS", "DISABLE": "HTTP", "-": "-"}.get(self.value, "TLS")


class Sent(StrEnum):
    """What a client sends to one server."""

    MESH = "mutual TLS of the mesh"
    FOREIGN = "TLS with other certificates"
    PLAIN = "plain text"
    HEADED = "a PROXY header before TLS"


class Status(StrEnum):
    """What a row of the table comes to.

    OK and AUTO work, AUTO because istiod told the client what to send; CONFLICT
    does not; DRIFT says that a proxy has not what istiod would send it, whatever works now.
    """

    OK = "OK"
    AUTO = "AUTO"
    CONFLICT = "CONFLICT"
    DRIFT = "DRIFT"


#: What clients send that are told to.
TOLD = {
    ClientMode.ISTIO_MUTUAL: Sent.MESH,
    ClientMode.MUTUAL: Sent.FOREIGN,
    ClientMode.SIMPLE: Sent.FOREIGN,
    ClientMode.DISABLE: Sent.PLAIN,
}
ACCEPTED = {
    ServerMode.STRICT: {Sent.MESH},
    ServerMode.PERMISSIVE: {Sent.MESH, Sent.PLAIN},
    ServerMode.DISABLE: {Sent.PLAIN},
}


def accepts(server: ServerMode, sent: Sent) -> bool:
    """Whether a server of this mode takes what is sent."""
    return sent in ACCEPTED[server]


def status(calls: Iterable[tuple[ServerMode, Sent]], *, automatic: bool) -> Status:
    """Judge the calls from one client to each server of a host, by Istio 1.4's rules.

    ``automatic`` says that the client has no mode and auto mTLS is on. The worst
    call counts.
    """
    if not all(accepts(server, sent) for server, sent in calls):
        return Status.CONFLICT
    return Status.AUTO if automatic else Status.OK
