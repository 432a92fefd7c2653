"""Residue: what is left of the tutorial once its namespaces are deleted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from pytest_bdd import given, then, when

from meshproof.cluster.objects import delete
from meshproof.environment.environment import Environment
from meshproof.plugin.traces import Traces
from meshproof.plugin.tutorial import INSTEAD
from meshproof.probes.api_resources import LEFT_OUT
from meshproof.probes.residue import as_before, listed_before, volumes_with
from meshproof.probes.scratch_namespace import delete_namespaces
from meshproof.progress import Progress
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial
from meshproof.wording import listed


@pytest.fixture
def mended(traces: Traces, environment: Environment) -> Iterator[None]:
    """What the harness made and left behind goes in the end: the next run is not to be blamed."""
    yield
    left = traces.now(environment).items - traces.before.items
    for item in sorted(left):
        if item.owned:
            delete(environment.cluster, item.path)


@given("all objects and volumes of the cluster were listed before the tutorial was followed")
def cluster_was_listed(traces: Traces, evidence: Evidence) -> None:
    """All objects and volumes as they were listed before the first scenario."""
    left_out = sorted({f"{resource} ({reason})" for (_, resource), reason in LEFT_OUT.items()})
    evidence.tell(listed_before(traces.before, left_out))


@given("the tutorial was followed to a stage with a PersistentVolumeClaim")
def claim_has_had_a_volume(
    request: pytest.FixtureRequest, traces: Traces, tutorial: Tutorial, evidence: Evidence
) -> None:
    """Follow the tutorial to a stage with a claim, where no scenario has by these manifests."""
    # What is followed by others, those of a breakage, may bring something else along.
    if (manifests := request.node.stash.get(INSTEAD, None)) not in traces.by:
        traces.see(volumes_with(tutorial), manifests)
    evidence.observe(f"volumes since: {listed(sorted(traces.volumes))}")
    assert traces.volumes, "no claim of the tutorial has a volume"


@when("all namespaces of the tutorial are deleted")
def namespaces_are_deleted(
    tutorial: Tutorial,
    tutorials: Sequence[str],
    progress: Progress,
    evidence: Evidence,
    mended: None,
) -> None:
    """Delete the namespaces of all tutorials of the run and those beside them."""
    names = delete_namespaces(tutorial.cluster, *tutorials, progress=progress)
    evidence.observe(f"deleted: {listed(names)}")


@then("the cluster holds the same objects and volume directories as were listed")
def cluster_is_as_before(traces: Traces, environment: Environment, evidence: Evidence) -> None:
    """No object and no folder of a volume is left behind, and none is gone."""
    evidence.tell(as_before(traces.before, lambda: traces.now(environment)))
