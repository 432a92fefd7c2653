"""Istio's own analysis of the namespace: `istioctl analyze`."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_bdd import given, then, when

from meshproof.cluster.objects import namespaces_of
from meshproof.mesh.analysis import all_known, nothing_else, nothing_found
from meshproof.plugin.preflight import EveryObject
from meshproof.probes.scratch_namespace import delete_all
from meshproof.progress import Progress
from meshproof.run.lanes import Lane, other_namespaces
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial


@given("the namespaces of scenarios that run in parallel are deleted")
def parallel_namespaces_are_deleted(
    tutorial: Tutorial, tutorials: Sequence[str], lane: Lane, progress: Progress
) -> None:
    """Delete the namespaces of the run's other lanes: pods of any namespace fill a subset."""
    # One of another run's may have such a name, too.
    of_this_run = {name for one in tutorials for name in namespaces_of(tutorial.cluster, one)}
    others = other_namespaces(lane, *tutorials) & of_this_run
    delete_all(tutorial.cluster, sorted(others), progress)


@when("istioctl analyzes the namespace", target_fixture="analysis")
def istioctl_analyzes(tutorial: Tutorial, every_object: EveryObject) -> str:
    """Run `istioctl analyze` on the namespace, which lists objects of many kinds."""
    del every_object
    done = tutorial.run(f"istioctl analyze -n {tutorial.namespace}", check=False)
    return done.stdout + done.stderr


@then("istioctl finds no validation issue")
def istioctl_finds_nothing(analysis: str, evidence: Evidence) -> None:
    """Istio's analysis finds nothing, not even a warning."""
    seen = evidence.tell(nothing_found(analysis))
    assert not seen.problem, seen.problem


@then("istioctl reports no other issues than these")
def istioctl_reports_nothing_else(
    analysis: str, evidence: Evidence, datatable: list[list[str]]
) -> None:
    """Whatever Istio's analysis finds is among what is listed."""
    seen = evidence.tell(nothing_else(analysis, datatable[1:]))
    assert not seen.problem, seen.problem


@then("istioctl reports each of these issues")
def istioctl_reports_each(analysis: str, evidence: Evidence, datatable: list[list[str]]) -> None:
    """Istio's analysis finds all that is listed."""
    seen = evidence.tell(all_known(analysis, datatable[1:]))
    assert not seen.problem, seen.problem
