from __future__ import annotations

import pytest

from meshproof.mesh.routes import Way
from meshproof.probes.loaded_routes import each_by_header


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
