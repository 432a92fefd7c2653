"""The modes that PeerAuthentications and DestinationRules ask for."""

from __future__ import annotations

from meshproof.analysis.observation import Observation, unless
from meshproof.cluster.objects import live_objects
from meshproof.suite.tutorial import Tutorial
from meshproof.wording import listed


def modes_asked_for(
    tutorial: Tutorial, name: str, mode: str, count: int, client_mode: str
) -> Observation:
    """Read a PeerAuthentication and all DestinationRules: so many, each with the client's mode."""
    live = live_objects(tutorial.cluster, tutorial.namespace)
    policy = live["PeerAuthentication", name]["spec"]["mtls"]["mode"]
    rules = {
        rule: manifest["spec"].get("trafficPolicy", {}).get("tls", {}).get("mode")
        for (kind, rule), manifest in live.items()
        if kind == "DestinationRule"
    }
    modes = listed(f"{rule} {each or 'without a mode'}" for rule, each in rules.items())
    return Observation(
        results=[f"PeerAuthentication {name} is {policy}; DestinationRules: {modes}."],
        problems=[
            *unless(policy == mode, f"PeerAuthentication {name} is {policy}, not {mode}"),
            *unless([*rules.values()] == [client_mode] * count, f"DestinationRules: {modes}"),
        ],
    )
