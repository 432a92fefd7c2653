"""Where two resources differ; the sentences on proxies are shown by test_tls_check."""

from __future__ import annotations

from typing import Any

import pytest

from meshproof.tls.discrepancies import first_difference, of_client, of_istiod
from meshproof.tls.envoy import Destination, Outbound
from meshproof.tls.istiod import Intended
from meshproof.tls.modes import ClientMode


@pytest.mark.parametrize(
    ("wanted", "loaded", "said"),
    [
        (None, None, ""),
        ({"a": [1, {"b": "c"}]}, {"a": [1, {"b": "c"}]}, ""),
        ({"a": 1}, None, "something else, and nothing is loaded"),
        ({"a": 1}, {"a": 2}, "“1”, and “2” is loaded (at a)"),
        ({"a": {"b": [{"c": "x"}]}}, {"a": {"b": [{"c": "y"}]}},
         "“x”, and “y” is loaded (at a.b[0].c)"),
        ({"a": [1, 2]}, {"a": [1]}, "a list of 2, and a list of 1 is loaded (at a)"),
        ({"a": 1, "b": 2}, {"a": 1}, "“2”, and nothing is loaded (at b)"),
        ({}, {"b": {"c": 1}}, "nothing, and something else is loaded (at b)"),
        ({"a": False}, {"a": 0}, ""),
        ({"key": "secret"}, {"key": "[redacted]"}, ""),
        ({}, {"key": "[redacted]"}, "nothing, and “[redacted]” is loaded (at key)"),
        ({"a": {}}, {"a": []}, "something else, and a list of 0 is loaded (at a)"),
    ],
)  # fmt: skip
def test_the_first_difference_is_told(wanted: Any, loaded: Any, said: str) -> None:
    assert first_difference(wanted, loaded) == said


def test_an_endpoint_that_differs_is_told() -> None:
    def assigned(**addresses: bool) -> dict[str, Any]:
        listed = [
            {
                "endpoint": {"address": {"socketAddress": {"address": address}}},
                "metadata": {"filterMetadata": {"envoy.transportSocketMatch":
                    {"tlsMode": "istio"} if mesh else {}}},
            }
            for address, mesh in addresses.items()
        ]  # fmt: skip
        return {"outbound|80||x": {"endpoints": [{"lbEndpoints": listed}]}}

    cluster = {"outbound|80||x": {"name": "outbound|80||x"}}
    intended = Intended(
        {"Cluster": cluster, "ClusterLoadAssignment": assigned(a=True, b=True)}, {}, {}
    )
    found = of_client("p.q", Destination("x", 80), cluster, assigned(a=False, c=True), intended)
    assert found == (
        "the proxy of client p.q does not know b, an endpoint that istiod would send it",
        "the proxy of client p.q knows c, an endpoint that istiod would not send it",
        "the proxy of client p.q does not know whether endpoint a takes mutual TLS",
    )
    assert not of_client("p.q", Destination("x", 80), cluster, assigned(a=True, b=True), intended)


@pytest.mark.parametrize(
    ("asked", "sent", "agree"),
    [
        ("SIMPLE", ClientMode.SIMPLE, True),
        # What is loaded does not tell SIMPLE from MUTUAL in each case: both are TLS of others.
        ("SIMPLE", ClientMode.MUTUAL, True),
        ("DISABLE", ClientMode.DISABLE, True),
        ("ISTIO_MUTUAL", ClientMode.ISTIO_MUTUAL, True),
        ("SIMPLE", ClientMode.DISABLE, False),
        ("DISABLE", ClientMode.ISTIO_MUTUAL, False),
        ("ISTIO_MUTUAL", ClientMode.NONE, False),
    ],
)
def test_an_istiod_that_keeps_to_an_older_rule_is_told(
    asked: str, sent: ClientMode, agree: bool
) -> None:
    said = of_istiod("p.q", Outbound(sent, "server/q"), asked)
    if agree:
        assert said == ()
    else:
        (sentence,) = said
        assert f"DestinationRule server/q asks for {asked}" in sentence
        assert f"would still send {sent} " in sentence
