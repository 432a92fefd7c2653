"""What of the application serves a client outside the mesh that has a certificate of the mesh."""

from __future__ import annotations

from pytest_bdd import given

from meshproof.probes.outside_trial import OutsideTrials
from meshproof.signoff.evidence import Evidence

#: What answers a client of the mesh with something that the application itself says.
SERVING = ("voting-analytics", "voting-storage")


@given("a client outside the mesh with a certificate of the mesh is answered in TLS by all ports")
def client_is_answered_with_certificate(trials: OutsideTrials, evidence: Evidence) -> None:
    """The same client is let in everywhere by a certificate of the mesh: the baseline."""
    seen = evidence.tell(trials.with_mesh_certificate().let_in(SERVING))
    assert not seen.problem, seen.problem
