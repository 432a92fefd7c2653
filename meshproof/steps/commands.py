"""The tutorial's published commands, and what they print."""

from __future__ import annotations

from pytest_bdd import given, parsers, then, when

from meshproof.cluster.objects import Objects, live_objects
from meshproof.probes.commands import (
    address_in,
    held_against,
    label_of_namespace,
    new_against_created,
    printed_by,
)
from meshproof.process import Completed
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial


@then(
    parsers.parse('the commands with "{file}" printed exactly these lines, in {order} order'),
    target_fixture="printed",
)
def commands_printed(
    commands: list[Completed], evidence: Evidence, file: str, order: str, docstring: str
) -> list[str]:
    """The commands with a file printed the tutorial's list: one in this order, all in any order."""
    seen = evidence.tell(held_against(file, printed_by(commands, file, order), docstring, order))
    assert not seen.problem, seen.problem
    return printed_by(commands, file, order)


@given("the objects of the namespace are listed", target_fixture="objects_before")
def objects_are_listed(tutorial: Tutorial) -> Objects:
    """List the objects of the namespace before a command is run."""
    return live_objects(tutorial.cluster, tutorial.namespace)


@then("the namespace has no new objects but those printed as created")
def no_other_new_objects(
    tutorial: Tutorial, objects_before: Objects, printed: list[str], evidence: Evidence
) -> None:
    """The objects that came to the namespace are just those that were printed as created."""
    seen = evidence.tell(new_against_created(tutorial, objects_before, printed))
    assert not seen.problem, seen.problem


@then("the namespace has no new Deployments and Services but those printed as created")
def no_other_new_deployments_and_services(
    tutorial: Tutorial, objects_before: Objects, printed: list[str], evidence: Evidence
) -> None:
    """The Deployments and Services that came are just those that were printed as created."""
    kinds = ("Deployment", "Service")
    seen = evidence.tell(new_against_created(tutorial, objects_before, printed, kinds))
    assert not seen.problem, seen.problem


@then(parsers.parse('the namespace carries the label "{label}" with the value "{value}"'))
def namespace_carries_label(tutorial: Tutorial, evidence: Evidence, label: str, value: str) -> None:
    """The namespace has a label with this value."""
    seen = evidence.tell(label_of_namespace(tutorial, label, value))
    assert not seen.problem, seen.problem


@when("the tutorial's command for the ingress address is run", target_fixture="printed_address")
def address_command_is_run(tutorial: Tutorial, address_command: str, evidence: Evidence) -> str:
    """Run the tutorial's jsonpath command as published."""
    printed = tutorial.run(address_command).stdout
    evidence.result(f"The command printed {printed.strip() or 'nothing'}.")
    return printed


@then("the printed address is an IP address")
def printed_address_is_one(printed_address: str) -> None:
    """What the command printed is an IP address."""
    assert address_in(printed_address), "the command printed no IP address"
