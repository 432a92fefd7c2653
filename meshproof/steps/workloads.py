"""The workloads: pods and their proxies."""

from __future__ import annotations

from pytest_bdd import given, parsers, then, when

from meshproof.cluster.pods import PodState
from meshproof.probes.workloads import (
    against_table,
    containers_shown,
    describe_each,
    described,
    endpoints_against,
    not_as_listed,
    not_whole,
    synced_proxies,
    unchanged,
)
from meshproof.process import Completed
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial
from meshproof.wording import listed


@given("the pods of the namespace are listed", target_fixture="pods")
def pods_of_namespace_are_listed(tutorial: Tutorial, evidence: Evidence) -> list[PodState]:
    """List the pods that there are before anything is done: the baseline."""
    pods = tutorial.pods()
    evidence.tell(described(pods, before=True))
    return pods


@when("the pods are listed", target_fixture="pods")
def pods_are_listed(tutorial: Tutorial, evidence: Evidence) -> list[PodState]:
    """List the pods of the namespace, as the API server has them."""
    pods = tutorial.pods()
    evidence.tell(described(pods))
    return pods


@then("there are exactly these pods", target_fixture="pods")
def exactly_these_pods(
    tutorial: Tutorial, evidence: Evidence, datatable: list[list[str]]
) -> list[PodState]:
    """The namespace holds as many pods of each app and version as listed, and no others."""
    pods = pods_are_listed(tutorial, evidence)
    assert not not_as_listed(pods, datatable), not_as_listed(pods, datatable)
    return pods


@then("every pod is 2/2, Running and was never restarted")
def every_pod_is_ready_and_never_restarted(pods: list[PodState]) -> None:
    """Each pod runs with both containers ready, application and sidecar, without a restart."""
    wrong = not_whole(pods)
    assert not wrong, f"{len(wrong)} of {len(pods)} pods: {listed(wrong, most=len(wrong))}"


@then("every listed pod is still there, Running and never restarted")
def listed_pods_still_run(pods: list[PodState], tutorial: Tutorial, evidence: Evidence) -> None:
    """Each pod from before is still there, the same in every column."""
    seen = evidence.tell(unchanged(pods, tutorial.pods()))
    assert not seen.problem, seen.problem


@then(parsers.parse('the table that "{command}" prints matches the pods that the API server lists'))
def table_lists_same_pods(tutorial: Tutorial, pods: list[PodState], command: str) -> None:
    """The tutorial's own command prints the same pods, in the same states."""
    printed = tutorial.run(command.format(namespace=tutorial.namespace)).stdout
    assert not against_table(pods, printed), against_table(pods, printed)


@when("each pod is described by the tutorial's command", target_fixture="descriptions")
def pods_are_described(tutorial: Tutorial) -> list[Completed]:
    """Run the tutorial's `kubectl describe pod` for each pod."""
    return describe_each(tutorial)


@then(parsers.parse('every description shows the container "{container}"'))
def every_description_shows(
    descriptions: list[Completed], evidence: Evidence, container: str
) -> None:
    """`kubectl describe pod` names the container for every pod."""
    seen = evidence.tell(containers_shown(descriptions, container))
    assert not seen.problem, seen.problem


@then("every proxy is in sync with istiod")
def every_proxy_is_in_sync(tutorial: Tutorial, evidence: Evidence) -> None:
    """`istioctl proxy-status` says of each sidecar that it has all of its configuration."""
    seen = evidence.tell(synced_proxies(tutorial))
    assert not seen.problem, seen.problem


@then(parsers.parse('the Service "{service}" has exactly these ready endpoints'))
def service_has_endpoints(
    tutorial: Tutorial, evidence: Evidence, service: str, datatable: list[list[str]]
) -> None:
    """Each port of the Service leads to the pods of these workloads alone, which run, whole."""
    seen = evidence.tell(endpoints_against(tutorial, service, datatable[1:]))
    assert not seen.problem, seen.problem
