"""Storage as version 2.0 brings it: its claim, its ports and its readiness."""

from __future__ import annotations

from pytest_bdd import parsers, then

from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial
from steps.voting.storage_probe import claim_in_use, readiness


@then(
    parsers.parse('the claim "{claim}" is Bound, and the pod of storage 2.0 mounts no other claim')
)
def claim_is_bound(tutorial: Tutorial, evidence: Evidence, claim: str) -> None:
    """The claim is bound, and the pod of storage 2.0 has mounted this claim alone."""
    seen = evidence.tell(claim_in_use(tutorial, claim))
    assert not seen.problem, seen.problem


@then(
    "the readiness probe of storage 2.0 fails with a wrong password or database, and else succeeds"
)
def ready_only_for_who_can_log_in(tutorial: Tutorial, evidence: Evidence) -> None:
    """The kubelet's own command passes, and fails with a wrong password or database."""
    seen = evidence.tell(readiness(tutorial))
    assert not seen.problem, seen.problem
