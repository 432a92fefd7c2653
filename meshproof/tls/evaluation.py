"""One row of tls-check: what a client sends to the servers of a host, and what they accept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from meshproof.tls.envoy import Destination, Outbound
from meshproof.tls.hosts import Pod
from meshproof.tls.modes import TOLD, ClientMode, Sent, ServerMode, Status, accepts, status
from meshproof.tls.policies import Policy


@dataclass(frozen=True)
class Accepting:
    """A server: what it accepts, and the PeerAuthentication that counts there.

    ``kept`` says that a proxy sees what comes in, so that a policy can be kept at
    all; ``drift`` is what is not as istiod would have it.
    """

    pod: Pod
    mode: ServerMode
    policy: Policy
    kept: bool = True
    drift: tuple[str, ...] = ()

    @property
    def unprotected(self) -> str:
        """Why a policy that wants mutual TLS is not kept here, or ""."""
        if self.kept or self.policy.mode is not ServerMode.STRICT:
            return ""
        reason = "is not seen by its proxy" if self.pod.proxied else "has no proxy"
        return f"server {self.pod} {reason}: nothing keeps to {self.policy.name} (STRICT) there"


@dataclass(frozen=True)
class Sending:
    """A client, and what it has loaded for one destination.

    ``known`` are the addresses that it knows, and whether each is said to take
    mutual TLS; ``automatic`` says that istiod decides for the client, which is not
    told; ``drift`` is what is not as istiod would have it.
    """

    pod: Pod
    loaded: Outbound
    known: Mapping[str, bool]
    automatic: bool = False
    drift: tuple[str, ...] = ()

    @property
    def mode(self) -> ClientMode:
        """The mode that is in force."""
        return ClientMode.NONE if self.automatic else self.loaded.mode

    def knows(self, pod: Pod) -> bool:
        """Whether it sends anything to a server."""
        return self.loaded.by_address or bool(pod.addresses & self.known.keys())

    def sends_to(self, pod: Pod) -> Sent:
        """What it sends to a server."""
        if self.loaded.mode is not ClientMode.NONE:
            sent = TOLD[self.loaded.mode]
        else:
            takes_mtls = any(self.known.get(address, False) for address in pod.addresses)
            sent = Sent.MESH if takes_mtls else Sent.PLAIN
        # Plain text behind a header is plain text to a proxy; TLS behind one is not TLS.
        return Sent.HEADED if self.loaded.header and sent is not Sent.PLAIN else sent


@dataclass(frozen=True)
class Row:
    """One row of the table; ``notes`` say in a sentence each what is not as it should be."""

    destination: Destination
    status: Status
    servers: tuple[Accepting, ...]
    client: Sending
    notes: tuple[str, ...] = ()

    @property
    def server_modes(self) -> tuple[ServerMode, ...]:
        """What the servers accept: one mode where they agree."""
        return tuple(sorted({server.mode for server in self.servers}))

    @property
    def columns(self) -> tuple[str, str, str, str, str, str]:
        """The six columns of the table."""
        return (
            str(self.destination),
            str(self.status),
            ",".join(mode.shown for mode in self.server_modes),
            self.client.mode.shown,
            ",".join(sorted({server.policy.name for server in self.servers})),
            self.client.loaded.rule,
        )

    def adds_to(self, whole: Row) -> bool:
        """Whether a subset's row says anything that the whole host's does not."""
        return self.columns[1:] != whole.columns[1:] or not set(self.notes) <= set(whole.notes)

    def __str__(self) -> str:
        """Return the row in a line."""
        return " ".join((*self.columns, *(f"({note})" for note in self.notes)))


def judge(
    destination: Destination,
    servers: Sequence[Accepting],
    client: Sending,
    *,
    remarks: Sequence[str] = (),
) -> Row:
    """Judge one destination of a client, with what else is to be said of it.

    Where a proxy has not what istiod would send it, that is the status. Else it
    follows from what is loaded; a server that nothing protects, though a policy
    wants it, and one that the client is not led to, are conflicts whatever works.
    """
    drift = [*(note for server in servers for note in server.drift), *client.drift]
    calls = [(server, client.sends_to(server.pod)) for server in servers
             if client.knows(server.pod)]  # fmt: skip
    refusing = [f"client {client.pod} sends {sent}, which server {server.pod} does not accept"
                for server, sent in calls if not accepts(server.mode, sent)]  # fmt: skip
    unprotected = [server.unprotected for server in servers if server.unprotected]
    works = status(((s.mode, sent) for s, sent in calls), automatic=client.automatic)
    unreached = [f"client {client.pod} does not know server {server.pod}"
                 for server in servers if not client.knows(server.pod)]  # fmt: skip
    verdict = works if calls and not unprotected else Status.CONFLICT
    unlike = []
    if len({server.mode for server in servers}) > 1:
        each = ", ".join(f"{server.pod} {server.mode}" for server in servers)
        unlike = [f"its servers do not agree: {each}"]
    headed = []
    if client.loaded.header:
        version = client.loaded.header
        headed = [f"client {client.pod} begins each connection with a PROXY header ({version})"]
    return Row(
        destination,
        Status.DRIFT if drift else verdict,
        tuple(servers),
        client,
        (*drift, *refusing, *unprotected, *unreached, *unlike, *headed, *remarks),
    )
