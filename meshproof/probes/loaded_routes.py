"""All ways to a version that the proxies' routes hold: what no sample can exhaust."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from meshproof.analysis.observation import Observation, unless
from meshproof.cluster.objects import live_objects
from meshproof.errors import PromiseBroken
from meshproof.mesh.loaded import GATEWAY
from meshproof.mesh.routes import Way, routes_loaded, subsets_of, ways_to
from meshproof.suite.tutorial import Tutorial
from meshproof.wording import listed, number

#: The workload that a feature names in quotes.
WORKLOAD = re.compile(r'"([^"]+)"')


@dataclass(frozen=True)
class LoadedRoutes:
    """The pods whose proxies were asked for their routes to a Service, and every way to it."""

    pods: Sequence[str]
    ways: Sequence[Way]


def read_routes(
    tutorial: Tutorial, require: Callable[[Observation], None], service: str, whose: str
) -> LoadedRoutes:
    """Read every way to a Service in the routes of some proxies.

    ``whose`` is `the ingress gateway`, `all sidecars`, or `the sidecars of "web 1.0"`, say. Raises
    ``PromiseBroken`` where there is no such proxy.
    """
    if found := WORKLOAD.search(whose):
        pods = {pod.name for pod in tutorial.pods() if pod.workload == found[1]}
        proxies = [each for each in tutorial.proxies() if each[2] in pods]
    else:
        gateway = whose == "the ingress gateway"
        proxies = [each for each in tutorial.proxies() if (each[0] == GATEWAY) is gateway]
    if not proxies:
        raise PromiseBroken(f"there is none of {whose}")
    host = f"{service}.{tutorial.namespace}.svc.cluster.local"
    ways = ways_to(host, routes_loaded(tutorial.cluster, proxies))
    none = f"{number(len(proxies), 'proxy', 'proxies')} have no route to {service}"
    lines = "".join(f"{way}\n" for way in ways)
    require(Observation(texts={f"ways to {service}": lines}, problems=unless(ways, none)))
    return LoadedRoutes([pod for _, _, pod in proxies], ways)


def other_than(tutorial: Tutorial, ways: Sequence[Way], service: str, version: str) -> list[Way]:
    """The ways that lead, or may lead, to another version of a Service than this one."""
    live = live_objects(tutorial.cluster, tutorial.namespace)
    rules = [manifest for (kind, _), manifest in live.items() if kind == "DestinationRule"]
    alone = subsets_of(rules, service, version)
    return [way for way in ways if way.subset not in alone]


def one_elsewhere(
    tutorial: Tutorial, loaded: LoadedRoutes, service: str, version: str, header: str
) -> Observation:
    """Hold each proxy's ways elsewhere than to a version against one by a header alone."""
    ways, others = loaded.ways, other_than(tutorial, loaded.ways, service, version)
    told = "; ".join(map(str, others)) or "none"
    return Observation(
        results=[f"{_counted(others, ways, service, version)}: {told}."],
        problems=unless(each_by_header(others, loaded.pods, header), told),
    )


def each_by_header(ways: Sequence[Way], proxies: Sequence[str], header: str) -> bool:
    """Whether each of these proxies, of which there is one at least, has one way, by a header."""
    return bool(proxies) and sorted((way.proxy, way.asks) for way in ways) == sorted(
        (proxy, (f"header {header}",)) for proxy in proxies
    )


def all_by_header(
    tutorial: Tutorial, loaded: LoadedRoutes, service: str, version: str, header: str
) -> Observation:
    """Hold the ways elsewhere than to a version against asking for a header alone.

    Each proxy must have some: a sidecar has one in each of its route configurations.
    """
    ways, others = loaded.ways, other_than(tutorial, loaded.ways, service, version)
    return Observation(
        results=[f"{_counted(others, ways, service, version)}, by header {header}."],
        problems=amiss(others, loaded.pods, header),
    )


def amiss(others: Sequence[Way], proxies: Sequence[str], header: str) -> list[str]:
    """Say which ways ask for anything but a header alone, and which proxies have none."""
    wrong = [str(way) for way in others if way.asks != (f"header {header}",)]
    without = sorted({*proxies} - {way.proxy for way in others})
    return [
        *unless(not wrong, f"{len(wrong)} ask for something else: {'; '.join(wrong)}"),
        *unless(not without, f"without a route elsewhere: {listed(without)}"),
    ]


def none_elsewhere(
    tutorial: Tutorial, loaded: LoadedRoutes, service: str, version: str
) -> Observation:
    """Hold the ways to a Service against leading to a version."""
    ways, others = loaded.ways, other_than(tutorial, loaded.ways, service, version)
    told = "; ".join(map(str, others))
    return Observation(
        results=[f"{_counted(others, ways, service, version)}."],
        problems=unless(not others, f"{len(others)} of {len(ways)} lead elsewhere: {told}"),
    )


def _counted(others: Sequence[Way], ways: Sequence[Way], service: str, version: str) -> str:
    return (
        f"{len(others)} of {number(len(ways), 'route')} to {service} lead elsewhere than to "
        f"{version}"
    )
