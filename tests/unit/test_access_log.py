from __future__ import annotations

import json
from typing import Any

from meshproof.mesh.access_log import Call, Sent, acquaintances, inbound_calls, outbound_calls

APP = "spiffe://cluster.local/ns/voting/sa/voting-app-1-0"


def line(**changes: Any) -> str:
    entry = {
        "logged_for": "meshproof",
        "upstream_cluster": "inbound|8080||",
        "downstream_direct_remote_address": "10.244.0.9:51000",
        "downstream_peer_uri_san": APP,
        "protocol": "HTTP/1.1",
        "path": "/analytics",
        "start": "2026-01-02T03:04:05.678Z",
    }
    return json.dumps(entry | changes)


CALL = Call("pod", "10.244.0.9", APP, "HTTP", "/analytics", "2026-01-02T03:04:05.678Z")


def test_a_call_is_read() -> None:
    assert inbound_calls("pod", line()) == [CALL]


def test_a_tcp_call_has_no_protocol_and_no_path() -> None:
    (call,) = inbound_calls(
        "pod", line(upstream_cluster="inbound|6379||", protocol=None, path=None)
    )
    assert (call.protocol, call.path) == ("TCP", "")


def test_a_caller_without_a_certificate_is_nobody() -> None:
    (call,) = inbound_calls("pod", line(downstream_peer_uri_san=None))
    assert call.identity == ""


def test_the_agents_lines_calls_that_go_out_and_refused_ones_are_left_out() -> None:
    log = "\n".join(
        [
            "2026-01-02T03:04:05Z\tinfo\tReadiness succeeded",
            line(upstream_cluster="outbound|8080||voting-analytics.voting.svc.cluster.local"),
            line(upstream_cluster=None),
        ]
    )
    assert inbound_calls("pod", log) == []


def test_what_the_meshs_own_settings_log_in_json_is_left_out() -> None:
    assert inbound_calls("pod", line(logged_for=None)) == []
    assert inbound_calls("pod", '{"level": "info", "msg": "ready"}') == []


def test_what_two_settings_log_alike_is_one_call() -> None:
    other = line(start="2026-01-02T03:04:06.000Z")
    assert len(inbound_calls("pod", "\n".join([line(), line(), other, other]))) == 2


def test_what_only_looks_like_json_is_somebody_elses() -> None:
    assert inbound_calls("pod", '{"agent": "a "quoted" one"}\n' + line()) == [CALL]


def test_where_calls_went_is_read_by_their_callers_end() -> None:
    log = "\n".join(
        [
            line(),
            line(
                upstream_cluster="outbound|8080||voting-analytics.voting.svc.cluster.local",
                upstream_host="10.244.0.7:8080",
                response_flags="-",
            ),
            line(
                upstream_cluster=None,
                upstream_host=None,
                response_flags="NR",
                downstream_direct_remote_address="10.244.0.9:51001",
            ),
        ]
    )
    assert outbound_calls(log) == {
        "10.244.0.9:51000": Sent("10.244.0.7", "-"),
        "10.244.0.9:51001": Sent("", "NR"),
    }


def test_an_address_of_another_family_keeps_its_colons() -> None:
    (call,) = inbound_calls("pod", line(downstream_direct_remote_address="[fd00::9]:51000"))
    assert call.address == "[fd00::9]"


def test_calls_are_counted_by_who_called_whom_as_whom() -> None:
    seen = acquaintances([CALL, CALL], {"10.244.0.9": "voting-app 1.0"}, {"pod": "analytics"})
    assert seen == {("voting-app 1.0", "analytics", "HTTP", APP): 2}


def test_a_stranger_is_named_by_the_address() -> None:
    ((caller, *_),) = acquaintances([CALL], {}, {"pod": "analytics"})
    assert caller == "10.244.0.9"
