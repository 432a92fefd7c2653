"""The certificates that proxies hold, and their renewal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest
from pytest_bdd import given, parsers, then, when

from meshproof.plugin.tutorial import Beside
from meshproof.probes import certificate_checks as checks
from meshproof.probes.certificate_checks import Renewed, Roots
from meshproof.probes.certificates import OpenConnection
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial
from meshproof.tls.certificates import Held


@pytest.fixture
def brief(beside: Beside) -> Tutorial:
    """A namespace in which renewal is watched."""
    return beside("renewal")


@pytest.fixture
def connections() -> Iterator[ExitStack]:
    """Connections that are closed when the scenario ends."""
    with ExitStack() as stack:
        yield stack


@given(
    "istiod's certificate chains to the root CA that istiod publishes in the namespace",
    target_fixture="roots",
)
def root_has_certified_istiod(tutorial: Tutorial, evidence: Evidence) -> Roots:
    """Read the root that the namespace is told to trust; istiod proves itself by it in TLS."""
    return checks.root_of(tutorial, evidence.tell)


@when("the certificates that the proxies hold are read", target_fixture="held")
def certificates_are_read(tutorial: Tutorial, evidence: Evidence) -> list[Held]:
    """Ask Envoy itself in every pod, and in the ingress gateway."""
    return checks.read_held(tutorial, evidence.tell)


@then("every certificate chains to the root CA of istiod, and its proxy trusts no other root")
def every_certificate_is_of_the_root(held: list[Held], roots: Roots, evidence: Evidence) -> None:
    """Each chains to the root that istiod proved itself by, and its proxy trusts no other."""
    seen = evidence.tell(checks.of_root(held, roots))
    assert not seen.problem, seen.problem


@then("every certificate holds only its pod's identity, for client and server authentication")
def every_certificate_names_its_account(held: list[Held], evidence: Evidence) -> None:
    """Each names what the API server states for the pod, and can be shown by client and server."""
    seen = evidence.tell(checks.of_own_account(held))
    assert not seen.problem, seen.problem


@then("every certificate has a lifetime of 24 hours at most, and is not overdue for renewal")
def every_certificate_is_in_time(held: list[Held], evidence: Evidence) -> None:
    """Each has Istio's lifetime, and so much of it left that it was renewed in time."""
    seen = evidence.tell(checks.in_time(held))
    assert not seen.problem, seen.problem


@then("no two certificates have a serial number or a key in common")
def no_two_certificates_share(held: list[Held], evidence: Evidence) -> None:
    """Each proxy has a key of its own."""
    seen = evidence.tell(checks.all_different(held))
    assert not seen.problem, seen.problem


@then("no proxy overrides Istio's default time of certificate renewal")
def no_proxy_overrides_renewal(held: list[Held], evidence: Evidence) -> None:
    """Each proxy renews after half of a certificate's life, as nothing tells it otherwise."""
    seen = evidence.tell(checks.told_when_to_renew(held))
    assert not seen.problem, seen.problem


@given(
    parsers.parse("a separate namespace whose certificates are valid for {seconds:d} seconds"),
    target_fixture="roots",
)
def certificates_of_seconds(brief: Tutorial, evidence: Evidence, seconds: int) -> Roots:
    """Create two pods whose proxies ask for certificates that expire so soon."""
    evidence.require(checks.follow_briefly(brief, seconds))
    return checks.root_of(brief, evidence.tell)


@given(
    "an open connection between two pods of the separate namespace",
    target_fixture="connection",
)
def connection_is_open(
    brief: Tutorial, connections: ExitStack, evidence: Evidence
) -> OpenConnection:
    """Open a connection that is asked again and again, and answers."""
    begun, connection = datetime.now(UTC), connections.enter_context(checks.open_connection(brief))
    evidence.tell(checks.first_answer(connection, begun))
    return connection


@when(
    "the proxies of both pods have renewed their short-lived certificates", target_fixture="renewed"
)
def proxies_have_renewed(brief: Tutorial, evidence: Evidence) -> Renewed:
    """Wait until both proxies hold other certificates."""
    return checks.renewed_both(brief, evidence.tell)


@then("every certificate was renewed with about half of its lifetime left, and with a new key")
def every_certificate_was_renewed_in_time(renewed: Renewed, evidence: Evidence) -> None:
    """No certificate came close to its end, and none kept its key."""
    seen = evidence.tell(checks.renewed_in_time(renewed))
    assert not seen.problem, seen.problem


@then("the renewed certificates have the root and the service accounts of the first ones")
def renewed_certificates_keep_root_and_accounts(renewed: Renewed, roots: Roots) -> None:
    """What was renewed is as trusted and as named as what it replaces."""
    seen = checks.renewed_alike(renewed, roots)
    assert not seen.problem, seen.problem


@then("the open connection and a new connection get answers after the first certificates expired")
def connections_are_answered(
    brief: Tutorial, renewed: Renewed, connection: OpenConnection, evidence: Evidence
) -> None:
    """Calls go on across the renewal, on the connection from before and on a new one."""
    seen = evidence.tell(checks.answers_after_expiry(brief, renewed, connection))
    assert not seen.problem, seen.problem
