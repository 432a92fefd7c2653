from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from meshproof.errors import EnvironmentBroken, UsageFailure
from meshproof.tls.hosts import (
    Host,
    Pod,
    Server,
    choose_client,
    find_service,
    front_pods,
    gateways_to,
    named_client,
    parse_client,
    parse_host,
    ports_of,
    read_pod,
    servers_of,
)

Json = dict[str, Any]
HOST = Host("voting-storage", "voting")


def pod(name: str, *, proxied: bool = True, ready: bool = True, **labels: str) -> Pod:
    return Pod(name, "voting", labels, {}, frozenset({"10.0.0.1"}), proxied, ready)


def port(number: int, name: str = "redis", **fields: Any) -> Json:
    return {"port": number, "name": name, **fields}


def service(name: str, *ports: Json) -> Json:
    return {"metadata": {"name": name, "namespace": "voting"}, "spec": {"ports": list(ports)}}


def endpoint(name: str, *, ready: bool | None = True, kind: str = "Pod") -> Json:
    conditions = {} if ready is None else {"ready": ready}
    target = {"kind": kind, "name": name}
    return {"addresses": ["10.0.0.1"], "conditions": conditions, "targetRef": target}


def part(*endpoints: Json, of: str = "voting-storage", **ports: int) -> Json:
    labels = {"kubernetes.io/service-name": of}
    listed = [{"name": name, "port": number} for name, number in ports.items()]
    return {"metadata": {"labels": labels}, "ports": listed, "endpoints": list(endpoints)}


@pytest.mark.parametrize(
    ("typed", "host"),
    [
        ("voting-storage", HOST),
        ("voting-storage.voting", HOST),
        ("voting-storage.voting.svc", HOST),
        ("voting-storage.voting.svc.cluster.local", HOST),
        ("voting-storage.voting.svc.cluster.local.", HOST),
        ("voting-storage.", HOST),
        ("istiod.istio-system", Host("istiod", "istio-system")),
        ("voting-storage:6379", Host("voting-storage", "voting", 6379)),
        ("voting-storage.voting.svc.cluster.local:1", Host("voting-storage", "voting", 1)),
    ],
)
def test_a_host_is_short_or_in_full(typed: str, host: Host) -> None:
    assert parse_host(typed, "voting") == host
    assert str(HOST) == "voting-storage.voting.svc.cluster.local"


@pytest.mark.parametrize("typed", ["", ":80", "a..svc", "a.b.c", "a.b.svc.example.com", "."])
def test_what_is_no_service_of_the_mesh_says_what_to_type(typed: str) -> None:
    with pytest.raises(UsageFailure, match=r"is not the host of a Service: type NAME, "):
        parse_host(typed, "voting")


@pytest.mark.parametrize("typed", ["a:", "a:http", "a:-1", "a:²", "a:1:2"])
def test_a_port_is_a_number(typed: str) -> None:
    with pytest.raises(UsageFailure, match="is not a port number"):
        parse_host(typed, "voting")


def test_an_unknown_service_names_those_that_there_are() -> None:
    services = [service("voting-storage"), service("voting-app")]
    assert find_service(HOST, services) is services[0]
    with pytest.raises(UsageFailure) as caught:
        find_service(Host("nonsense", "voting"), services)
    assert str(caught.value) == (
        "There is no Service “nonsense” in namespace voting; there are: voting-app, voting-storage."
    )
    with pytest.raises(UsageFailure, match="there are: none"):
        find_service(HOST, [])


def test_an_unknown_port_names_those_that_there_are() -> None:
    redis, mysql, dns = port(6379), port(3306, "mysql"), port(53, "dns", protocol="UDP")
    manifest = service("voting-storage", redis, mysql, dns)
    assert ports_of(HOST, manifest) == [redis, mysql]
    assert ports_of(Host("voting-storage", "voting", 3306), manifest) == [mysql]
    for number in (80, 53):
        with pytest.raises(UsageFailure, match=f"has no port {number}; it has: 6379, 3306"):
            ports_of(Host("voting-storage", "voting", number), manifest)
    with pytest.raises(UsageFailure, match="has no TCP port; it has: none"):
        ports_of(HOST, service("voting-storage", dns))


