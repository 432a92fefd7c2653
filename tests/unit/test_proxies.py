from __future__ import annotations

import json
from typing import Any

import pytest

from meshproof.mesh.proxies import SUBSCRIBED, out_of_sync, sync_states

PROXY = "voting-app-1-0-5c4-x7k2p.voting"
TYPES = {
    "Cluster": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    "ClusterLoadAssignment": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
    "Listener": "type.googleapis.com/envoy.config.listener.v3.Listener",
    "RouteConfiguration": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
}


def proxy_status(**changes: str | None) -> str:
    """What `istioctl proxy-status -o json` prints; None leaves a kind, or its state, out."""
    kinds: dict[str, str | None] = {**dict.fromkeys(TYPES, "SYNCED"), **changes}
    configs: list[dict[str, Any]] = [
        {
            "typeUrl": TYPES.get(kind, f"type.googleapis.com/{kind}"),
            "lastUpdated": "2026-11-23T16:38:06.2Z",
            **({"configStatus": state} if state else {}),
        }
        for kind, state in kinds.items()
        if state is not None
    ]
    resource = {"node": {"id": PROXY, "metadata": {}}, "genericXdsConfigs": configs}
    return json.dumps({"versionInfo": "2026-11-23T16:38:09Z/22", "resources": [resource]})


def test_states_by_proxy_and_kind() -> None:
    assert sync_states(proxy_status(Listener="STALE")) == {
        PROXY: {
            "Cluster": "SYNCED",
            "ClusterLoadAssignment": "SYNCED",
            "Listener": "STALE",
            "RouteConfiguration": "SYNCED",
        }
    }


def test_a_proxy_in_sync() -> None:
    assert out_of_sync(sync_states(proxy_status()), PROXY) == []


def test_kinds_that_no_sidecar_needs_do_not_count() -> None:
    states = sync_states(proxy_status(**{"envoy.config.core.v3.TypedExtensionConfig": "IGNORED"}))
    assert states[PROXY]["TypedExtensionConfig"] == "IGNORED"
    assert out_of_sync(states, PROXY) == []


@pytest.mark.parametrize("kind", SUBSCRIBED)
@pytest.mark.parametrize("state", ["STALE", "ERROR", "NOT_SENT", "UNKNOWN"])
def test_a_kind_in_any_other_state_is_named(kind: str, state: str) -> None:
    states = sync_states(proxy_status(**{kind: state}))
    assert out_of_sync(states, PROXY) == [f"{PROXY}: {kind} is {state}"]


@pytest.mark.parametrize("kind", SUBSCRIBED)
def test_a_kind_that_is_not_listed_is_missing(kind: str) -> None:
    states = sync_states(proxy_status(**{kind: None}))
    assert out_of_sync(states, PROXY) == [f"{PROXY}: {kind} is missing"]


def test_a_kind_without_a_state_is_unknown() -> None:
    assert sync_states(proxy_status(Cluster=""))[PROXY]["Cluster"] == "UNKNOWN"


def test_a_proxy_that_istiod_does_not_know() -> None:
    states = sync_states(proxy_status())
    for other in ("voting-app-1-0-5c4-zz9q4.voting", PROXY.replace(".voting", ".other")):
        assert out_of_sync(states, other) == [f"{other}: istiod does not know this proxy"]


def test_a_proxy_without_any_configuration() -> None:
    printed = json.dumps({"resources": [{"node": {"id": PROXY}}]})
    assert len(out_of_sync(sync_states(printed), PROXY)) == len(SUBSCRIBED)


def test_no_proxies_at_all() -> None:
    assert sync_states('{"resources": []}') == {}


@pytest.mark.parametrize("printed", ["", "NAME CLUSTER ISTIOD", "{}", '{"items": []}'])
def test_another_output_is_refused(printed: str) -> None:
    with pytest.raises(ValueError, match=r"resources|Expecting value"):
        sync_states(printed)
