"""What the injection label does to pods, in a separate namespace."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_bdd import given, then, when

from meshproof.cluster.pods import PodState
from meshproof.probes.injection import InjectionProbe, told_of_proxy
from meshproof.progress import Progress
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial


@pytest.fixture
def injection(
    tutorial: Tutorial, progress: Progress, evidence: Evidence
) -> Iterator[InjectionProbe]:
    """A namespace beside the tutorial's, gone when the scenario ends."""
    aside = f"{tutorial.namespace}-injection"
    commands = tutorial.suite.stages[0].command_lines(aside)
    probe = InjectionProbe(
        tutorial.cluster, aside, commands, progress=progress, keep=evidence.command
    )
    probe.remove(wait=True)
    yield probe
    probe.remove(wait=False)


@given(
    "a separate namespace without the injection label, with a running pod",
    target_fixture="pod_before_label",
)
def namespace_without_label(injection: InjectionProbe) -> PodState:
    """Create a namespace by the tutorial's command, and a pod in it."""
    injection.create()
    return injection.make_pod("before-label")


@when(
    "the separate namespace gets the injection label, and another pod",
    target_fixture="pod_after_label",
)
def namespace_is_labelled(injection: InjectionProbe) -> PodState:
    """Label the namespace by the tutorial's command, and create another pod in it."""
    injection.label()
    return injection.make_pod("after-label")


@then("the pod created before the label has no proxy")
def pod_before_has_no_proxy(pod_before_label: PodState, evidence: Evidence) -> None:
    """Without the label Istio injects nothing: the baseline."""
    evidence.baseline(told_of_proxy("before the label", pod_before_label))
    assert not pod_before_label.proxied, f"it has a proxy: {pod_before_label}"


@then("the pod created after the label has a proxy")
def pod_after_has_a_proxy(pod_after_label: PodState, evidence: Evidence) -> None:
    """With the label Istio injects a proxy into a new pod."""
    evidence.result(told_of_proxy("after the label", pod_after_label))
    assert pod_after_label.proxied, f"it has no proxy: {pod_after_label}"
