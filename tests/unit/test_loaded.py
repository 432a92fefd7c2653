from __future__ import annotations

from typing import Any

import pytest

from meshproof.mesh.loaded import (
    Loaded,
    awaited,
    change,
    in_force,
    not_loaded,
    with_endpoints,
    without_endpoint,
)

CLUSTER = "outbound|8080|v1-1|voting-analytics.voting.svc.cluster.local"
RULE: dict[str, Any] = {
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


@pytest.mark.parametrize(
    "extra", [{"mirror": DESTINATION}, {"mirrors": [{"destination": DESTINATION}]}]
)
def test_a_copy_is_loaded_where_one_goes_to_the_subset_and_is_no_route(
    extra: dict[str, Any],
) -> None:
    other = {"host": "voting-analytics", "subset": "v1-0", "port": {"number": 8080}}
    http = {"route": [{"destination": other}], **extra}
    _, mirrored = awaited({**ROUTE, "spec": {"http": [http]}})
    (route,) = awaited(ROUTE)
    copied = f'"cluster": "{CLUSTER}",\n  "runtime_fraction": {{}}'
    assert mirrored.holds(copied, "voting")
    assert not route.holds(copied, "voting")
    assert route.holds(f'"cluster": "{CLUSTER}", "timeout": "0s"', "voting")
    assert not mirrored.holds(f'"cluster": "{CLUSTER}", "timeout": "0s"', "voting")


def test_copies_for_a_whole_service_must_be_gone_once_nothing_asks_for_them() -> None:
    whole = {"host": "voting-analytics", "port": {"number": 8080}}
    http = {"route": [{"destination": DESTINATION}]}
    before = {**ROUTE, "spec": {"http": [{**http, "mirror": whole}]}}
    (dropped,) = change([before], [ROUTE])
    assert dropped.gone
    assert dropped.pattern.endswith('"runtime_fraction"')


def with_fault(**fault: Any) -> dict[str, Any]:
    return {**ROUTE, "spec": {"http": [{"fault": fault, "route": [{"destination": DESTINATION}]}]}}


def dump_with(fault: str, of: str = CLUSTER) -> str:
    """Two routes, of which the second has a fault, as Envoy tells of them."""
    config = f'"typed_per_filter_config": {{"envoy.filters.http.fault": {{{fault}}}}}'
    first = f'{{"match": {{"prefix": "/"}}, "route": {{"cluster": "{CLUSTER}"}}}}'
    return f'{first}, {{"match": {{"prefix": "/"}}, "route": {{"cluster": "{of}"}}, {config}}}'


DELAY = '"delay": {"fixed_delay": "7s", "percentage": {}}'
ABORT = '"abort": {"http_status": 500, "percentage": {}}'


@pytest.mark.parametrize(
    ("fault", "has", "lacks"),
    [
        ({"delay": {"fixedDelay": "7s"}}, DELAY, [ABORT, DELAY.replace("7s", "2s")]),
        ({"abort": {"httpStatus": 500}}, ABORT, [DELAY, ABORT.replace("500", "503")]),
        ({"delay": {"fixedDelay": "100ms"}}, DELAY.replace("7s", "0.100s"), [ABORT]),
    ],
)
def test_a_fault_is_loaded_where_the_route_to_the_subset_has_it(
    fault: dict[str, Any], has: str, lacks: list[str]
) -> None:
    _, injected = awaited(with_fault(**fault))
    assert injected.holds(dump_with(has), "voting")
    assert not any(injected.holds(dump_with(other), "voting") for other in lacks)
    assert not injected.holds(dump_with(has, of=CLUSTER.replace("voting.svc", "b.svc")), "voting")


def test_a_fault_that_another_takes_the_place_of_is_awaited_to_go() -> None:
    delayed, aborted = (
        with_fault(**fault)
        for fault in ({"delay": {"fixedDelay": "7s"}}, {"abort": {"httpStatus": 500}})
    )
    came, went = change([delayed], [aborted])
    assert came.holds(dump_with(ABORT), "voting") and not came.gone
    assert went.gone and not went.holds(dump_with(DELAY), "voting")
    assert went.holds(dump_with(ABORT), "voting")


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
    routes = {"route_config": {"name": "here"}, "error_state": {"failed_configuration": "lost"}}
    text = in_force(
        {"configs": [listener | {"error_state": {"failed_configuration": "refused"}}]},
        {"configs": [routes]},
        {"cluster_statuses": [{"name": CLUSTER}]},
    )
    assert "new" in text and "here" in text and f"{CLUSTER}::warm" in text
    assert not any(word in text for word in ("old", "next", "refused", "lost"))
    assert "draining_state" in listener


def test_where_a_proxy_sends_to_is_in_force() -> None:
    def host(address: str) -> dict[str, Any]:
        return {"address": {"socket_address": {"address": address, "port_value": 8080}}}

    pipe = {"address": {"pipe": {"path": "./etc/istio/proxy/XDS"}}}
    clusters = [
        {"name": CLUSTER, "host_statuses": [host("10.0.0.7"), pipe]},
        {"name": "inbound|8080||", "host_statuses": [host("10.0.0.8")]},
    ]
    # Envoy says nothing at all where it has no routes.
    text = in_force({"configs": [{}]}, {}, {"cluster_statuses": clusters})
    assert not without_endpoint("10.0.0.7").holds(text, "voting")
    for elsewhere in ("10.0.0.70", "0.0.0.7", "10.0.0.8", "10.0.0.9"):
        assert without_endpoint(elsewhere).holds(text, "voting")


def test_a_service_leads_to_its_pods_once_a_proxy_has_a_way_and_their_addresses() -> None:
    cluster = "outbound|6379||probe-1.voting.svc.cluster.local"
    way, first, second = with_endpoints("probe-1", 6379, ["10.0.0.7", "10.0.0.8"])
    text = f'{{"cluster": "{cluster}"}}\n{cluster}::warm\n{cluster}::10.0.0.7'
    assert way.holds(text, "voting") and first.holds(text, "voting")
    assert not second.holds(text, "voting")
    assert not way.holds(f"{cluster}::warm", "voting")
    assert not first.holds(text, "elsewhere")


def test_what_is_undone_must_be_gone_or_come_back() -> None:
    subset, route, policy, plain = change([RULE, ROUTE, POLICY, strict()], [])
    assert not subset.holds(f"{CLUSTER}::warm", "voting") and subset.holds("", "voting")
    assert not route.holds(f'"cluster": "{CLUSTER}"', "voting") and route.holds("", "voting")
    assert route.where == ("sidecars",)
    assert not policy.holds("ns[voting]-policy[voting-analytics-1-0]-rule[0]", "voting")
    assert policy.holds("", "voting") and policy.where == ("voting-analytics-1.0",)
    assert plain.holds(PLAIN, "voting") and not plain.holds("", "voting")


def test_what_is_kept_is_not_change() -> None:
    assert change([RULE, ROUTE], [RULE, ROUTE]) == []
    other = {**RULE, "spec": {**RULE["spec"], "subsets": [{"name": "v1-1"}, {"name": "v1-0"}]}}
    (gone,) = change([other], [RULE])
    assert gone.pattern == awaited(other)[1].pattern


def test_only_what_changes_is_awaited() -> None:
    other = {**RULE, "spec": {**RULE["spec"], "subsets": [{"name": "v1-1"}, {"name": "v2-0"}]}}
    (came,) = change([RULE, ROUTE], [other, ROUTE])
    assert came.pattern == awaited(other)[1].pattern and not came.gone


def by_source(version: str, subset: str, port: int = 3306) -> dict[str, Any]:
    to = {"host": "voting-storage", "subset": subset, "port": {"number": port}}
    match = {"port": port, "sourceLabels": {"app": "voting-app", "version": version}}
    return {"match": [match], "route": [{"destination": to}]}


def for_the_rest(subset: str, port: int = 3306) -> dict[str, Any]:
    return {**by_source("", subset, port), "match": [{"port": port}]}


def storage(*routes: dict[str, Any]) -> dict[str, Any]:
    return {
        "kind": "VirtualService",
        "metadata": {"name": "voting-storage"},
        "spec": {"hosts": ["voting-storage"], "tcp": list(routes)},
    }


def service(*ports: int) -> dict[str, Any]:
    return {
        "kind": "Service",
        "metadata": {"name": "voting-storage"},
        "spec": {"ports": [{"port": port} for port in ports]},
    }


def test_a_route_by_source_is_awaited_at_that_workload_and_the_rest_at_the_others() -> None:
    mine, rest = awaited(storage(by_source("2.0", "v2-0"), for_the_rest("v1-0")))
    assert mine.concerns("voting-app-2.0") and not mine.concerns("voting-app-1.0")
    assert rest.concerns("voting-app-1.0") and not rest.concerns("voting-app-2.0")
    assert not mine.concerns("gateway") and not rest.concerns("gateway")


def test_another_port_is_another_matter() -> None:
    _, rest = awaited(storage(by_source("2.0", "v2-0"), for_the_rest("v1-0", 6379)))
    assert rest.concerns("voting-app-2.0")


def test_a_route_to_a_port_that_the_service_lacks_is_awaited_once_it_has_it() -> None:
    routes = storage(by_source("2.0", "v2-0"))
    assert [entry.pattern for entry in change([service(6379)], [service(6379), routes])] == []
    came = change([service(6379), routes], [service(6379, 3306), routes])
    assert [entry.where for entry in came] == [("sidecars",), ("voting-app-2.0",)]
    assert came[0].holds("outbound|3306||voting-storage.voting.svc.cluster.local::warm", "voting")


def test_a_port_that_goes_may_stay() -> None:
    assert change([service(6379, 3306)], [service(3306)]) == []


def test_a_route_that_narrows_to_one_source_is_not_awaited_to_go_there() -> None:
    everyone, narrowed = storage(for_the_rest("v1-0")), storage(by_source("1.0", "v1-0"))
    assert not any(entry.gone for entry in change([everyone], [narrowed]))
    assert not any(entry.gone for entry in change([narrowed], [everyone]))
    other = storage(by_source("1.0", "v1-0"), for_the_rest("v2-0"))
    (gone,) = (
        entry for entry in change([other], [storage(by_source("1.0", "v1-0"))]) if entry.gone
    )
    assert gone.without == ("voting-app-1.0",)


def test_a_sidecar_goes_on_sending_to_a_whole_service_without_a_route_to_it() -> None:
    to = {"host": "voting-analytics", "port": {"number": 8080}}
    plain = {**ROUTE, "spec": {"http": [{"route": [{"destination": to}]}]}}
    assert len(awaited(plain)) == 1
    assert change([plain], []) == []
    (by_the_gateway,) = change([{**plain, "spec": {**plain["spec"], "gateways": ["a"]}}], [])
    assert by_the_gateway.gone


@pytest.mark.parametrize(
    "document",
    [
        {"kind": "VirtualService", "spec": {"http": [{"redirect": {"uri": "/"}}]}},
        {"kind": "VirtualService", "spec": {"http": [{"route": [{"destination": {"host": "a"}}]}]}},
        {"kind": "PeerAuthentication"},
        {"kind": "AuthorizationPolicy", "spec": {"selector": {"matchLabels": {"app": "a"}}}},
        {"kind": "AuthorizationPolicy"},
    ],
    ids=str,
)
def test_objects_that_are_none_of_the_tutorials_can_be_undone(document: dict[str, Any]) -> None:
    change([{**document, "metadata": {"name": "a"}}], [])


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


def test_strict_is_not_awaited_where_a_port_is_exempt_from_it() -> None:
    labels = {"app": "voting-storage", "version": "1.0"}
    exempt = {
        "kind": "PeerAuthentication",
        "metadata": {"name": "voting-storage"},
        "spec": {
            "selector": {"matchLabels": labels},
            "portLevelMtls": {"6379": {"mode": "PERMISSIVE"}},
        },
    }
    everyone, port = change([strict("PERMISSIVE")], [strict("STRICT"), exempt])
    assert everyone.gone and everyone.concerns("voting-app-1.0")
    assert not everyone.concerns("voting-storage-1.0") and port.concerns("voting-storage-1.0")
    # It is awaited there again once nothing is exempt, and nothing is undone for the exemption.
    (everywhere,) = change([strict("STRICT"), exempt], [strict("STRICT")])
    assert everywhere.gone and everywhere.concerns("voting-storage-1.0")
    assert change([strict("STRICT")], [strict("STRICT"), exempt])[1:] == [port]


@pytest.mark.parametrize(("mode", "named"), [("DISABLE", False), ("STRICT", True), (None, True)])
def test_strict_is_not_awaited_of_a_workload_that_has_a_mode_of_its_own(
    mode: str | None, named: bool
) -> None:
    spec = {
        "selector": {"matchLabels": {"app": "voting-storage", "version": "2.0"}},
        "mtls": {"mode": mode} if mode else {},
    }
    own = {"kind": "PeerAuthentication", "metadata": {"name": "voting-storage"}, "spec": spec}
    port = {**own, "spec": {**spec, "portLevelMtls": {3306: {"mode": "PERMISSIVE"}}}}
    everyone = change([strict("PERMISSIVE")], [strict("STRICT"), own])[0]
    assert everyone.gone and everyone.concerns("voting-app-1.0")
    assert everyone.concerns("voting-storage-2.0") is named
    # Nor once its own mode is in the place of an exemption of one port.
    after = change([strict("STRICT"), port], [strict("STRICT"), own])
    assert any(entry.concerns("voting-storage-2.0") for entry in after) is named


def test_strict_is_not_awaited_of_any_workload_that_a_mode_of_its_own_is_for() -> None:
    by_app = {
        "kind": "PeerAuthentication",
        "metadata": {"name": "voting-analytics"},
        "spec": {
            "selector": {"matchLabels": {"app": "voting-analytics"}},
            "mtls": {"mode": "DISABLE"},
        },
    }
    deployments = [
        {
            "kind": "Deployment",
            "metadata": {"name": f"{app}-{version}"},
            "spec": {"template": {"metadata": {"labels": {"app": app, "version": version}}}},
        }
        for app, version in [
            ("voting-analytics", "1.0"), ("voting-analytics", "1.1"), ("voting-storage", "1.0"),
        ]
    ]  # fmt: skip
    before = [*deployments, strict("PERMISSIVE")]
    (everyone,) = change(before, [*deployments, strict("STRICT"), by_app])
    assert not everyone.concerns("voting-analytics-1.0")
    assert not everyone.concerns("voting-analytics-1.1")
    assert everyone.concerns("voting-storage-1.0")


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
    assert change([exempt], []) == []  # without a policy the port takes plain text, too
