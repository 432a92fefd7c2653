"""What the injection label does to pods, in a separate namespace."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_bdd import given, then, when

from meshproof.probes.injection import InjectionProbe, told_of_proxy
from meshproof.progress import Progress
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial


@pytest.fixture
def injection(
    tutorial: Tutorial, progress: Progress, evidence: Evidence
) -> Iterator[InjectionProbe]:
    """A namespace beside the tutorial's, deleted when the scenario ends."""
    aside = f"{tutorial.namespace}-injection"
    commands = tutorial.suite.stages[0].command_lines(aside)
    probe = InjectionProbe(
        tutorial.cluster, aside, commands, progress=progress, keep=evidence.command
    )
    probe.remove(wait=True)
    yield probe
    probe.remove(wait=False)


@given("a pod in a separate namespace without the injection label has no proxy")
def pod_without_label(injection: InjectionProbe, evidence: Evidence) -> None:
    """A pod of a namespace that the tutorial's command made gets none: the baseline."""
    pod = injection.make_unlabelled("before-label")
    evidence.baseline(told_of_proxy("before the label", pod))
    assert not pod.proxied, f"it has a proxy: {pod}"


@when("the separate namespace gets the injection label")
def namespace_is_labelled(injection: InjectionProbe) -> None:
    """Label the namespace by the tutorial's command, and wait until pods are admitted by it."""
    injection.label()


@then("a new pod in the separate namespace has a proxy")
def pod_after_has_a_proxy(injection: InjectionProbe, evidence: Evidence) -> None:
    """With the label Istio injects a proxy into a new pod."""
    pod = injection.make_pod("after-label")
    evidence.result(told_of_proxy("after the label", pod))
    assert pod.proxied, f"it has no proxy: {pod}"
