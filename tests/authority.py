"""An authority that tests certify with, its certificates made as istiod makes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

BOTH = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
DAY = timedelta(hours=24)
BACKDATED = timedelta(minutes=2)

Key = ec.EllipticCurvePrivateKey


def new_key() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def pem_of(*certificates: x509.Certificate) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def key_pem(key: Key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def usage(*, authority: bool) -> x509.KeyUsage:
    leaf = not authority
    return x509.KeyUsage(leaf, False, leaf, False, False, authority, False, False, False)


@dataclass(frozen=True)
class Authority:
    """A key and the certificate of it."""

    key: Key
    certificate: x509.Certificate

    @classmethod
    def root(cls, organization: str = "cluster.local") -> Authority:
        """One that certifies itself for ten years."""
        key, now = new_key(), datetime.now(UTC)
        name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)])
        return cls(
            key, cls._sign(key, name, name, key, now - BACKDATED, now + 3650 * DAY, authority=True)
        )

    def below(self, organization: str) -> Authority:
        """An authority that this one certifies."""
        key, now = new_key(), datetime.now(UTC)
        name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)])
        made = self._sign(
            key,
            name,
            self.certificate.subject,
            self.key,
            now - BACKDATED,
            now + DAY,
            authority=True,
        )
        return Authority(key, made)

    def issue(
        self,
        *names: str,
        made: datetime | None = None,
        life: timedelta = DAY,
        usages: Sequence[ObjectIdentifier] = BOTH,
        key: Key | None = None,
    ) -> x509.Certificate:
        """A proxy's certificate, as istiod makes it: names that are URIs, no subject, backdated."""
        made = made or datetime.now(UTC)
        extensions: list[tuple[x509.ExtensionType, bool]] = [
            (x509.SubjectAlternativeName([x509.UniformResourceIdentifier(n) for n in names]), True)
        ]
        if usages:
            extensions.append((x509.ExtendedKeyUsage(usages), False))
        return self._sign(
            key or new_key(),
            x509.Name([]),
            self.certificate.subject,
            self.key,
            made - BACKDATED,
            made + life,
            authority=False,
            extensions=extensions,
        )

    def issue_for_host(self, host: str, key: Key) -> x509.Certificate:
        """A server's certificate by its name in DNS, or by its address."""
        now = datetime.now(UTC)
        try:
            name: x509.GeneralName = x509.IPAddress(ip_address(host))
        except ValueError:
            name = x509.DNSName(host)
        names = x509.SubjectAlternativeName([name])
        return self._sign(
            key,
            x509.Name([]),
            self.certificate.subject,
            self.key,
            now - BACKDATED,
            now + DAY,
            authority=False,
            extensions=[(names, True)],
        )

    @staticmethod
    def _sign(
        key: Key,
        subject: x509.Name,
        issuer: x509.Name,
        signer: Key,
        begins: datetime,
        ends: datetime,
        *,
        authority: bool,
        extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
    ) -> x509.Certificate:
        above = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
            .add_extension(usage(authority=authority), critical=True)
            .add_extension(own if authority else above, critical=False)
        )
        if authority and subject != issuer:
            builder = builder.add_extension(above, critical=False)
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(signer, hashes.SHA256())
