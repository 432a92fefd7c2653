"""Mutual TLS: what rules ask for, and what tls-check says that the proxies have loaded."""

from __future__ import annotations

from pytest_bdd import parsers, then, when

from meshproof.probes.tls_check import against_rows, settled_tables
from meshproof.probes.tls_modes import modes_asked_for
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial
from meshproof.tls.check import Table


@then("these objects, and no others, set a mode of mutual TLS")
def objects_set_modes(tutorial: Tutorial, evidence: Evidence, datatable: list[list[str]]) -> None:
    """Every PeerAuthentication and DestinationRule of the namespace is listed with its mode."""
    seen = evidence.tell(modes_asked_for(tutorial, datatable[1:]))
    assert not seen.problem, seen.problem


@when(
    parsers.parse('tls-check is run for "{hosts}" with {client} as the client'),
    target_fixture="tables",
)
def tls_check_is_run(
    tutorial: Tutorial, evidence: Evidence, hosts: str, client: str
) -> list[Table]:
    """Run tls-check for hosts, until no row drifts; "any workload" lets it choose the client."""
    named = None if client == "any workload" else client.strip('"')
    return settled_tables(
        tutorial.cluster, tutorial.namespace, hosts.split(", "), named, evidence.tell
    )


@then("tls-check prints these rows")
def tls_check_prints(tables: list[Table], tutorial: Tutorial, datatable: list[list[str]]) -> None:
    """The rows of tls-check are exactly these, in this order."""
    differing = against_rows(tables, datatable, tutorial.namespace)
    assert not differing, differing
