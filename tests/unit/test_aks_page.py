"""docs/aks.md names commands that there are; tests/clusters/test_aks_page.py runs them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

import click
import pytest

from meshproof.cli import cli
from meshproof.environment.options import Options, option_flags
from meshproof.paths import PROJECT
from tests.pages import blocks
from tests.suites import IDS

PAGE = PROJECT / "docs" / "aks.md"
AZURE = re.compile(r"(?:[A-Z]+=\$\()?az ")
VARIABLE = re.compile(r"\bMESHPROOF_([A-Z_]+)")
#: What else a reader types.
PROGRAMS = {"kubectl", "istioctl", "sed", "install", "rm", "export", "TOKEN=$(kubectl"}
COMMANDS = [
    command for one in blocks(PAGE) if one.language in {"shell", "sh"} for command in one.commands
]
OURS = [command for command in COMMANDS if command.startswith("meshproof ")]


def parse(
    arguments: Sequence[str], command: click.Command = cli, parent: click.Context | None = None
) -> None:
    """Parse a command's arguments, and run nothing. Raises ``click.UsageError``."""
    if not isinstance(command, click.Group):
        command.make_context(command.name, list(arguments), parent=parent)
        return
    name, *rest = arguments
    found = command.commands.get(name)
    if found is None:
        raise click.UsageError(f"No such command {name}.")
    # A command keeps the options for help of the first context that it is in.
    with click.Context(command, parent, **command.context_settings) as context:
        parse(rest, found, context)


def parse_run(arguments: Sequence[str]) -> None:
    """Hold a run's arguments, which pytest would parse, against features, options and ids."""
    folder, *rest = arguments
    assert (PROJECT / folder).is_dir()
    known = {option_flags(name) for name in Options.model_fields}
    for flag, value in zip(rest[::2], rest[1::2], strict=True):
        assert flag == "-m" or flag in known
        if flag == "-m":
            assert {*value.split(" or ")} <= {*IDS}


def test_only_the_blocks_of_azure_have_commands_of_az() -> None:
    assert not [command for command in COMMANDS if AZURE.match(command)]
    azure = [
        command for one in blocks(PAGE) if one.language == "azurecli" for command in one.commands
    ]
    assert azure
    assert [command for command in azure if not AZURE.match(command)] == []


def test_every_block_is_azures_or_is_typed() -> None:
    assert {one.language for one in blocks(PAGE)} == {"azurecli", "shell", "sh"}


@pytest.mark.parametrize("command", OURS)
def test_every_command_of_ours_is_one_that_there_is(command: str) -> None:
    _, *arguments = shlex.split(command)
    parse(arguments)
    if arguments[0] == "run":
        parse_run(arguments[1:])


@pytest.mark.parametrize(
    "typed", ["doctr", "keygen", "images pull x", "sign-off reports --decision perhaps"]
)
def test_a_command_that_there_is_not_is_found(typed: str) -> None:
    with pytest.raises(click.UsageError):
        parse(shlex.split(typed))


def test_the_others_are_of_few_programs() -> None:
    assert {command.split()[0] for command in COMMANDS} - {"meshproof"} == PROGRAMS


def test_every_variable_is_an_option() -> None:
    named = set(VARIABLE.findall(PAGE.read_text()))
    assert named
    assert {name.lower() for name in named} <= Options.model_fields.keys()
