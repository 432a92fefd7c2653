"""What is left of the tutorial once its namespace is deleted."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_bdd import given, then, when

from meshproof.analysis.observation import Observation, unless
from meshproof.plugin.preflight import EveryObject
from meshproof.probes.api_resources import Item
from meshproof.probes.scratch_namespace import delete_namespaces
from meshproof.progress import Progress
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial
from meshproof.wording import listed, number


def of_tutorial(items: Iterable[Item], namespace: str) -> list[str]:
    """Name the objects that are a tutorial's: in its namespace, that itself, or made for it."""
    return sorted(
        str(one)
        for one in items
        if namespace in (one.namespace, one.tutorial)
        or (one.kind, one.name) == ("Namespace", namespace)
    )


def some(found: list[str]) -> Observation:
    """Hold what is there before against being something."""
    return Observation(
        baselines=[f"Before, the cluster held {number(len(found), 'object')} of the tutorial."],
        problems=unless(found, "the cluster holds no object of the tutorial"),
    )


def none(found: list[str]) -> Observation:
    """Hold what is there afterwards against being nothing."""
    return Observation(
        results=[f"Afterwards the cluster held {number(len(found), 'object')} of the tutorial."],
        problems=unless(not found, f"left behind: {listed(found)}"),
    )


@given("the cluster holds objects of the tutorial")
def cluster_holds_objects(
    tutorial: Tutorial, every_object: EveryObject, evidence: Evidence
) -> None:
    """In the whole cluster some objects are found that are the tutorial's: the baseline."""
    seen = evidence.tell(some(of_tutorial(every_object(), tutorial.namespace)))
    assert not seen.problem, seen.problem


@when("the namespace of the tutorial is deleted, and those beside it")
def namespace_is_deleted(tutorial: Tutorial, progress: Progress, evidence: Evidence) -> None:
    """Delete the namespace and what scenarios made beside it, and wait until all are gone."""
    names = delete_namespaces(tutorial.cluster, tutorial.namespace, progress=progress)
    evidence.observe(f"deleted: {listed(names)}")


@then("the cluster holds no object of the tutorial any more")
def cluster_holds_none(tutorial: Tutorial, every_object: EveryObject, evidence: Evidence) -> None:
    """In the whole cluster no object is found that is the tutorial's."""
    seen = evidence.tell(none(of_tutorial(every_object(), tutorial.namespace)))
    assert not seen.problem, seen.problem
