"""What is left of the tutorial once its namespaces are deleted (A3)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_bdd import given, then, when

from fixtures.traces import Traces
from meshproof.cluster.objects import delete
from meshproof.environment.environment import Environment
from meshproof.environment.options import Options
from meshproof.probes.inventory import LEFT_OUT, left_behind, volumes
from meshproof.probes.scratch_namespace import delete_namespaces
from meshproof.progress import Progress
from meshproof.signoff.evidence import Evidence
from meshproof.suite.transitional import NAMES
from meshproof.suite.tutorial import Tutorial
from meshproof.waiting import VOLUMES_GONE, converge
from meshproof.wording import listed

#: The first stage with a claim for a volume.
WITH_VOLUME = "canary"


@pytest.fixture
def mended(traces: Traces, environment: Environment) -> Iterator[None]:
    """What the harness made and left behind goes in the end: the next run is not to be blamed."""
    yield
    left = traces.now(environment).items - traces.before.items
    for item in sorted(left):
        if item.owned:
            delete(environment.cluster, item.path)


@given("the cluster as it was before the tutorial was followed")
def _(traces: Traces, evidence: Evidence) -> None:
    evidence.text("the cluster before", traces.before.table())
    evidence.baseline(f"{traces.before.scope}, before: {traces.before}.")
    left_out = {f"{resource} ({reason})" for (_, resource), reason in LEFT_OUT.items()}
    evidence.observe(f"not compared: {listed(sorted(left_out), most=len(left_out))}")


@given("a claim of the tutorial has had a volume since")
def _(traces: Traces, tutorial: Tutorial, evidence: Evidence) -> None:
    # Not another scenario's volume alone: what is followed here may bring something else along.
    followed = NAMES.index(WITH_VOLUME)
    if not traces.volumes or tutorial.stage() not in NAMES[followed:]:
        tutorial.follow_to(WITH_VOLUME)
        traces.volumes |= volumes(tutorial.cluster, tutorial.namespace)
    evidence.observe(f"volumes since: {listed(sorted(traces.volumes))}")
    assert traces.volumes, "no claim of the tutorial has a volume"


@when("the tutorial's namespace is deleted, and those beside it")
def _(
    tutorial: Tutorial, options: Options, progress: Progress, evidence: Evidence, mended: None
) -> None:
    names = delete_namespaces(tutorial.cluster, options.namespace, progress)
    evidence.observe(f"deleted: {listed(names)}")


@then("the cluster holds exactly the objects and the volumes' folders that it held before")
def _(traces: Traces, environment: Environment, evidence: Evidence) -> None:
    seen = converge(
        lambda: left_behind(traces.before, traces.now(environment)),
        until=lambda lines: not lines,
        what="the cluster is as it was before",
        timeout=VOLUMES_GONE,
        promised=True,
    )
    evidence.result(
        f"{traces.before.scope} is as it was before, {seen.seconds:.1f} s after the namespaces "
        "had gone."
    )
