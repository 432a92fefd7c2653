"""Shares of the versions of reviews while traffic is shifted from one to another."""

from __future__ import annotations

from pytest_bdd import then, when

from meshproof.analysis.sampling import Budget
from meshproof.analysis.strength import Demands
from meshproof.mesh.ingress import Ingress
from meshproof.plugin.preflight import PodLog
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial
from steps.bookinfo.sampling import Shift


@when(
    "product pages are sampled through the ingress until the sequential test has decided",
    target_fixture="answered",
)
def pages_are_sampled_until_decided(
    ingress: Ingress, evidence: Evidence, demands: Demands, false_alarms: Budget, alternative: float
) -> Shift:
    """View the page until the sequential test is decided."""
    shift = Shift(ingress, demands, false_alarms, alternative)
    evidence.tell(shift.sample.kept())
    return shift


@then("each version of reviews logged exactly as many requests as pages showed its reviews")
def pods_logged_as_many(
    answered: Shift, tutorial: Tutorial, pod_log: PodLog, evidence: Evidence
) -> None:
    """What the pages show of their version is what each version's pod did."""
    seen = evidence.tell(answered.served_as_shown(tutorial, pod_log))
    assert not seen.problem, seen.problem
