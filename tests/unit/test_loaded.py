from __future__ import annotations

from meshproof.mesh.loaded import Loaded, not_loaded, route, subset

CLUSTER = "outbound|8080|v1-1|voting-analytics.voting.svc.cluster.local"
HEALTHY = f"{CLUSTER}::10.244.0.9:8080::health_flags::healthy\n"


def test_a_subset_is_loaded_once_it_has_a_healthy_endpoint() -> None:
    wanted = subset(8080, "v1-1", "voting-analytics")
    assert wanted.holds(HEALTHY, "voting")
    assert not wanted.holds(f'"name": "{CLUSTER}"', "voting")
    assert not wanted.holds(HEALTHY.replace("healthy", "/failed_eds_health"), "voting")
    assert not wanted.holds(HEALTHY, "other")
    assert not subset(8080, "v1-0", "voting-analytics").holds(HEALTHY, "voting")


def test_a_route_is_loaded_where_a_route_names_the_subset() -> None:
    wanted = route(8080, "v1-1", "voting-analytics", "voting-app-1.0")
    assert wanted.holds(f'"cluster": "{CLUSTER}"', "voting")
    assert not wanted.holds(HEALTHY, "voting")
    assert wanted.concerns("voting-app-1.0")
    assert not wanted.concerns("gateway")


def test_what_must_be_gone_is_named_until_it_is() -> None:
    gone = Loaded("v1-0", gone=True)
    dumps = {("app", "pod-a"): "has v1-0", ("app", "pod-b"): "has v1-1"}
    assert not_loaded(dumps, [gone], "voting") == ["pod-a: still has v1-0"]


def test_every_proxy_that_lacks_something_is_named() -> None:
    wanted = [Loaded("x"), Loaded("y", ("gateway",))]
    dumps = {("app", "pod-a"): "", ("gateway", "pod-g"): "x"}
    assert not_loaded(dumps, wanted, "voting") == ["pod-a: lacks x", "pod-g: lacks y"]
