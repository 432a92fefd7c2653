"""The routes that proxies have loaded: all ways to a version, which no sample can exhaust."""

from __future__ import annotations

from pytest_bdd import parsers, then, when

from meshproof.probes.loaded_routes import (
    LoadedRoutes,
    all_by_header,
    none_elsewhere,
    one_elsewhere,
    read_routes,
)
from meshproof.probes.loaded_versions import Known, named_and_loaded
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial


@when(parsers.parse('the routes to "{service}" are read from {proxies}'), target_fixture="loaded")
def routes_are_read(
    tutorial: Tutorial, evidence: Evidence, service: str, proxies: str
) -> LoadedRoutes:
    """Read every way to a Service that the ingress gateway or sidecars have loaded."""
    return read_routes(tutorial, evidence.require, service, proxies)


@then(
    parsers.parse(
        'each proxy has one route to "{service}" not to "{version}", which matches "{header}" alone'
    )
)
def one_route_leads_elsewhere(
    tutorial: Tutorial,
    loaded: LoadedRoutes,
    evidence: Evidence,
    service: str,
    version: str,
    header: str,
) -> None:
    """No path, host, method or query is a second way to what a header is for."""
    seen = evidence.tell(one_elsewhere(tutorial, loaded, service, version, header))
    assert not seen.problem, seen.problem


@then(
    parsers.parse(
        'each proxy has routes to "{service}" not to "{version}", and these match "{header}" alone'
    )
)
def all_that_lead_elsewhere_ask_for_a_header(
    tutorial: Tutorial,
    loaded: LoadedRoutes,
    evidence: Evidence,
    service: str,
    version: str,
    header: str,
) -> None:
    """Whichever of a sidecar's route configurations is asked, only the header leads elsewhere."""
    seen = evidence.tell(all_by_header(tutorial, loaded, service, version, header))
    assert not seen.problem, seen.problem


@then(parsers.parse('every route to "{service}" leads to version "{version}"'))
def every_route_leads_to(
    tutorial: Tutorial, loaded: LoadedRoutes, evidence: Evidence, service: str, version: str
) -> None:
    """No path, host, method, query or header is a way to another version."""
    seen = evidence.tell(none_elsewhere(tutorial, loaded, service, version))
    assert not seen.problem, seen.problem


@when(
    "the versions in routing rules and in the proxies' configuration are read",
    target_fixture="known",
)
def versions_are_read(tutorial: Tutorial, evidence: Evidence) -> Known:
    """Read DestinationRules and VirtualServices, and clusters and routes of every proxy."""
    known = named_and_loaded(tutorial)
    evidence.tell(known.told())
    return known


@then("DestinationRules and VirtualServices refer to exactly these versions")
def rules_refer_to_versions(known: Known, datatable: list[list[str]]) -> None:
    """There are just these rules, and each names these versions and no other."""
    wrong = known.rules_unlike(datatable[1:])
    assert not wrong, wrong


@then(parsers.parse('every proxy has clusters or routes for exactly the versions "{versions}"'))
def every_proxy_has_loaded(known: Known, versions: str) -> None:
    """Every proxy, the ingress gateway's among them, has loaded these versions and no other."""
    wrong = known.proxies_unlike(versions)
    assert not wrong, wrong
