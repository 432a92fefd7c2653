"""Proxies: whether istiod and they agree on their configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping

#: The kinds of configuration that every sidecar subscribes to.
SUBSCRIBED = ("Cluster", "ClusterLoadAssignment", "Listener", "RouteConfiguration")


def sync_states(proxy_status: str) -> dict[str, dict[str, str]]:
    """Read ``istioctl proxy-status -o json``: for each ``pod.namespace`` the state of each kind.

    Raises ``ValueError`` where it is not such an output.
    """
    states: dict[str, dict[str, str]] = {}
    document = json.loads(proxy_status)
    if "resources" not in document:
        raise ValueError("istioctl's proxy-status lists no resources")
    for entry in document["resources"]:
        kinds = {
            config["typeUrl"].rpartition(".")[2]: config.get("configStatus", "UNKNOWN")
            for config in entry.get("genericXdsConfigs", [])
        }
        states[entry["node"]["id"]] = kinds
    return states


def out_of_sync(states: Mapping[str, Mapping[str, str]], proxy: str) -> list[str]:
    """Say what one proxy (``pod.namespace``) has not taken over from istiod; empty: all (D4)."""
    if proxy not in states:
        return [f"{proxy}: istiod does not know this proxy"]
    return [
        f"{proxy}: {kind} is {states[proxy].get(kind, 'missing')}"
        for kind in SUBSCRIBED
        if states[proxy].get(kind) != "SYNCED"
    ]
