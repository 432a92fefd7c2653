"""Transitions between the stages, and commands that are run a second time."""

from __future__ import annotations

from pytest_bdd import parsers, then, when

from meshproof.environment.options import Options
from meshproof.probes.transitions import (
    Again,
    all_reached,
    drawn_from,
    nothing_told,
    repeat,
    same_as_before,
    walk_all,
)
from meshproof.signoff.evidence import Evidence
from meshproof.suite.round_trips import Transition
from meshproof.suite.tutorial import Tutorial


@when(parsers.parse('the commands of stage "{stage}" are run once more'), target_fixture="again")
def commands_are_run_again(tutorial: Tutorial, stage: str) -> Again:
    """Run the commands of a stage where it is reached already."""
    return repeat(tutorial, stage)


@then("every repeated command says that it changed nothing")
def every_repeated_command_changed_nothing(again: Again, evidence: Evidence) -> None:
    """By what it prints, no command changed an object the second time."""
    seen = evidence.tell(nothing_told(again))
    assert not seen.problem, seen.problem


@then(parsers.parse('the namespace is at stage "{stage}" with the same objects and pods as before'))
def namespace_is_the_same(tutorial: Tutorial, again: Again, evidence: Evidence, stage: str) -> None:
    """No object has another version, and no pod is another, than before."""
    seen = evidence.tell(same_as_before(tutorial, again, stage))
    assert not seen.problem, seen.problem


@when(
    "the namespace is rolled back stage by stage, and moved between two random stages and back",
    target_fixture="transitions",
)
def namespace_is_rolled_back(
    tutorial: Tutorial, options: Options, evidence: Evidence
) -> list[Transition]:
    """Go from each stage to the one before, and once forth and back between two others."""
    evidence.tell(drawn_from(tutorial, options.seed))
    return walk_all(tutorial, options.seed, evidence.tell)


@then(
    "every transition reached its stage in the same namespace, no roll-back by published commands"
)
def every_transition_reached_its_stage(transitions: list[Transition], evidence: Evidence) -> None:
    """Each led to its stage without starting over; none backwards ran a command forward again."""
    seen = evidence.tell(all_reached(transitions))
    assert not seen.problem, seen.problem
