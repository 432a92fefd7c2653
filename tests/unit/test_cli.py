from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from meshproof import __version__, cli
from meshproof.cli import artefacts, clusters
from meshproof.engine.machine import Machine
from meshproof.environment import bring_up, take_down
from meshproof.environment.finding import Finding
from meshproof.errors import EnvironmentBroken
from meshproof.paths import cache_dir, state_dir
from meshproof.supply.catalogue import recipes as all_recipes

Command = Callable[..., int]


@pytest.fixture
def untouched(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No engine is brought up, and nothing is left behind."""

    def refuse(*given: Any, **named: Any) -> None:
        raise AssertionError("an engine was asked for")

    monkeypatch.setattr(artefacts, "ensure_engine", refuse)
    monkeypatch.setattr(bring_up, "ensure_engine", refuse)
    monkeypatch.setattr(take_down, "ensure_engine", refuse)
    yield
    assert not cache_dir().exists()
    assert not state_dir().exists()


#: Where a command finds what it calls.
CALLED: dict[str, tuple[Any, str]] = {
    "up": (bring_up, "up"),
    "down": (take_down, "down"),
    "doctor": (clusters, "doctor_of"),
    "status": (clusters, "status_of"),
}


@pytest.fixture
def doing(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Any], None]:
    """A function that makes what a command calls return or raise something."""

    def set_result(name: str, result: Any) -> None:
        def stand_in(*given: Any) -> Any:
            if isinstance(result, BaseException):
                raise result
            return result

        monkeypatch.setattr(*CALLED[name], stand_in)

    return set_result


def test_help_lists_the_commands(meshproof: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert meshproof("--help") == 0
    printed = capsys.readouterr().out
    listed = [line.split()[0] for line in printed.partition("Commands:")[2].splitlines() if line]
    assert set(listed) >= {"doctor", "up", "down", "status", "build"}
    assert set(listed) == set(cli.cli.commands)


@pytest.mark.parametrize("name", cli.cli.commands)
def test_every_command_and_every_option_of_it_has_a_help_text(
    meshproof: Command, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert meshproof(name, "-h") == 0
    assert f"usage: meshproof {name}" in capsys.readouterr().out.lower()
    for parameter in cli.cli.commands[name].params:
        if parameter.param_type_name == "option":
            assert parameter.to_info_dict()["help"], parameter.name


def test_version(meshproof: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert meshproof("--version") == 0
    assert __version__ in capsys.readouterr().out


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["up", "--nonsense"], "No such option"),
        (["nonsense"], "No such command 'nonsense'"),
        (["down", "extra"], "unexpected extra argument"),
        (["up", "--nodes"], "requires an argument"),
    ],
)
def test_what_is_not_understood_is_a_usage_error(
    meshproof: Command, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert meshproof(*arguments) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("command", ["up", "doctor"])
def test_a_bad_value_is_one_sentence_and_leaves_nothing_behind(
    meshproof: Command, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert meshproof(command, "--nodes", "0") == 2
    assert capsys.readouterr() == (
        "",
        "meshproof: --nodes: Input should be greater than or equal to 1 (given: '0').\n",
    )


@pytest.mark.usefixtures("untouched", "recipes")
@pytest.mark.parametrize("names", [["nonsense"], ["kind", "nonsense"], ["node", "nonsense"]])
def test_an_unknown_recipe_lists_the_known_ones_and_leaves_nothing_behind(
    meshproof: Command, capsys: pytest.CaptureFixture[str], names: list[str]
) -> None:
    assert meshproof("build", *names) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("meshproof: There is no recipe “nonsense”; there are: kind, ")
    assert printed.count("\n") == 1


@pytest.mark.usefixtures("untouched")
def test_build_without_names_lists_the_recipes(
    meshproof: Command,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    recipes: dict[str, object],
) -> None:
    monkeypatch.setattr(artefacts, "answering", lambda: None)
    monkeypatch.setenv("COLUMNS", "200")
    assert meshproof("build") == 0
    rows = capsys.readouterr().out.splitlines()[1:]
    assert [row.split()[0] for row in rows] == list(recipes)
    assert {row.split()[-1] for row in rows} == {"no"}


def test_what_is_kept_is_listed_and_what_nobody_names_is_taken_away(
    meshproof: Command,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(artefacts, "answering", lambda: None)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("MESHPROOF_CACHE", str(tmp_path))
    (tmp_path / "artefacts" / "kind-0123456789abcdef").mkdir(parents=True)
    assert meshproof("cache") == 0
    printed = capsys.readouterr().out
    row = "kind-0123456789abcdef folder 0.0 MB unknown no checkout"
    assert row in " ".join(printed.split())
    (note,) = (tmp_path / "checkouts").iterdir()  # what this checkout names is known from here on
    assert json.loads(note.read_text())["keys"].keys() == all_recipes().keys()
    assert meshproof("cache", "--prune") == 0
    printed = capsys.readouterr().out
    assert printed.startswith("gone: kind-0123456789abcdef, 0.0 MB\nNo container engine answers")
    assert not list((tmp_path / "artefacts").iterdir())
    assert meshproof("cache", "--prune") == 0
    assert capsys.readouterr().out.startswith("Every artefact is named by a checkout.\n")


def test_a_broken_environment_is_exit_code_3_with_its_details(
    meshproof: Command, capsys: pytest.CaptureFixture[str], doing: Callable[[str, Any], None]
) -> None:
    doing("up", EnvironmentBroken("kind could not create the cluster.", "$ kind\nno space left"))
    assert meshproof("up") == 3
    assert capsys.readouterr() == (
        "",
        "meshproof: kind could not create the cluster.\n$ kind\nno space left\n",
    )


def test_an_interrupt_is_exit_code_130(
    meshproof: Command, capsys: pytest.CaptureFixture[str], doing: Callable[[str, Any], None]
) -> None:
    doing("up", KeyboardInterrupt())
    assert meshproof("up") == 130
    assert "meshproof: interrupted" in capsys.readouterr().err


@pytest.mark.parametrize(("fatal", "code"), [(True, 3), (False, 0)])
def test_doctor_ends_3_where_up_cannot_work(
    meshproof: Command,
    capsys: pytest.CaptureFixture[str],
    doing: Callable[[str, Any], None],
    fatal: bool,
    code: int,
) -> None:
    doing("doctor", [Finding("engine", "none [of any kind]", fatal)])
    assert meshproof("doctor") == code
    assert capsys.readouterr().out.split() == [
        "✗" if fatal else "✓",
        "engine",
        "none",
        "[of",
        "any",
        "kind]",
    ]


@pytest.mark.parametrize(
    ("there", "printed"), [(True, "nightly is gone\n"), (False, "there is no cluster\n")]
)
def test_down_says_whether_there_was_a_cluster(
    meshproof: Command,
    capsys: pytest.CaptureFixture[str],
    doing: Callable[[str, Any], None],
    there: bool,
    printed: str,
) -> None:
    doing("down", there)
    assert meshproof("down", "--cluster-name", "nightly") == 0
    assert capsys.readouterr().out == printed


def test_status_shows_what_is_there(
    meshproof: Command, capsys: pytest.CaptureFixture[str], doing: Callable[[str, Any], None]
) -> None:
    doing("status", [("engine", "docker 26.1.5"), ("kubeconfig", "/a[1]/kubeconfig")])
    assert meshproof("status") == 0
    assert capsys.readouterr().out.split() == [
        "engine",
        "docker",
        "26.1.5",
        "kubeconfig",
        "/a[1]/kubeconfig",
    ]


def test_no_install_is_an_option_of_up(
    meshproof: Command, monkeypatch: pytest.MonkeyPatch, machine: Machine, tmp_path: Path
) -> None:
    given: list[bool] = []

    def up(options: Any, progress: Any) -> None:
        given.append(options.install)
        raise EnvironmentBroken("Enough.")

    monkeypatch.setattr(bring_up, "up", up)
    for flags in (["--no-install"], ["--install"], []):
        assert meshproof("up", *flags) == 3
    assert given == [False, True, True]
