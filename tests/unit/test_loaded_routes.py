from __future__ import annotations

import pytest

from meshproof.mesh.routes import Way
from meshproof.probes.loaded_routes import amiss, each_by_header


def way(proxy: str, *asks: str) -> Way:
    return Way(proxy, ("*",), asks, "v2-0")


ONE, OTHER = way("gateway-1", "header cookie"), way("gateway-2", "header cookie")


@pytest.mark.parametrize(
    ("ways", "proxies", "so"),
    [
        ([ONE], ["gateway-1"], True),
        ([OTHER, ONE], ["gateway-1", "gateway-2"], True),
        ([ONE], ["gateway-1", "gateway-2"], False),
        ([ONE, ONE], ["gateway-1"], False),
        ([ONE, ONE], ["gateway-1", "gateway-2"], False),
        ([ONE, OTHER], ["gateway-1"], False),
        ([ONE, way("gateway-1", "prefix /beta")], ["gateway-1"], False),
        ([way("gateway-1", "header cookie", "prefix /beta")], ["gateway-1"], False),
        ([way("gateway-1")], ["gateway-1"], False),
        ([], ["gateway-1"], False),
        ([], [], False),
    ],
)
def test_each_gateway_pod_has_one_way_by_the_header_alone(
    ways: list[Way], proxies: list[str], so: bool
) -> None:
    assert each_by_header(ways, proxies, "cookie") is so


HEADER = ("header end-user",)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        # Each route configuration of a sidecar has a route of its own.
        ([("a", HEADER), ("a", HEADER), ("b", HEADER)], []),
        ([("a", HEADER)], ["without a route elsewhere: b"]),
        ([], ["without a route elsewhere: a and b"]),
        (
            [("a", HEADER), ("b", ())],
            ["1 ask for something else: b, host *: what has anything goes to subset v2"],
        ),
        (
            [("a", HEADER), ("b", HEADER), ("b", (*HEADER, "prefix /beta"))],
            [
                "1 ask for something else: b, host *: what has header end-user and prefix /beta "
                "goes to subset v2"
            ],
        ),
    ],
)
def test_all_routes_elsewhere_ask_for_a_header_alone(
    asked: list[tuple[str, tuple[str, ...]]], said: list[str]
) -> None:
    others = [Way(proxy, ("*",), asks, "v2") for proxy, asks in asked]
    assert amiss(others, ["a", "b"], "end-user") == said
