from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from meshproof.probes.forged_certificate import home_made

IDENTITY = "spiffe://cluster.local/ns/voting/sa/voting-app-1-0"


def test_it_says_the_name_and_the_issuer_that_were_asked_for() -> None:
    certificate = x509.load_pem_x509_certificate(home_made(IDENTITY, "mesh").certificate.encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [IDENTITY]
    assert certificate.issuer.rfc4514_string() == "O=mesh"


def test_its_key_is_its_own_and_not_shown() -> None:
    made = home_made(IDENTITY, "mesh")
    certificate = x509.load_pem_x509_certificate(made.certificate.encode())
    key = load_pem_private_key(made.key.encode(), password=None)
    assert key.public_key() == certificate.public_key()
    assert "PRIVATE KEY" not in repr(made)
