"""What a proxy's certificate says, and whether it is as the mesh promises (T5).

Only public parts are read: Envoy's admin port blacks private keys out.
"""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from meshproof.cluster.pods import PROXY
from meshproof.errors import PromiseBroken
from meshproof.wording import listed

#: Istio's default (`SECRET_TTL`), and by how much istiod backdates for clocks that differ
#: (`ClockSkewGracePeriod`).
LONGEST = timedelta(hours=24, minutes=2)
#: Shorter, and an istiod that is away for half an hour would stop the mesh.
SHORTEST = timedelta(hours=1)
#: Shares of a certificate's life between which it is renewed. Istio's agent begins at 0.5, 0.01
#: more or less (`SECRET_GRACE_PERIOD_RATIO`); a new key and certificate may take it two seconds
#: on a busy machine, which is 0.1 of a life of 20 s.
EARLIEST, LATEST = 0.45, 0.75
#: How an agent is told to renew at another time: by environment variables that begin so.
SETTING = "SECRET_"
#: What Envoy calls the certificate that it shows, and the roots that it trusts.
OWN, TRUSTED = "default", "ROOTCA"
#: Both ends of a call: the same certificate is shown to servers and to clients.
USAGES = {
    ExtendedKeyUsageOID.SERVER_AUTH: "a server",
    ExtendedKeyUsageOID.CLIENT_AUTH: "a client",
}
HEADINGS = ("POD", "NAME", "SERIAL", "NOT BEFORE", "NOT AFTER", "LIFETIME", "ISSUER", "ROOTS")


