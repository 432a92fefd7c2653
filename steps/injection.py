"""What the injection label does to pods, in a namespace of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_bdd import given, then, when

from meshproof.cluster.cluster import Cluster
from meshproof.cluster.pods import PodState
from meshproof.probes.injection import InjectionProbe
from meshproof.progress import Progress
from meshproof.run.lanes import Lane
from meshproof.signoff.evidence import Evidence


@pytest.fixture
def injection(
    cluster: Cluster, lane: Lane, progress: Progress, evidence: Evidence
) -> Iterator[InjectionProbe]:
    """A namespace beside the tutorial's, gone when the scenario ends."""
    probe = InjectionProbe(
        cluster, f"{lane.namespace}-injection", progress=progress, keep=evidence.command
    )
    probe.remove(wait=True)
    yield probe
    probe.remove(wait=False)


@given("a namespace of its own, not yet labelled, with a running pod", target_fixture="before")
def _(injection: InjectionProbe) -> PodState:
    injection.create()
    return injection.make_pod("before-label")


@when(
    "the namespace is labelled as in the tutorial and another pod is made", target_fixture="after"
)
def _(injection: InjectionProbe) -> PodState:
    injection.label()
    return injection.make_pod("after-label")


@then("the pod made before the label has no proxy")
def _(before: PodState, evidence: Evidence) -> None:
    evidence.baseline(
        f"The pod made before the label has {'a' if before.proxied else 'no'} proxy ({before})."
    )
    assert not before.proxied, f"it has a proxy: {before}"


@then("the pod made after the label has one")
def _(after: PodState, evidence: Evidence) -> None:
    evidence.result(
        f"The pod made after the label has {'a' if after.proxied else 'no'} proxy ({after})."
    )
    assert after.proxied, f"it has no proxy: {after}"
