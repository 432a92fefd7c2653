"""Breakages, run: the scenarios of an expectation with one, and at least one must say why."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal

import allure_commons
import pytest
from _pytest.runner import runtestprotocol

from meshproof.analysis.sampling import Budget
from meshproof.cluster.images import Images
from meshproof.cluster.objects import Objects
from meshproof.cluster.shape import DEFAULT, MeshShape
from meshproof.plugin.breakages import BreakageItem, UnexpectedEnding, followed
from meshproof.plugin.environment import shown_progress
from meshproof.plugin.evidence import EVIDENCE_FOLDER
from meshproof.plugin.options import options_of
from meshproof.plugin.outcomes import BROKEN_BY, PLACE, result_of
from meshproof.plugin.sampling import BUDGET
from meshproof.plugin.scenarios import manifests_of_suite
from meshproof.plugin.tutorial import INSTEAD, OTHERS
from meshproof.run.lanes import Lane, manifests_of
from meshproof.signoff.verdict import Outcome, ScenarioResult
from meshproof.suite.breakages import Breakage, altered_manifests, broken
from meshproof.suite.stages import objects_of_stages
from meshproof.suite.transitions import within_reach
from meshproof.suite.tutorial import Tutorial

Phase = Literal["setup", "call", "teardown"]
#: The stages by the manifests of the breakage that was last to change a namespace, by its name.
LATEST = pytest.StashKey[dict[str, dict[str, Objects]]]()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Run a breakage: its scenarios with it, and before that without, unless the run does that."""
    if not isinstance(item, BreakageItem):
        return None
    hook, setup_state = item.ihook, item.session._setupstate
    hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    phases: dict[Phase, Callable[[], None]] = {
        # What other tests share does not belong to scenarios, but for what is the session's.
        "setup": lambda: setup_state.teardown_exact(item.scenarios()[0]),
        "call": lambda: _judge(item, nextitem),
        "teardown": lambda: setup_state.teardown_exact(nextitem),
    }
    passed = True
    for when, phase in phases.items():
        if when == "call" and not passed:
            continue
        call = pytest.CallInfo.from_call(
            phase,
            when=when,
            reraise=(pytest.exit.Exception, KeyboardInterrupt),
        )
        report = hook.pytest_runtest_makereport(item=item, call=call)
        passed &= report.passed
        hook.pytest_runtest_logreport(report=report)
    hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _judge(item: BreakageItem, nextitem: pytest.Item | None) -> None:
    """Raise ``UnexpectedEnding`` unless a scenario fails for the reason that it must give."""
    breakage, scenarios = item.breakage, item.scenarios()
    folder = options_of(item.config).reports / "breakages" / breakage.name
    shutil.rmtree(folder, ignore_errors=True)
    in_run = {other.nodeid for other in item.session.items}
    with _unreported(item.config), tempfile.TemporaryDirectory(prefix="meshproof-") as made:
        green = [
            _run(item, scenario, folder / "without")
            for scenario in scenarios
            if scenario.nodeid not in in_run
        ]
        if any(result.outcome is not Outcome.PASSED for result in green):
            raise UnexpectedEnding(f"Without the breakage, not all passed:\n{_told(green)}")
        manifests = altered_manifests(breakage, item.suite.manifests, Path(made) / breakage.name)
        run = partial(_run, item, folder=folder, manifests=manifests)
        red, noticed = until_noticed(breakage, map(run, scenarios))
        _leave(item, nextitem, manifests)
    if not noticed:
        raise UnexpectedEnding(
            f"No scenario failed for “{breakage.because}”; evidence is in {folder}:\n{_told(red)}"
        )
    # As it must be. A scenario may have failed before it kept anything.
    shutil.rmtree(folder, ignore_errors=True)


def until_noticed(
    breakage: Breakage, results: Iterable[ScenarioResult]
) -> tuple[list[ScenarioResult], bool]:
    """Look at results, as scenarios end, up to one that fails for a breakage's reason.

    Returns those that were looked at, and whether there was one: the others need not run.
    """
    seen = []
    for result in results:
        seen.append(result)
        if result.outcome is Outcome.FAILED and breakage.explains(result.message):
            return seen, True
    return seen, False


