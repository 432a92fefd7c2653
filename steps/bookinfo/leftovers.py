"""What a cluster holds of the tutorial, so that it can be told what is left of it."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_bdd import given

from meshproof.analysis.observation import Observation, unless
from meshproof.plugin.preflight import EveryObject
from meshproof.probes.api_resources import Item
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial
from meshproof.wording import number


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


@given("the cluster holds objects of the tutorial")
def cluster_holds_objects(
    tutorial: Tutorial, every_object: EveryObject, evidence: Evidence
) -> None:
    """In the whole cluster some objects are found that are the tutorial's: the baseline."""
    seen = evidence.tell(some(of_tutorial(every_object(), tutorial.namespace)))
    assert not seen.problem, seen.problem