def test_servers_are_the_ready_endpoints_with_the_pods_own_port() -> None:
    pods = [pod("b"), pod("a"), pod("late"), pod("other")]
    slices = [
        part(endpoint("b"), endpoint("late", ready=False), redis=16379, mysql=3306),
        part(endpoint("a", ready=None), redis=6379),
        part(endpoint("other"), of="voting-app", redis=1),
        {"metadata": {}, "ports": None, "endpoints": None},
    ]
    found = servers_of(HOST, port(6379), slices, pods)
    assert found == [Server(pods[1], 6379), Server(pods[0], 16379)]


def test_a_port_without_a_name_is_the_services_only_one() -> None:
    nameless = {"metadata": part()["metadata"], "ports": [{"name": "", "port": 8080}]}
    found = servers_of(HOST, {"port": 80}, [nameless | {"endpoints": [endpoint("a")]}], [pod("a")])
    assert found == [Server(pod("a"), 8080)]


@pytest.mark.parametrize(
    "slices", [[], [part(redis=6379)], [part(endpoint("a", ready=False), redis=6379)],
               [part(endpoint("a"), other=1)]]
)  # fmt: skip
def test_a_host_without_servers_is_nothing_to_ask(slices: list[Json]) -> None:
    with pytest.raises(EnvironmentBroken, match="6379 has no ready pod behind it"):
        servers_of(HOST, port(6379), slices, [pod("a")])


@pytest.mark.parametrize("stranger", [endpoint("gone"), endpoint("a", kind="Node")])
def test_an_endpoint_that_is_no_pod_is_not_passed_over(stranger: Json) -> None:
    with pytest.raises(EnvironmentBroken, match=r"is no pod of namespace voting: 10\.0\.0\.1"):
        servers_of(HOST, port(6379), [part(stranger, redis=6379)], [pod("a")])


def gateway(name: str, namespace: str = "voting") -> Json:
    metadata = {"name": name, "namespace": namespace}
    return {"metadata": metadata, "spec": {"selector": {"istio": name}}}


def virtual_service(*gateways: str, host: str = "voting-storage", kind: str = "http") -> Json:
    route = {"route": [{"destination": {"host": host}}, {"destination": {"host": "x"}}]}
    spec: Json = {"gateways": list(gateways), kind: [{"redirect": {}}, route]}
    return {"metadata": {"name": "vs", "namespace": "voting"}, "spec": spec}


@pytest.mark.parametrize(
    ("route", "selectors"),
    [
        (virtual_service("front"), [{"istio": "front"}]),
        (virtual_service("front", kind="tcp"), [{"istio": "front"}]),
        (virtual_service("edge/front"), [{"istio": "front"}]),
        (virtual_service("mesh", "front"), [{"istio": "front"}]),
        (virtual_service("front", host=str(HOST)), [{"istio": "front"}]),
        (virtual_service("front", host="voting-app"), []),
        (virtual_service("mesh"), []),
        (virtual_service("other"), []),
        (virtual_service(), []),
    ],
)
def test_gateways_are_those_that_the_host_is_routed_through(
    route: Json, selectors: list[Json]
) -> None:
    empty = {"metadata": gateway("other")["metadata"]}
    gateways = [gateway("front"), gateway("front", "edge"), empty, empty | {"spec": {}}]
    assert gateways_to(HOST, [empty, route], gateways) == selectors


def test_pods_that_users_reach_are_those_behind_a_gateway() -> None:
    pods = [pod("a", app="front"), pod("b", app="front", version="2"), pod("c", app="back")]
    services = [service("voting-storage"), service("other"), service("bare")]
    for manifest, app in zip(services, ("front", "back", None), strict=True):
        manifest["spec"]["selector"] = {"app": app} if app else None
    routes = [virtual_service("front"), virtual_service("mesh", host="other")]
    found = front_pods("voting", services, pods, routes, [gateway("front")])
    assert found == pods[:2]


def test_the_client_is_a_gateway_else_a_front_else_another_pod_else_a_server() -> None:
    server = pod("storage")

    def chosen(gateways: list[Pod], fronts: list[Pod], pods: list[Pod]) -> str:
        return choose_client(
            HOST, [Server(server, 6379)], gateway_pods=gateways, fronts=fronts, pods=pods
        ).name

    others, fronts = [pod("b"), pod("a"), server], [server, pod("b")]
    assert chosen([pod("gateway")], fronts, others) == "gateway"
    assert chosen([pod("gateway", ready=False)], fronts, others) == "b"
    assert chosen([], [server], others) == "a"
    assert chosen([], [], [pod("a", proxied=False), pod("b", ready=False), server]) == "storage"