def _told(results: list[ScenarioResult]) -> str:
    return "\n".join(f"{each.name}: {each.outcome}: {each.message}" for each in results)


def _run(
    item: BreakageItem, scenario: pytest.Item, folder: Path, manifests: Path | None = None
) -> ScenarioResult:
    """Run one scenario as pytest does, with the breakage where there are manifests with it."""
    stash = scenario.stash
    stash[EVIDENCE_FOLDER], stash[BUDGET] = folder, Budget()
    stash[BROKEN_BY] = item.breakage if manifests else None
    stash[INSTEAD] = manifests
    stash[OTHERS] = lambda lane: _others(item, lane)
    # What scenarios share, as it is the session's, stays for the next one.
    reports = runtestprotocol(scenario, log=False, nextitem=item)
    told = [result for report in reports if (result := result_of(report))]
    other = [result for result in told if result.outcome is not Outcome.PASSED]
    return (other or told)[0]


def _others(item: BreakageItem, lane: Lane) -> list[dict[str, Objects]]:
    """The stages that a lane's namespace may be at: as published, or by an earlier breakage."""
    latest = item.config.stash.setdefault(LATEST, {}).get(lane.namespace)
    source = manifests_of_suite(item.config, options_of(item.config), item.suite)
    images, mesh = _on_what(item.config)
    with tempfile.TemporaryDirectory(prefix="meshproof-") as made:
        own = manifests_of(lane, source, Path(made) / "of-the-lane", images, mesh)
        published = objects_of_stages(item.suite.stages, lane.namespace, own, mesh)
        return [published, *([latest] if latest else [])]


def _on_what(config: pytest.Config) -> tuple[Images | None, MeshShape]:
    """Where the cluster has its images from, and the shape of its mesh."""
    place = config.stash.get(PLACE, None)
    return (place[0].cluster.images, place[0].cluster.mesh) if place else (None, DEFAULT)


def _leave(item: BreakageItem, nextitem: pytest.Item | None, manifests: Path) -> None:
    """Note where a breakage left the namespace, and put back what the last commands deleted.

    The next breakage would start over without that, unless it is about the last stage, too.
    """
    place = item.config.stash.get(PLACE, None)
    if place is None:
        return
    environment, lane = place
    cluster = environment.cluster
    images, mesh = cluster.images, cluster.mesh
    own = manifests_of(lane, manifests, manifests.with_name("of-the-lane"), images, mesh)
    tutorial = Tutorial(
        environment.cluster,
        lane.namespace,
        item.suite,
        ingress=environment.loopback,
        host=lane.host,
        progress=shown_progress(item.config),
        manifests=own,
        pods_since=environment.pods_since,
    )
    wanted = objects_of_stages(tutorial.suite.stages, lane.namespace, own, mesh)
    names = tutorial.suite.stage_names
    stage = tutorial.stage()
    if stage:
        item.config.stash.setdefault(LATEST, {})[lane.namespace] = wanted
    if (
        isinstance(nextitem, BreakageItem)
        and nextitem.suite == item.suite
        and followed(nextitem)[0] == len(names) - 1
    ):
        return
    before, last = (wanted[name] for name in names[-2:])
    if stage == names[-1] and within_reach(before, last, deleted=True):
        tutorial.follow_to(names[-2])


@contextmanager
def _unreported(config: pytest.Config) -> Iterator[None]:
    """Leave what scenarios do meanwhile out of Allure's results: they are not the run's own."""
    listener = config.pluginmanager.getplugin("allure_listener")
    if listener is None:
        yield
        return
    managers = (config.pluginmanager, allure_commons.plugin_manager)
    for manager in managers:
        manager.unregister(listener)
    try:
        yield
    finally:
        config.pluginmanager.register(listener, "allure_listener")
        allure_commons.plugin_manager.register(listener)


@pytest.fixture(autouse=True)
def _broken_object(request: pytest.FixtureRequest, _environment_first: None) -> Iterator[None]:
    """Have the object changed that a breakage is of, while a scenario runs with it."""
    breakage = request.node.stash.get(BROKEN_BY, None)
    if breakage is None:
        yield
        return
    with broken(request.getfixturevalue("cluster"), breakage):
        yield