@dataclass(frozen=True)
class Held:
    """What one proxy holds.

    ``identity`` is what its pod's service account makes it, ``chain`` its own certificate
    and those above it, ``roots`` what it trusts, ``since`` when Envoy took the certificate
    over, ``settings`` what its agent is told of renewing.
    """

    pod: str
    identity: str
    chain: tuple[x509.Certificate, ...]
    roots: tuple[x509.Certificate, ...]
    since: datetime
    settings: Mapping[str, str]

    @property
    def leaf(self) -> x509.Certificate:
        """The proxy's own certificate."""
        return self.chain[0]

    @property
    def serial(self) -> str:
        """Its serial number, in hexadecimal."""
        return f"{self.leaf.serial_number:x}"

    @property
    def key(self) -> bytes:
        """Its public key."""
        return self.leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @property
    def begins(self) -> datetime:
        """When it becomes valid; istiod says two minutes before it makes it."""
        return self.leaf.not_valid_before_utc

    @property
    def expires(self) -> datetime:
        """When it ends."""
        return self.leaf.not_valid_after_utc

    @property
    def names(self) -> list[str]:
        """Whom it is made out to: all alternative names, URIs as they are."""
        try:
            found = self.leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except x509.ExtensionNotFound:
            return []
        uri = x509.UniformResourceIdentifier
        return [str(name.value) if isinstance(name, uri) else _told(name) for name in found.value]

    @property
    def usages(self) -> set[ObjectIdentifier]:
        """What it may be used for; empty where it does not say."""
        try:
            return set(self.leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
        except x509.ExtensionNotFound:
            return set()


def _told(name: x509.GeneralName) -> str:
    """Return an alternative name that is no URI, with what kind it is of."""
    value = name.value
    text = value.rfc4514_string() if isinstance(value, x509.Name) else value
    return f"{type(name).__name__} {text}"


def identity(domain: str, pod: Mapping[str, Any]) -> str:
    """Return the SPIFFE id that a pod's service account gives it, by the API server's word."""
    namespace, account = pod["metadata"]["namespace"], pod["spec"]["serviceAccountName"]
    return f"spiffe://{domain}/ns/{namespace}/sa/{account}"


def read_held(dump: Mapping[str, Any], pod: Mapping[str, Any], domain: str) -> Held:
    """Read what a pod's proxy says of its secrets (Envoy's ``dynamic_active_secrets``).

    ``pod`` is as the API server has it, ``domain`` the mesh's trust domain. Raises
    ``PromiseBroken`` where the proxy has no certificate or trusts no root.
    """
    name = pod["metadata"]["name"]
    secrets = {entry["name"]: entry for entry in dump.get("configs", [])}
    missing = {OWN, TRUSTED} - secrets.keys()
    if missing:
        raise PromiseBroken(f"{name}: its proxy holds no secret {' and no '.join(sorted(missing))}")
    own, trusted = secrets[OWN], secrets[TRUSTED]["secret"]["validation_context"]
    spec = pod["spec"]
    return Held(
        pod=name,
        identity=identity(domain, pod),
        chain=read_pem(own["secret"]["tls_certificate"]["certificate_chain"]),
        roots=read_pem(trusted["trusted_ca"]),
        since=datetime.fromisoformat(own["last_updated"]),
        settings={
            variable["name"]: variable.get("value", "")
            for container in [*spec["containers"], *spec.get("initContainers", [])]
            if container["name"] == PROXY
            for variable in container.get("env", [])
            if variable["name"].startswith(SETTING)
        },
    )


def read_pem(source: Mapping[str, str]) -> tuple[x509.Certificate, ...]:
    """Read the certificates of one of Envoy's data sources. Raises ``ValueError`` for none."""
    pem = base64.b64decode(source["inline_bytes"])
    return tuple(x509.load_pem_x509_certificates(pem))


def untrusted(held: Held, roots: Sequence[x509.Certificate], now: datetime) -> list[str]:
    """Say why a proxy's certificate is not of these roots now, or what else it trusts.

    The rules are those for the web's own certificates: signatures up to a root, all of
    them valid now, only authorities above the leaf, and none as the leaf.
    """
    found = []
    verifier = PolicyBuilder().store(Store(list(roots))).time(now).build_client_verifier()
    try:
        verifier.verify(held.leaf, list(held.chain[1:]))
    except VerificationError as error:
        found.append(f"{held.pod}: its certificate {held.serial} is not of the mesh: {error}")
    strange = [root for root in held.roots if root not in roots]
    if strange or not held.roots:
        names = [f"{root.subject.rfc4514_string()} {root.serial_number:x}" for root in strange]
        found.append(f"{held.pod}: trusts roots that are not the mesh's, or none: {listed(names)}")
    return found


def misnamed(held: Held) -> list[str]:
    """Say where a certificate is not made out to exactly its pod's identity, for both ends."""
    found = []
    if held.names != [held.identity]:
        found.append(
            f"{held.pod}: made out to {listed(held.names, 'nobody')}, not to {held.identity}"
        )
    missing = [name for usage, name in USAGES.items() if usage not in held.usages]
    if missing:
        found.append(f"{held.pod}: not to be used by {' and '.join(missing)}")
    return found


def ill_timed(held: Held, now: datetime) -> list[str]:
    """Say where a certificate is good for too long or too short, or should be renewed already."""
    lifetime, found = held.expires - held.begins, []
    if not SHORTEST <= lifetime <= LONGEST:
        found.append(f"{held.pod}: good for {lifetime}; {SHORTEST} to {LONGEST} allowed")
    if (now - held.begins) / lifetime > LATEST:
        found.append(f"{held.pod}: {now - held.begins} of {lifetime} are over, and it has no other")
    return found


def shared(all_held: Sequence[Held]) -> list[str]:
    """Say which proxies have a serial number or a key in common."""
    kinds: tuple[tuple[str, Callable[[Held], object]], ...] = (
        ("serial", lambda held: held.serial),
        ("key", lambda held: held.key),
    )
    found = []
    for what, read in kinds:
        pods = defaultdict(list)
        for held in all_held:
            pods[read(held)].append(held.pod)
        found += [f"one {what} at {', '.join(names)}" for names in pods.values() if len(names) > 1]
    return found


def renewal(before: Held, after: Held) -> str:
    """Say how a certificate followed another, in a line."""
    over = (after.since - before.since).total_seconds()
    return (
        f"{before.pod}: {before.serial} followed by {after.serial} after {over:.1f} s, "
        f"{_share(before, after):.0%} of its life; {_left(before, after):.1f} s before its end"
    )


def badly_renewed(before: Held, after: Held) -> list[str]:
    """Say where a certificate was not renewed in time, by Envoy's own clock, or not wholly."""
    found = []
    if not EARLIEST <= _share(before, after) <= LATEST:
        found.append(f"{renewal(before, after)}; {EARLIEST:.0%} to {LATEST:.0%} expected")
    if after.key == before.key:
        found.append(f"{before.pod}: the new certificate has the old one's key")
    return found


def _share(before: Held, after: Held) -> float:
    return (after.since - before.since) / (before.expires - before.since)


def _left(before: Held, after: Held) -> float:
    return (before.expires - after.since).total_seconds()


def table(all_held: Sequence[Held]) -> str:
    """Show what proxies hold, a line each."""
    rows = [HEADINGS, *(_row(held) for held in all_held)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join(lines) + "\n"


def _row(held: Held) -> tuple[str, ...]:
    return (
        held.pod,
        ", ".join(held.names),
        held.serial,
        f"{held.begins:%F %T}",
        f"{held.expires:%F %T}",
        str(held.expires - held.begins),
        held.leaf.issuer.rfc4514_string(),
        ", ".join(f"{root.serial_number:x}" for root in held.roots),
    )


def pem(all_held: Sequence[Held]) -> str:
    """Return each proxy's chain (PEM), public as it is, below its pod's name."""
    parts = []
    for held in all_held:
        chain = [certificate.public_bytes(Encoding.PEM).decode() for certificate in held.chain]
        parts.append(f"# {held.pod}\n{''.join(chain)}")
    return "\n".join(parts)
