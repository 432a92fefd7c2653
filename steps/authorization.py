"""Whom the policies that the sidecars have loaded let in: what no call can exhaust (U6, C6)."""

from __future__ import annotations

from pytest_bdd import parsers, then, when

from meshproof.analysis.isolation import ARROWS
from meshproof.mesh.authorization import Admission, unlike
from meshproof.mesh.loaded import GATEWAY
from meshproof.probes.admissions import let_in, table
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial
from meshproof.wording import number

Admitted = dict[str, set[Admission]]


@when("the policies that the sidecars have loaded are read", target_fixture="admitted")
def policies_are_read(tutorial: Tutorial, evidence: Evidence) -> Admitted:
    """Every caller that a sidecar of the tutorial's workloads lets in, by whatever it asks for."""
    admitted = let_in(tutorial)
    evidence.text("callers that sidecars let in", table(admitted))
    return admitted


@then("each workload lets in the callers of the tutorial's diagram, and nobody else")
def just_the_diagrams_callers(admitted: Admitted, evidence: Evidence) -> None:
    """No path, method or port is a second way in for anybody."""
    arrows = ARROWS | {(GATEWAY, app) for app in admitted if app.startswith("voting-app ")}
    wanted = {server: [a for a, b in arrows if b == server] for server in admitted}
    found = unlike(admitted, wanted)
    evidence.result(
        f"{number(len(admitted), 'workload')}: {number(len(found), 'caller')} let in, or not, "
        "otherwise than in the tutorial's diagram, whatever is asked for."
    )
    assert not found, "; ".join(found)


@then(parsers.parse('workload "{workload}" lets nobody in'))
def lets_nobody_in(admitted: Admitted, evidence: Evidence, workload: str) -> None:
    """Not even by a path or a port that nobody tried."""
    found = sorted(map(str, admitted[workload]))
    evidence.result(f"{workload} lets in {number(len(found), 'caller')}, whatever is asked for.")
    assert not found, f"{workload} lets in {'; '.join(found)}"


@then(parsers.parse('no workload lets "{caller}" in'))
def is_let_in_by_nobody(admitted: Admitted, evidence: Evidence, caller: str) -> None:
    """Not even by a path or a port that it did not try."""
    found = [f"{workload} lets in {each}" for workload, let in sorted(admitted.items())
             for each in sorted(let, key=str) if each.caller == caller]  # fmt: skip
    evidence.result(f"{number(len(admitted), 'workload')}: {caller} is let in by {len(found)}.")
    assert not found, "; ".join(found)
