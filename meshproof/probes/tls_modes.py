"""The modes that PeerAuthentications and DestinationRules ask for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from meshproof.analysis.observation import Observation, unless
from meshproof.cluster.objects import live_objects
from meshproof.suite.tutorial import Tutorial
from meshproof.wording import in_turn

KINDS = ("PeerAuthentication", "DestinationRule")


def modes_asked_for(tutorial: Tutorial, rows: Iterable[Sequence[str]]) -> Observation:
    """Hold the modes of all PeerAuthentications and DestinationRules against rows of both."""
    live = live_objects(tutorial.cluster, tutorial.namespace)
    return modes_against(
        {
            f"{kind} {name}": mode_of(kind, manifest["spec"])
            for (kind, name), manifest in live.items()
            if kind in KINDS
        },
        {row[0]: row[1] for row in rows},
    )


def mode_of(kind: str, spec: Mapping[str, Any]) -> str:
    """The mode that a rule asks for; empty where it names none."""
    at = spec if kind == "PeerAuthentication" else spec.get("trafficPolicy", {})
    key = "mtls" if kind == "PeerAuthentication" else "tls"
    return str(at.get(key, {}).get("mode") or "")


def modes_against(modes: Mapping[str, str], wanted: Mapping[str, str]) -> Observation:
    """Hold modes, by rule, against those that there must be."""
    told = [
        f"{rule} is {modes[rule] or 'without a mode'}, not {wanted.get(rule, 'expected')}"
        if rule in modes
        else f"{rule} is missing"
        for rule in sorted(modes.keys() | wanted.keys())
        if modes.get(rule) != wanted.get(rule)
    ]
    said = in_turn(f"{rule} {mode or 'without a mode'}" for rule, mode in sorted(modes.items()))
    return Observation(
        results=[f"Modes of mutual TLS: {said}."],
        problems=unless(modes and not told, f"{in_turn(told)}; in all: {said}"),
    )
