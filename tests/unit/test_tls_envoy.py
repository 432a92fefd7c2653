"""What is read from proxies: samples in the shape of Envoy's own `config_dump`."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from meshproof.tls import envoy
from meshproof.tls.envoy import Destination, Outbound
from meshproof.tls.modes import ClientMode, ServerMode

Json = dict[str, Any]
HOST = "voting-storage.voting.svc.cluster.local"
TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3."
MESH_CERTIFICATES = {
    "tls_certificate_sds_secret_configs": [{"name": "default", "sds_config": {}}],
    "combined_validation_context": {"validation_context_sds_secret_config": {"name": "ROOTCA"}},
}
RAW = {"name": "envoy.transport_sockets.raw_buffer", "typed_config": {"@type": "…RawBuffer"}}


def downstream(**changes: Any) -> Json:
    context = {
        "@type": TLS + "DownstreamTlsContext",
        "common_tls_context": MESH_CERTIFICATES,
        "require_client_certificate": True,
    }
    return {"name": "envoy.transport_sockets.tls", "typed_config": context | changes}


def upstream(**common: Any) -> Json:
    context = {"@type": TLS + "UpstreamTlsContext", "common_tls_context": common}
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}


def chain(port: int | None, transport: str, socket: Json | None = None) -> Json:
    match: Json = {"transport_protocol": transport}
    if port is not None:
        match["destination_port"] = port
    return {"filter_chain_match": match, **({"transport_socket": socket} if socket else {})}


def strict(port: int | None) -> list[Json]:
    return [chain(port, "tls", downstream())]


def permissive(port: int | None) -> list[Json]:
    # As for TCP: the mesh's TLS, anyone's TLS passed on, plain text.
    return [*strict(port), chain(port, "tls"), chain(port, "raw_buffer")]


def disable(port: int | None) -> list[Json]:
    return [chain(port, "raw_buffer")]


def inbound(*chains: Json, **state: Any) -> Json:
    listener = {
        "name": "virtualInbound",
        "filter_chains": [{"filter_chain_match": {"destination_port": 15006}}, *chains],
    }
    entry = {"name": "virtualInbound", "active_state": {"listener": listener}, **state}
    return {"configs": [{"name": "virtualOutbound", "active_state": {}}, entry]}


def outbound(name: str = f"outbound|6379||{HOST}", **cluster: Any) -> Json:
    return {"configs": [{"version_info": "1", "cluster": {"name": name, "type": "EDS", **cluster}}]}


def only(dump: Json) -> Outbound:
    (cluster,) = envoy.loaded_clusters(dump).values()
    return envoy.outbound(cluster)


def mode_of(dump: Json, port: int) -> ServerMode:
    return envoy.server_mode(envoy.loaded_listeners(dump), port)


@pytest.mark.parametrize(
    ("chains", "mode"),
    [
        (strict(6379), ServerMode.STRICT),
        (permissive(6379), ServerMode.PERMISSIVE),
        (disable(6379), ServerMode.DISABLE),
    ],
)
def test_the_filter_chains_of_a_port_say_what_it_accepts(
    chains: list[Json], mode: ServerMode
) -> None:
    others = [*permissive(None), *permissive(8080), *disable(3306)]
    assert mode_of(inbound(*others, *chains), 6379) is mode


def test_a_port_without_chains_of_its_own_is_served_by_those_without_a_port() -> None:
    dump = inbound(*strict(None), *disable(8080))
    assert mode_of(dump, 6379) is ServerMode.STRICT
    assert mode_of(dump, 8080) is ServerMode.DISABLE


def test_a_listener_that_was_refused_whole_is_not_there() -> None:
    dump = inbound(*strict(6379))
    dump["configs"].append({"error_state": {"details": "no such filter"}})
    assert set(envoy.loaded_listeners(dump)) == {"virtualInbound"}


@pytest.mark.parametrize(
    "changes",
    [
        {"require_client_certificate": False},
        {"common_tls_context": {"tls_certificate_sds_secret_configs": [{"name": "file-cert:/a"}]}},
    ],
)
def test_a_port_with_tls_of_its_own_is_not_taken_for_the_meshs(changes: Json) -> None:
    with pytest.raises(ValueError, match="port 6379 has TLS of its own"):
        mode_of(inbound(chain(6379, "tls", downstream(**changes))), 6379)


@pytest.mark.parametrize(
    ("dump", "reason"),
    [
        ({}, "no listener virtualInbound"),
        ({"configs": [{"name": "virtualOutbound"}]}, "no listener virtualInbound"),
        (inbound(), "no filter chain for port 6379"),
        ({"configs": [{"name": "virtualInbound", "warming_state": {}}]}, "no listener virtual"),
    ],
)
def test_a_listener_that_is_not_there_or_not_active_is_an_error(dump: Json, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        mode_of(dump, 6379)


@pytest.mark.parametrize(
    ("cluster", "mode"),
    [
        ({}, ClientMode.DISABLE),
        ({"transport_socket": RAW}, ClientMode.DISABLE),
        ({"transport_socket": upstream(**MESH_CERTIFICATES)}, ClientMode.ISTIO_MUTUAL),
        ({"transport_socket": upstream(validation_context={})}, ClientMode.SIMPLE),
        (
            {
                "transport_socket": upstream(
                    tls_certificate_sds_secret_configs=[{"name": "file-cert:/a~/b"}]
                )
            },
            ClientMode.MUTUAL,
        ),
        (
            {"transport_socket": upstream(tls_certificates=[{"certificate_chain": {}}])},
            ClientMode.MUTUAL,
        ),
        (
            {
                "transport_socket_matches": [
                    {
                        "name": "tlsMode-istio",
                        "match": {"tlsMode": "istio"},
                        "transport_socket": upstream(**MESH_CERTIFICATES),
                    },
                    {"name": "tlsMode-disabled", "match": {}, "transport_socket": RAW},
                ]
            },
            ClientMode.NONE,
        ),
    ],
)
def test_the_transport_socket_says_what_a_client_sends(cluster: Json, mode: ClientMode) -> None:
    assert only(outbound(**cluster)).mode is mode


def headed(socket: Json, **config: str) -> Json:
    typed = {"@type": "…ProxyProtocolUpstreamTransport", "config": config}
    return {
        "name": "envoy.transport_sockets.upstream_proxy_protocol",
        "typed_config": typed | {"transport_socket": socket},
    }


def test_a_header_before_what_is_sent_is_told() -> None:
    told = only(outbound(transport_socket=headed(upstream(**MESH_CERTIFICATES))))
    assert (told.mode, told.header) == (ClientMode.ISTIO_MUTUAL, "V1")
    text = only(outbound(transport_socket=headed(RAW, version="V2")))
    assert (text.mode, text.header) == (ClientMode.DISABLE, "V2")
    sockets = [headed(upstream(**MESH_CERTIFICATES)), headed(RAW)]
    matches = [{"name": str(n), "transport_socket": s} for n, s in enumerate(sockets)]
    automatic = only(outbound(transport_socket_matches=matches))
    assert (automatic.mode, automatic.header) == (ClientMode.NONE, "V1")


def test_both_spellings_of_a_field_are_one() -> None:
    shown = {"@type": "a_b.C", "http2_protocol_options": [{"x_1y": {"tlsMode": "snake_case"}}]}
    sent = {"@type": "a_b.C", "http2ProtocolOptions": [{"x1y": {"tlsMode": "snake_case"}}]}
    assert envoy.canonical(shown) == envoy.canonical(sent) == sent


@pytest.mark.parametrize(
    "cluster",
    [
        {"transport_socket_matches": [{"name": "hbone", "transport_socket": RAW}]},
        {"transport_socket": {"name": "envoy.transport_sockets.internal_upstream"}},
    ],
)
def test_a_socket_of_another_kind_is_not_guessed_at(cluster: Json) -> None:
    with pytest.raises(ValueError, match="unknown"):
        only(outbound(**cluster))


def test_a_cluster_names_its_destination_and_its_rule() -> None:
    path = "/apis/networking.istio.io/v1/namespaces/voting/destination-rule/storage"
    metadata = {"filter_metadata": {"istio": {"config": path, "subset": "v1-0"}}}
    name = f"outbound|6379|v1-0|{HOST}"
    dump = outbound(name, metadata=metadata)
    assert only(dump) == Outbound(ClientMode.DISABLE, "storage/voting")
    destination = Destination(HOST, 6379, "v1-0")
    others = [f"outbound|80||x.{HOST}", "inbound|6379||", "stats", f"outbound|80||{HOST}"]
    assert envoy.destinations([name, *others], HOST) == [Destination(HOST, 80), destination]
    assert envoy.cluster_name(destination) == name


@pytest.mark.parametrize("config", [None, "/apis/…/namespaces/voting/virtual-service/storage", "x"])
def test_a_cluster_without_a_rule_names_none(config: str | None) -> None:
    istio: Json = {"services": []} | ({"config": config} if config else {})
    assert only(outbound(metadata={"filter_metadata": {"istio": istio}})).rule == "-"
    assert only(outbound()).rule == "-"


def test_a_cluster_that_goes_by_address_is_told_from_the_others() -> None:
    assert not only(outbound()).by_address
    assert only(outbound(type="ORIGINAL_DST")).by_address


def test_endpoints_say_which_of_them_take_mutual_tls() -> None:
    def endpoint(address: str, **match: str) -> Json:
        return {
            "endpoint": {"address": {"socket_address": {"address": address, "port_value": 6379}}},
            "metadata": {"filter_metadata": {"envoy.transport_socket_match": match, "istio": {}}},
        }

    pipe = {"endpoint": {"address": {"pipe": {"path": "/run/s"}}}}
    config = {
        "cluster_name": f"outbound|6379||{HOST}",
        "endpoints": [
            {"lb_endpoints": [endpoint("10.0.0.1", tlsMode="istio"), endpoint("10.0.0.2"), pipe]},
            {"locality": {}},
        ],
    }
    (assigned,) = envoy.loaded_assignments({"configs": [{"endpoint_config": config}]}).values()
    assert envoy.endpoints(assigned) == {"10.0.0.1": True, "10.0.0.2": False}
    assert envoy.endpoints({}) == {}


def test_queries_ask_for_no_more_than_what_is_needed() -> None:
    hosts = [HOST, "voting-app.voting.svc.cluster.local"]
    asked = parse_qs(urlsplit(envoy.outbound_query(hosts)).query)
    assert asked["resource"] == ["dynamic_active_clusters"]
    (pattern,) = asked["name_regex"]
    assert re.fullmatch(pattern, f"outbound|6379||{HOST}")
    assert re.fullmatch(pattern, f"outbound|6379|v1-0|{HOST}")
    assert not re.fullmatch(pattern, f"outbound|6379||other.{HOST}")
    assert not re.fullmatch(pattern, f"outbound|6379||{HOST.replace('.', 'x')}")
    assert "include_eds" in envoy.endpoints_query(hosts)
    assert "virtualInbound" in envoy.inbound_query()


def test_destinations_are_named_as_in_the_table() -> None:
    assert str(Destination("a.b", 80)) == "a.b:80"
    assert str(Destination("a.b", 80, "v1")) == "a.b:80|v1"
