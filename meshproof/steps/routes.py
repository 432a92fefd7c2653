"""The routes that proxies have loaded: all ways to a version, which no sample can exhaust."""

from __future__ import annotations

from pytest_bdd import parsers, then, when

from meshproof.mesh.routes import Way
from meshproof.probes.loaded_routes import none_elsewhere, one_elsewhere, read_ways, ways_of
from meshproof.probes.loaded_versions import Known, named_and_loaded
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial


@when(
    parsers.parse('the routes to "{service}" that the ingress gateway has loaded are read'),
    target_fixture="ways",
)
def gateways_routes_are_read(tutorial: Tutorial, evidence: Evidence, service: str) -> list[Way]:
    """Read every way by which users come to a Service."""
    return read_ways(tutorial, evidence.require, service, gateway=True)


@when(
    parsers.parse('the routes to "{service}" that the sidecars have loaded are read'),
    target_fixture="ways",
)
def sidecars_routes_are_read(tutorial: Tutorial, evidence: Evidence, service: str) -> list[Way]:
    """Read every way by which workloads come to a Service."""
    return read_ways(tutorial, evidence.require, service, gateway=False)


@then(
    parsers.parse(
        'exactly one route to "{service}" is not to "{version}", and matches header "{header}" only'
    )
)
def one_route_leads_elsewhere(
    tutorial: Tutorial, ways: list[Way], evidence: Evidence, service: str, version: str, header: str
) -> None:
    """No path, host, method or query is a second way to what a header is for."""
    seen = evidence.tell(one_elsewhere(tutorial, ways, service, version, header))
    assert not seen.problem, seen.problem


@then(parsers.parse('every route to "{service}" leads to version "{version}"'))
def every_route_leads_to(
    tutorial: Tutorial, ways: list[Way], evidence: Evidence, service: str, version: str
) -> None:
    """No path, host, method, query or header is a way to another version."""
    seen = evidence.tell(none_elsewhere(tutorial, ways, service, version))
    assert not seen.problem, seen.problem


@then(parsers.parse('every route of "{workload}" to "{service}" leads to version "{version}"'))
def every_route_of_a_workload_leads_to(
    tutorial: Tutorial, ways: list[Way], evidence: Evidence, workload: str, service: str,
    version: str,
) -> None:  # fmt: skip
    """No path, host, method, query or header is a way of a workload's to another version."""
    seen = evidence.tell(
        none_elsewhere(tutorial, ways_of(tutorial, ways, workload), service, version)
    )
    assert not seen.problem, seen.problem


@when(
    "the versions that routing rules name and that proxies have loaded are read",
    target_fixture="known",
)
def versions_are_read(tutorial: Tutorial, evidence: Evidence) -> Known:
    """Read DestinationRules and VirtualServices, and clusters and routes of every proxy."""
    known = named_and_loaded(tutorial)
    evidence.tell(known.told())
    return known


@then(
    parsers.parse(
        'each of {count:d} DestinationRules and VirtualServices names "{version}" and an older one'
    )
)
def every_rule_names_both(known: Known, count: int, version: str) -> None:
    """Every rule names the new version beside an old one: the baseline."""
    wrong = known.rules_without_both(count, version)
    assert not wrong, wrong


@then(parsers.parse('every proxy has clusters or routes for "{version}" and for an older version'))
def every_proxy_has_loaded_both(known: Known, version: str) -> None:
    """Every proxy has loaded the new version beside an old one: the baseline."""
    wrong = known.proxies_without_both(version)
    assert not wrong, wrong


@then(
    parsers.parse('each of {count:d} DestinationRules and VirtualServices names "{version}" alone')
)
def every_rule_names_only(known: Known, count: int, version: str) -> None:
    """No rule names an old version any more."""
    wrong = known.rules_with_others(count, version)
    assert not wrong, wrong


@then(parsers.parse('every proxy has clusters or routes for "{version}" and for no other version'))
def every_proxy_has_loaded_only(known: Known, version: str) -> None:
    """No proxy, the ingress gateway's among them, has loaded an old version any more."""
    wrong = known.proxies_with_others(version)
    assert not wrong, wrong
