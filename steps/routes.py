"""All ways to a version that the proxies' routes hold: what no sample can exhaust (U5, C3, F1)."""

from __future__ import annotations

from pytest_bdd import parsers, then, when

from meshproof.cluster.objects import live_objects
from meshproof.mesh.loaded import GATEWAY
from meshproof.mesh.routes import Way, routes_loaded, subsets_of, ways_to
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial
from meshproof.wording import number


def read_ways(tutorial: Tutorial, evidence: Evidence, service: str, *, gateway: bool) -> list[Way]:
    """Read every way to a Service in the routes of the gateway, or of the sidecars."""
    proxies = [each for each in tutorial.proxies() if (each[0] == GATEWAY) is gateway]
    host = f"{service}.{tutorial.namespace}.svc.cluster.local"
    ways = ways_to(host, routes_loaded(tutorial.cluster, proxies))
    evidence.text(f"ways to {service}", "".join(f"{way}\n" for way in ways))
    assert ways, f"{number(len(proxies), 'proxy', 'proxies')} have no route to {service}"
    return ways


def other_than(tutorial: Tutorial, ways: list[Way], service: str, version: str) -> list[Way]:
    """The ways that lead, or may lead, to another version of a Service than this one."""
    live = live_objects(tutorial.cluster, tutorial.namespace)
    rules = [manifest for (kind, _), manifest in live.items() if kind == "DestinationRule"]
    alone = subsets_of(rules, service, version)
    return [way for way in ways if way.subset not in alone]


@when(
    parsers.parse('the routes to "{service}" that the ingress gateway has loaded are read'),
    target_fixture="ways",
)
def gateways_routes_are_read(tutorial: Tutorial, evidence: Evidence, service: str) -> list[Way]:
    """Every way by which users come to a Service."""
    return read_ways(tutorial, evidence, service, gateway=True)


@when(
    parsers.parse('the routes to "{service}" that the sidecars have loaded are read'),
    target_fixture="ways",
)
def sidecars_routes_are_read(tutorial: Tutorial, evidence: Evidence, service: str) -> list[Way]:
    """Every way by which workloads come to a Service."""
    return read_ways(tutorial, evidence, service, gateway=False)


@then(
    parsers.parse(
        'just one route to "{service}" leads to another version than "{version}", and asks for the '
        'header "{header}" alone'
    )
)
def one_route_leads_elsewhere(
    tutorial: Tutorial, ways: list[Way], evidence: Evidence, service: str, version: str, header: str
) -> None:
    """No path, host, method or query is a second way to what a header is for."""
    others = other_than(tutorial, ways, service, version)
    evidence.result(
        f"{len(others)} of {number(len(ways), 'route')} to {service} lead elsewhere than to "
        f"{version}: {'; '.join(map(str, others)) or 'none'}."
    )
    assert [way.asks for way in others] == [(f"header {header}",)], "; ".join(map(str, others))


@then(parsers.parse('every route to "{service}" leads to version "{version}"'))
def every_route_leads_to(
    tutorial: Tutorial, ways: list[Way], evidence: Evidence, service: str, version: str
) -> None:
    """No path, host, method, query or header is a way to another version."""
    others = other_than(tutorial, ways, service, version)
    evidence.result(
        f"{len(others)} of {number(len(ways), 'route')} to {service} lead elsewhere than to "
        f"{version}."
    )
    assert not others, f"{len(others)} of {len(ways)} lead elsewhere: {'; '.join(map(str, others))}"


@then(parsers.parse('every route of "{workload}" to "{service}" leads to version "{version}"'))
def every_route_of_a_workload_leads_to(
    tutorial: Tutorial,
    ways: list[Way],
    evidence: Evidence,
    workload: str,
    service: str,
    version: str,
) -> None:
    """No path, host, method, query or header is a way to the other stack."""
    pods = {pod.name for pod in tutorial.pods() if pod.workload == workload}
    own = [way for way in ways if way.proxy in pods]
    others = other_than(tutorial, own, service, version)
    evidence.result(
        f"{len(others)} of {number(len(own), 'route')} of {workload} to {service} lead elsewhere "
        f"than to {version}."
    )
    assert own, f"no route of {workload} to {service}"
    assert not others, f"{len(others)} of {len(own)} lead elsewhere: {'; '.join(map(str, others))}"
