"""What features list in rows, held against what is there."""

from __future__ import annotations

import pytest

from meshproof.mesh.authorization import Admission
from meshproof.probes.admissions import ANYONE, Admitted, may_not_call
from meshproof.probes.commands import ANY, held_against
from meshproof.probes.tls_modes import mode_of, modes_against
from steps.voting.counting import in_turns

MODES = {"PeerAuthentication default": "STRICT", "DestinationRule a": "ISTIO_MUTUAL"}


@pytest.mark.parametrize(
    ("kind", "spec", "mode"),
    [
        ("PeerAuthentication", {"mtls": {"mode": "STRICT"}}, "STRICT"),
        ("PeerAuthentication", {}, ""),
        ("DestinationRule", {"trafficPolicy": {"tls": {"mode": "DISABLE"}}}, "DISABLE"),
        ("DestinationRule", {"trafficPolicy": {}}, ""),
        ("DestinationRule", {"host": "a"}, ""),
    ],
)
def test_a_rule_asks_for_a_mode_or_none(kind: str, spec: dict[str, object], mode: str) -> None:
    assert mode_of(kind, spec) == mode


def test_all_rules_have_their_modes() -> None:
    assert not modes_against(MODES, MODES).problem
    assert modes_against({}, {}).problem
    other = modes_against({**MODES, "PeerAuthentication default": "PERMISSIVE"}, MODES).problem
    assert other.startswith("PeerAuthentication default is PERMISSIVE, not STRICT; in all: ")
    none = modes_against({**MODES, "DestinationRule a": ""}, MODES).problem
    assert none.startswith("DestinationRule a is without a mode, not ISTIO_MUTUAL")
    assert modes_against(MODES, {"DestinationRule a": "ISTIO_MUTUAL"}).problem.startswith(
        "PeerAuthentication default is STRICT, not expected"
    )
    assert modes_against({}, MODES).problem.startswith("DestinationRule a is missing")


ADMITTED: Admitted = {
    "a 1.0": {Admission(80, "b 1.0")},
    "b 1.0": set(),
}


@pytest.mark.parametrize(
    ("caller", "server", "let_in"),
    [
        ("b 1.0", "a 1.0", True),
        ("a 1.0", "b 1.0", False),
        (ANYONE, "a 1.0", True),
        (ANYONE, "b 1.0", False),
        ("b 1.0", ANYONE, True),
        ("a 1.0", ANYONE, False),
    ],
)
def test_nobody_is_let_in_where_no_policy_lets_them(caller: str, server: str, let_in: bool) -> None:
    assert may_not_call(ADMITTED, caller, server).problem == (
        "a 1.0 lets in b 1.0 on port 80" if let_in else ""
    )
    assert may_not_call({}, caller, ANYONE).problem


def test_lines_are_held_in_their_order_or_in_any() -> None:
    printed, listing = ["b created", "a created"], "a created\nb created"
    assert held_against("x.yaml", printed, listing, "this").problem
    assert not held_against("x.yaml", printed, listing, ANY).problem
    assert not held_against("x.yaml", printed[::-1], listing, "this").problem
    assert held_against("x.yaml", printed[:1], listing, ANY).problem


def test_votes_come_in_turn() -> None:
    assert in_turns(3, 1) == ["Cats", "Dogs", "Cats", "Cats"]
    assert in_turns(0, 2) == ["Dogs", "Dogs"]
    assert in_turns(0, 0) == []
