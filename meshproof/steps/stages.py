"""The stages of the tutorial: to be at one, and to go on to another."""

from __future__ import annotations

from pytest_bdd import given, parsers, when

from meshproof.plugin.tutorial import Beside
from meshproof.process import Completed
from meshproof.suite.tutorial import Tutorial


@given(parsers.parse('the namespace is at stage "{stage}"'), target_fixture="commands")
def at_stage(tutorial: Tutorial, stage: str) -> list[Completed]:
    """Bring the namespace to the end of a stage, by the tutorial's own commands."""
    return tutorial.follow_to(stage)


@given(
    parsers.parse('stage "{stage}" is reached in a separate namespace'), target_fixture="tutorial"
)
def at_stage_in_separate_namespace(beside: Beside, stage: str) -> Tutorial:
    """Follow the tutorial in a new namespace, in which the scenario goes on."""
    tutorial = beside("steady")
    tutorial.follow_to(stage)
    return tutorial


@given(parsers.parse('the tutorial goes on to stage "{stage}"'), target_fixture="commands")
@when(parsers.parse('the tutorial goes on to stage "{stage}"'), target_fixture="commands")
def goes_on_to_stage(tutorial: Tutorial, stage: str) -> list[Completed]:
    """Run the tutorial's commands up to the end of a later stage."""
    return tutorial.follow_to(stage)
