"""One row of tls-check: what a client sends to the servers of a host, and what they accept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from meshproof.tls.envoy import Destination, Outbound
from meshproof.tls.hosts import Pod
from meshproof.tls.modes import TOLD, ClientMode, Sent, ServerMode, Status, accepts, status
from meshproof.tls.wanted import NOBODY, Policy


@dataclass(frozen=True)
class Accepting:
    """A server: what it accepts, and what the objects want it to.

    ``kept`` says that a proxy sees what comes in, so that a policy can be kept at
    all; ``refused`` is why that proxy refused its last change, if it did.
    """

    pod: Pod
    mode: ServerMode
    policy: Policy
    kept: bool = True
    refused: str = ""

    @property
    def drift(self) -> str:
        """How proxy and objects disagree, or ""."""
        if not self.kept or self.mode is self.policy.mode:
            return ""
        says = (
            "no PeerAuthentication counts, which means"
            if self.policy.name == NOBODY
            else f"PeerAuthentication {self.policy.name} says"
        )
        refused = f", which refused its last change ({self.refused})" if self.refused else ""
        return (
            f"{says} {self.policy.mode}, and {self.mode} is loaded "
            f"in the proxy of server {self.pod}{refused}"
        )

    @property
    def unprotected(self) -> str:
        """Why a policy that wants mutual TLS is not kept here, or ""."""
        if self.kept or self.policy.mode is not ServerMode.STRICT:
            return ""
        reason = "is not seen by its proxy" if self.pod.proxied else "has no proxy"
        return f"server {self.pod} {reason}: nothing keeps to {self.policy.name} (STRICT) there"


@dataclass(frozen=True)
class Sending:
    """A client, and what it has loaded for one destination, beside what the objects want.

    ``known`` are the addresses that it knows, and whether each is said to take
    mutual TLS; ``may`` is what it may have loaded for the ``wanted`` mode.
    """

    pod: Pod
    loaded: Outbound
    known: Mapping[str, bool]
    wanted: ClientMode
    rule: str
    may: frozenset[ClientMode]
    auto_mtls: bool = True

    @property
    def automatic(self) -> bool:
        """Whether istiod decides for the client, which is not told."""
        undecided = self.wanted is ClientMode.NONE and self.auto_mtls
        return self.loaded.mode is ClientMode.NONE or (undecided and self.loaded.mode in self.may)

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
            return TOLD[self.loaded.mode]
        takes_mtls = any(self.known.get(address, False) for address in pod.addresses)
        return Sent.MESH if takes_mtls else Sent.PLAIN

    @property
    def drift(self) -> list[str]:
        """How proxy and objects disagree."""
        found = []
        if self.loaded.rule != self.rule:
            found.append(
                f"{_rule(self.rule)} counts, and {_rule(self.loaded.rule)} is loaded "
                f"in the proxy of client {self.pod}"
            )
        if self.loaded.mode not in self.may:
            says = (
                "says nothing of TLS" if self.wanted is ClientMode.NONE else f"says {self.wanted}"
            )
            loaded = "auto mTLS" if self.loaded.mode is ClientMode.NONE else self.loaded.mode
            found.append(
                f"{_rule(self.rule)} {says}, and {loaded} is loaded "
                f"in the proxy of client {self.pod}"
            )
        return found


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
    disagreements: Sequence[str] = (),
    remarks: Sequence[str] = (),
) -> Row:
    """Judge one destination of a client, with what disagrees there and what else is to be said.

    Where proxies and objects disagree, that is the status. Else it follows from
    what is loaded; a server that nothing protects, though the objects want it, is
    a conflict whatever works.
    """
    drift = [
        *filter(None, (server.drift for server in servers)),
        *client.drift,
        *(f"the proxy of client {client.pod} does not know server {server.pod}"
          for server in servers if not client.knows(server.pod)),
        *disagreements,
    ]  # fmt: skip
    calls = [(server, client.sends_to(server.pod)) for server in servers]
    refusing = [f"client {client.pod} sends {sent}, which server {server.pod} does not accept"
                for server, sent in calls if not accepts(server.mode, sent)]  # fmt: skip
    unprotected = [server.unprotected for server in servers if server.unprotected]
    works = status(((s.mode, sent) for s, sent in calls), automatic=client.automatic)
    verdict = Status.CONFLICT if unprotected else works
    unlike = []
    if len({server.mode for server in servers}) > 1:
        each = ", ".join(f"{server.pod} {server.mode}" for server in servers)
        unlike = [f"its servers do not agree: {each}"]
    return Row(
        destination,
        Status.DRIFT if drift else verdict,
        tuple(servers),
        client,
        (*drift, *refusing, *unprotected, *unlike, *remarks),
    )


def _rule(name: str) -> str:
    return "no DestinationRule" if name == NOBODY else f"DestinationRule {name}"
