"""Goes from stage to stage, and runs a stage's commands a second time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from meshproof.analysis.observation import Observation, unless
from meshproof.cluster.objects import Objects, live_objects
from meshproof.cluster.pods import PodState
from meshproof.process import Completed
from meshproof.suite.round_trips import (
    Transition,
    changes_seen,
    changes_told,
    draw_pair,
    go,
    walk,
)
from meshproof.suite.tutorial import Tutorial
from meshproof.wording import in_turn, listed, number


@dataclass(frozen=True)
class Again:
    """Commands that were run a second time, and what the namespace held before."""

    commands: list[Completed]
    objects: Objects
    pods: list[PodState]


def repeat(tutorial: Tutorial, stage: str) -> Again:
    """Run the commands of a stage, whatever comes of them."""
    objects, pods = live_objects(tutorial.cluster, tutorial.namespace), tutorial.pods()
    lines = tutorial.suite.stage(stage).command_lines(tutorial.namespace)
    return Again([tutorial.run(line, check=False) for line in lines], objects, pods)


def nothing_told(again: Again) -> Observation:
    """Hold what repeated commands printed against having changed nothing."""
    told = [
        f"{done.command_line}: {line}" for done in again.commands for line in changes_told(done)
    ]
    return Observation(
        results=[
            f"{number(len(again.commands), 'command')} run a second time told of "
            f"{number(len(told), 'change')}."
        ],
        problems=unless(not told, in_turn(told)),
    )


def same_as_before(tutorial: Tutorial, again: Again, stage: str) -> Observation:
    """Hold stage, objects and pods of the namespace against those before."""
    changes = changes_seen(again.objects, live_objects(tutorial.cluster, tutorial.namespace))
    at, pods = tutorial.stage(), tutorial.pods()
    before, after = (listed(some, most=len(some)) for some in (again.pods, pods))
    return Observation(
        details=[
            f"at {at}; {len(again.objects)} objects and {len(pods)} pods, changed: "
            f"{listed(changes)}"
        ],
        problems=[
            *unless(at == stage, f"the namespace is at {at or 'no stage'}"),
            *unless(not changes, in_turn(changes)),
            *unless(pods == again.pods, f"{before} before, {after} after"),
        ],
    )


def drawn_from(tutorial: Tutorial, seed: int | None) -> Observation:
    """Say which two of a tutorial's stages a seed draws."""
    low, high = draw_pair(tutorial.suite.stage_names, seed)
    return Observation(details=[f"drawn from seed {seed}: {low} and {high}"])


def walk_all(
    tutorial: Tutorial, seed: int | None, keep: Callable[[Observation], object]
) -> list[Transition]:
    """Go back stage by stage, and once forth and back between the two that are drawn."""
    names = tutorial.suite.stage_names
    low, high = draw_pair(names, seed)
    transitions = [go(tutorial, stage) for stage in walk(names, low, high)[1:]]
    lines = "".join(f"{one}\n" for one in transitions)
    keep(Observation(texts={"transitions between stages": lines}))
    return transitions


def all_reached(transitions: Sequence[Transition]) -> Observation:
    """Hold transitions against what can be wrong with one."""
    wrong = [line for one in transitions for line in one.problems]
    return Observation(
        results=[
            f"{number(len(transitions), 'transition')} between stages, {len(wrong)} of them wrong."
        ],
        details=[listed(transitions, most=len(transitions))],
        problems=unless(transitions and not wrong, in_turn(wrong)),
    )
