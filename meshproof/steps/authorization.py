"""The authorization policies that sidecars have loaded: all that they let in, tried or not."""

from __future__ import annotations

from pytest_bdd import parsers, then, when

from meshproof.probes import admissions
from meshproof.probes.admissions import Admitted, as_drawn, let_in, read_admissions
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial


@when(
    "the authorization policies that the sidecars have loaded are read", target_fixture="admitted"
)
def policies_are_read(tutorial: Tutorial, evidence: Evidence) -> Admitted:
    """Read whom each sidecar lets in, by whatever a caller asks for."""
    admitted = let_in(tutorial)
    evidence.tell(read_admissions(admitted))
    return admitted


@then(
    parsers.parse(
        'the policies allow only callers of the diagram, and the ingress gateway to call "{app}"'
    )
)
def just_the_diagrams_callers(
    tutorial: Tutorial, admitted: Admitted, evidence: Evidence, app: str
) -> None:
    """No path, method or port is a second way in for anybody."""
    seen = evidence.tell(as_drawn(admitted, tutorial.suite, app))
    assert not seen.problem, seen.problem


@then(parsers.parse('the authorization policies allow no call from "{caller}" to "{server}"'))
def may_not_call(admitted: Admitted, evidence: Evidence, caller: str, server: str) -> None:
    """No policy does, by any path or port; "anyone" stands for all that there are."""
    seen = evidence.tell(admissions.may_not_call(admitted, caller, server))
    assert not seen.problem, seen.problem
