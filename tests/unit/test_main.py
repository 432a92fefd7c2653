from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from meshproof.errors import ExitCode
from meshproof.plugin import main as entry
from meshproof.plugin.main import SessionOutcome
from meshproof.suite.reading import SuiteInvalid

#: Stands in for pytest: gets the arguments and the plugins.
Runner = Callable[..., int]


@pytest.fixture
def ending(monkeypatch: pytest.MonkeyPatch) -> Callable[[Runner], None]:
    """Puts something else in pytest's place."""

    def replace(runner: Runner) -> None:
        monkeypatch.setattr(pytest, "main", runner)

    return replace


def finish(plugin: SessionOutcome, status: int) -> None:
    """End a session in which everyone who has a say has had it."""
    session: Any = SimpleNamespace(exitstatus=1)
    hook = plugin.pytest_sessionfinish(session)
    next(hook)
    session.exitstatus = status
    with pytest.raises(StopIteration):
        next(hook)


@pytest.mark.parametrize("code", ExitCode)
def test_the_exit_code_of_a_session_is_that_of_its_verdict(
    ending: Callable[[Runner], None], code: ExitCode
) -> None:
    def run(arguments: list[str], plugins: Sequence[Any]) -> int:
        finish(plugins[0], code)
        return 1

    ending(run)
    assert entry.main([]) == code


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (pytest.ExitCode.OK, ExitCode.ACCEPTED),
        (pytest.ExitCode.USAGE_ERROR, ExitCode.USAGE),
        (pytest.ExitCode.INTERRUPTED, ExitCode.INTERRUPTED),
        (pytest.ExitCode.INTERNAL_ERROR, ExitCode.ENVIRONMENT),
        (pytest.ExitCode.TESTS_FAILED, ExitCode.ENVIRONMENT),
        (pytest.ExitCode.NO_TESTS_COLLECTED, ExitCode.ENVIRONMENT),
        (77, ExitCode.ENVIRONMENT),
    ],
)
def test_what_pytest_says_where_no_session_ended(
    ending: Callable[[Runner], None], code: int, meaning: ExitCode
) -> None:
    ending(lambda arguments, plugins: code)
    assert entry.main([]) == meaning


def test_where_pytest_itself_breaks_nothing_is_said_of_the_mesh(
    ending: Callable[[Runner], None], capsys: pytest.CaptureFixture[str]
) -> None:
    def run(arguments: list[str], plugins: Sequence[Any]) -> int:
        raise OSError("no space left on device")

    ending(run)
    assert entry.main([]) == ExitCode.ENVIRONMENT
    assert "no space left on device" in capsys.readouterr().err


def test_a_session_that_breaks_while_it_ends_has_no_exit_code(
    ending: Callable[[Runner], None],
) -> None:
    def run(arguments: list[str], plugins: Sequence[Any]) -> int:
        session: Any = SimpleNamespace(exitstatus=0)
        hook: Any = plugins[0].pytest_sessionfinish(session)
        next(hook)
        hook.throw(ValueError("the sign-off cannot be put together"))
        return 0

    ending(run)
    assert entry.main([]) == ExitCode.ENVIRONMENT


def test_arguments_are_pytests(ending: Callable[[Runner], None]) -> None:
    seen: list[str] = []

    def run(arguments: list[str], plugins: Sequence[Any]) -> int:
        seen.extend(arguments)
        return 0

    ending(run)
    entry.main(["features", "-m", "D1"])
    assert seen == ["features", "-m", "D1"]


def test_a_suite_that_cannot_be_read_is_told_before_pytest_begins(
    ending: Callable[[Runner], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    begun: list[str] = []

    def refuse() -> None:
        raise SuiteInvalid("features/shop/suite.yaml, line 3: there is no field “x”.")

    def begin(arguments: list[str], plugins: Sequence[Any]) -> int:
        begun.append("pytest")
        return 0

    ending(begin)
    monkeypatch.setattr(entry, "suites", refuse)
    assert entry.main([]) == ExitCode.USAGE
    assert capsys.readouterr().err == (
        "meshproof: features/shop/suite.yaml, line 3: there is no field “x”.\n"
    )
    assert not begun