def test_where_no_pod_has_a_proxy_a_client_must_be_named() -> None:
    bare = pod("storage", proxied=False)
    with pytest.raises(UsageFailure, match=r"name one with --client NAME\.NAMESPACE\.$"):
        choose_client(HOST, [Server(bare, 6379)], gateway_pods=[], fronts=[], pods=[bare])


def owned(name: str, kind: str = "", owner: str = "") -> Json:
    owners = [{"kind": kind, "name": owner}] if owner else []
    return {"metadata": {"name": name, "ownerReferences": owners}}


def test_a_client_is_named_by_its_deployment_or_its_pod() -> None:
    pods = [
        replace(pod("app-1-b"), replica_set="app-1"),
        replace(pod("app-2-a"), replica_set="app-2"),
        replace(pod("other-1-a"), replica_set="other-1"),
        pod("x"),
    ]
    known = (
        [owned("app"), owned("idle"), owned("other")],
        [
            owned("app-1", "Deployment", "app"),
            owned("app-2", "Deployment", "app"),
            owned("other-1", "Deployment", "other"),
            owned("nobodys"),
        ],
    )
    assert named_client("app", "voting", pods, *known).name == "app-1-b"
    assert named_client("other", "voting", pods, *known).name == "other-1-a"
    assert named_client("x", "voting", pods, *known).name == "x"
    with pytest.raises(UsageFailure, match="neither a Deployment nor a pod “y” in namespace v"):
        named_client("y", "voting", pods, *known)
    with pytest.raises(EnvironmentBroken, match="No pod of “idle” in namespace voting is ready"):
        named_client("idle", "voting", pods, *known)


def test_a_client_without_a_proxy_cannot_be_asked() -> None:
    with pytest.raises(UsageFailure, match=r"^Pod bare\.voting has no proxy"):
        named_client("bare", "voting", [pod("bare", proxied=False)], [], [])


def test_a_client_may_be_of_another_namespace() -> None:
    assert parse_client("app", "voting") == ("app", "voting")
    assert parse_client("app.other", "voting") == ("app", "other")
    for typed in (".", ".x", "a.", "a.b.c"):
        with pytest.raises(UsageFailure, match=r"is not a workload: type NAME or NAME\.NAMESPACE"):
            parse_client(typed, "voting")


@pytest.mark.parametrize(
    ("annotations", "rounds"),
    [
        ({}, False),
        ({"traffic.sidecar.istio.io/excludeInboundPorts": "22, 6379"}, True),
        ({"traffic.sidecar.istio.io/excludeInboundPorts": "63790"}, False),
        ({"traffic.sidecar.istio.io/includeInboundPorts": "*"}, False),
        ({"traffic.sidecar.istio.io/includeInboundPorts": "6379"}, False),
        ({"traffic.sidecar.istio.io/includeInboundPorts": "8080"}, True),
        ({"traffic.sidecar.istio.io/includeInboundPorts": ""}, True),
    ],
)
def test_a_port_may_go_round_the_proxy(annotations: Json, rounds: bool) -> None:
    assert Pod("a", "b", {}, annotations, frozenset(), True, True).goes_round(6379) is rounds


def test_a_pod_is_read_as_the_api_server_has_it() -> None:
    manifest = {
        "metadata": {"name": "a", "namespace": "b", "labels": {"app": "c"}},
        "spec": {
            "containers": [{"name": "app"}],
            "initContainers": [{"name": "istio-proxy", "restartPolicy": "Always"}],
        },
        "status": {
            "phase": "Running",
            "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}],
            "containerStatuses": [{"name": "app", "ready": True, "restartCount": 0}],
            "initContainerStatuses": [{"name": "istio-proxy", "ready": True, "restartCount": 0}],
        },
    }
    addresses = frozenset({"10.0.0.1", "fd00::1"})
    found = read_pod(manifest)
    assert found == Pod("a", "b", {"app": "c"}, {}, addresses, proxied=True, ready=True)
    assert str(found) == "a.b"
    manifest["metadata"] |= owned("", "ReplicaSet", "a-1")["metadata"] | {"name": "a"}
    assert read_pod(manifest).replica_set == "a-1"
    del manifest["status"]
    assert not read_pod(manifest).ready
