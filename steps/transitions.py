"""Ways between the stages, and commands that are run a second time (A4)."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_bdd import parsers, then, when

from meshproof.cluster.objects import live_objects
from meshproof.cluster.pods import PodState
from meshproof.environment.options import Options
from meshproof.process import Completed
from meshproof.signoff.evidence import Evidence
from meshproof.suite.round_trips import Way, changes_seen, changes_told, draw_pair, go, walk
from meshproof.suite.stages import Objects, stage_named
from meshproof.suite.tutorial import Tutorial
from meshproof.wording import in_turn, listed, number


@dataclass(frozen=True)
class Again:
    """Commands that were run a second time, and what the namespace held before."""

    commands: list[Completed]
    objects: Objects
    pods: list[PodState]


@when(parsers.parse('the commands of "{stage}" are run once more'), target_fixture="again")
def _(tutorial: Tutorial, stage: str) -> Again:
    objects, pods = live_objects(tutorial.cluster, tutorial.namespace), tutorial.pods()
    lines = stage_named(stage).command_lines(tutorial.namespace)
    return Again([tutorial.run(line, check=False) for line in lines], objects, pods)


@then("each says that it changed nothing")
def _(again: Again, evidence: Evidence) -> None:
    told = [
        f"{done.command_line}: {line}" for done in again.commands for line in changes_told(done)
    ]
    evidence.result(
        f"{number(len(again.commands), 'command')} run a second time told of "
        f"{number(len(told), 'change')}."
    )
    assert not told, in_turn(told)


@then(parsers.parse('the namespace is still at "{stage}", its objects and pods the same'))
def _(tutorial: Tutorial, again: Again, evidence: Evidence, stage: str) -> None:
    changes = changes_seen(again.objects, live_objects(tutorial.cluster, tutorial.namespace))
    at, pods = tutorial.stage(), tutorial.pods()
    evidence.observe(
        f"at {at}; {len(again.objects)} objects and {len(pods)} pods, changed: {listed(changes)}"
    )
    assert at == stage, f"the namespace is at {at or 'no stage'}"
    assert not changes, in_turn(changes)
    assert pods == again.pods, (
        f"{listed(again.pods, most=len(again.pods))} before, {listed(pods, most=len(pods))} after"
    )


@when(
    "the namespace goes back stage by stage, and between two stages that are drawn",
    target_fixture="ways",
)
def _(tutorial: Tutorial, options: Options, evidence: Evidence) -> list[Way]:
    low, high = draw_pair(options.seed)
    evidence.observe(f"drawn from seed {options.seed}: {low} and {high}")
    ways = [go(tutorial, stage) for stage in walk(low, high)[1:]]
    evidence.text("ways between stages", "".join(f"{way}\n" for way in ways))
    return ways


@then("each way led to its stage, in the same namespace, and none back took a step forward")
def _(ways: list[Way], evidence: Evidence) -> None:
    wrong = [line for way in ways for line in way.problems]
    evidence.result(f"{number(len(ways), 'way')} between stages, {len(wrong)} of them wrong.")
    evidence.observe(listed(ways, most=len(ways)))
    assert not wrong, in_turn(wrong)
