from __future__ import annotations

from typing import Any

from meshproof.mesh.loaded import Loaded, awaited, in_force, not_loaded

CLUSTER = "outbound|8080|v1-1|voting-analytics.voting.svc.cluster.local"
RULE = {
    "kind": "DestinationRule",
    "metadata": {"name": "voting-analytics"},
    "spec": {"host": "voting-analytics", "subsets": [{"name": "v1-1"}]},
}
DESTINATION = {"host": "voting-analytics", "subset": "v1-1", "port": {"number": 8080}}
ROUTE: dict[str, Any] = {
    "kind": "VirtualService",
    "metadata": {"name": "voting-analytics"},
    "spec": {"http": [{"route": [{"destination": DESTINATION}]}]},
}
POLICY = {
    "kind": "AuthorizationPolicy",
    "metadata": {"name": "voting-analytics-1-0"},
    "spec": {"selector": {"matchLabels": {"app": "voting-analytics", "version": "1.0"}}},
}
PLAIN = '"destination_port": 8080,\n  "transport_protocol": "raw_buffer"'


def strict(mode: str = "STRICT") -> dict[str, Any]:
    return {"kind": "PeerAuthentication", "metadata": {}, "spec": {"mtls": {"mode": mode}}}


def test_a_subset_is_loaded_once_the_proxy_lists_its_cluster_as_warm() -> None:
    (wanted,) = awaited(RULE)
    assert wanted.holds(f"{CLUSTER}::warm", "voting")
    assert not wanted.holds(f'"name": "{CLUSTER}"', "voting")
    assert not wanted.holds(f"{CLUSTER}::warm", "other")
    assert wanted.concerns("gateway") and wanted.concerns("voting-app-1.0")


def test_a_route_is_loaded_where_one_names_the_subset_alone_or_by_weight() -> None:
    (wanted,) = awaited(ROUTE)
    assert wanted.holds(f'"cluster": "{CLUSTER}"', "voting")
    assert wanted.holds(f'"name": "{CLUSTER}",\n   "weight": 99', "voting")
    assert not wanted.holds(f'"name": "{CLUSTER}",\n   "type": "EDS"', "voting")
    assert wanted.concerns("voting-app-1.0")
    assert not wanted.concerns("gateway")


def test_the_route_of_a_gateway_concerns_the_gateway_alone() -> None:
    service = {**ROUTE, "spec": {**ROUTE["spec"], "gateways": ["voting-app-gateway"]}}
    (wanted,) = awaited(service)
    assert wanted.concerns("gateway")
    assert not wanted.concerns("voting-app-1.0")


def test_strict_is_in_force_once_no_port_takes_plain_text() -> None:
    (wanted,) = awaited(strict())
    assert not wanted.holds(PLAIN, "voting")
    assert wanted.holds('"transport_protocol": "raw_buffer"', "voting")
    assert awaited(strict("PERMISSIVE")) == []


def test_a_policy_is_awaited_at_the_workload_that_it_selects() -> None:
    (wanted,) = awaited(POLICY)
    assert wanted.holds("ns[voting]-policy[voting-analytics-1-0]-rule[0]", "voting")
    assert not wanted.holds("ns[voting]-policy[voting-analytics-1-1]-rule[0]", "voting")
    assert wanted.concerns("voting-analytics-1.0")
    assert not wanted.concerns("voting-analytics-1.1")


def test_only_what_takes_new_connections_is_in_force() -> None:
    listener = {
        "name": "virtualInbound",
        "active_state": {"chain": "new"},
        "draining_state": {"chain": "old"},
        "warming_state": {"chain": "next"},
    }
    config = {
        "configs": [
            {"dynamic_listeners": [listener]},
            {"dynamic_warming_clusters": [{"name": "cold"}]},
        ]
    }
    text = in_force(config, {"cluster_statuses": [{"name": CLUSTER}]})
    assert "new" in text and f"{CLUSTER}::warm" in text
    assert not any(word in text for word in ("old", "next", "cold"))
    assert "draining_state" in listener


def test_nothing_is_awaited_of_what_proxies_do_not_load() -> None:
    assert awaited({"kind": "Deployment", "metadata": {"name": "x"}, "spec": {}}) == []


def test_what_must_be_gone_is_named_until_it_is() -> None:
    gone = Loaded("v1-0", gone=True)
    dumps = {("app", "pod-a"): "has v1-0", ("app", "pod-b"): "has v1-1"}
    assert not_loaded(dumps, [gone], "voting") == ["pod-a: still has v1-0"]


def test_every_proxy_that_lacks_something_is_named() -> None:
    wanted = [Loaded("x"), Loaded("y", ("gateway",))]
    dumps = {("app", "pod-a"): "", ("gateway", "pod-g"): "x"}
    assert not_loaded(dumps, wanted, "voting") == ["pod-a: lacks x", "pod-g: lacks y"]


def test_plain_text_at_one_port_is_awaited_at_the_workload_that_is_exempt() -> None:
    exempt = {
        "kind": "PeerAuthentication",
        "metadata": {"name": "voting-storage"},
        "spec": {
            "selector": {"matchLabels": {"app": "voting-storage", "version": "1.0"}},
            "portLevelMtls": {6379: {"mode": "PERMISSIVE"}, 3306: {"mode": "STRICT"}},
        },
    }
    (wanted,) = awaited(exempt)
    plain = '"destination_port": 6379,\n "transport_protocol": "raw_buffer"'
    assert wanted.holds(plain, "voting")
    assert not wanted.holds(plain.replace("6379", "3306"), "voting")
    assert wanted.where == ("voting-storage-1.0",)
