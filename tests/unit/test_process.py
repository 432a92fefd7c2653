from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from meshproof.errors import EnvironmentBroken, ExitCode
from meshproof.process import (
    CommandFailed,
    Completed,
    end_running,
    last_lines,
    run,
    run_logged,
)
from meshproof.waiting import Timeout, converge

#: A command that starts another one, which would outlive it and holds its output open.
WITH_CHILD = ["sh", "-c", 'sleep 300 & echo $! >"$0"; wait']
SOON = Timeout("soon", 5, 0.02, "a process that is killed is gone at once")


def test_what_a_command_printed_and_how_it_ended() -> None:
    done = run(["sh", "-c", "echo out; echo err >&2; exit 3"], check=False)
    assert (done.stdout, done.stderr, done.exit_code, done.ok) == ("out\n", "err\n", 3, False)
    assert 0 < done.duration < 10
    assert abs(done.started - time.time()) < 10


def test_a_failing_command_is_an_error_with_its_transcript() -> None:
    with pytest.raises(CommandFailed) as raised:
        run(["sh", "-c", "echo out; echo err >&2; exit 3"])
    error = raised.value
    assert error.sentence == "“sh” failed with exit code 3."
    assert error.details.startswith(
        "$ sh -c 'echo out; echo err >&2; exit 3'\nout\nerr\n[exit code 3,"
    )
    assert error.completed.exit_code == 3
    assert error.exit_code == ExitCode.ENVIRONMENT


def test_a_command_that_takes_too_long_is_stopped_and_what_it_printed_is_kept() -> None:
    begun = time.monotonic()
    with pytest.raises(CommandFailed, match=r"did not end within 0\.5 s and was stopped") as raised:
        run(["sh", "-c", "echo so far; exec sleep 30"], timeout=0.5)
    assert time.monotonic() - begun < 10
    assert raised.value.completed.stdout == "so far\n"


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(
        EnvironmentBroken, match="“no-such-program” is not there; `meshproof doctor`"
    ):
        run(["no-such-program"])


def test_standard_input_is_given_or_empty() -> None:
    assert run(["cat"], stdin="text").stdout == "text"
    assert run(["cat"]).stdout == ""


def test_environment_is_added_to_this_process_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OURS", "kept")
    done = run(["sh", "-c", 'echo "$OURS $MORE $(pwd)"'], env={"MORE": "added"}, cwd=tmp_path)
    assert done.stdout == f"kept added {tmp_path}\n"


def test_output_that_is_not_text_is_kept_as_well_as_can_be() -> None:
    assert run(["printf", "a\\377b"]).stdout == "a�b"


def test_transcript_of_a_silent_command() -> None:
    done = Completed(("kubectl", "get", "a b"), 0, "", "", 0, 1.234)
    assert done.transcript() == "$ kubectl get 'a b'\n[exit code 0, 1.23 s]\n"


def test_a_logged_command_writes_its_log_and_says_nothing_else(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "logs" / "build.log"
    for word in ("one", "two"):
        run_logged(["sh", "-c", f"echo {word}; echo err >&2"], log=log, timeout=10)
    assert log.read_text() == (
        "$ sh -c 'echo one; echo err >&2'\none\nerr\n$ sh -c 'echo two; echo err >&2'\ntwo\nerr\n"
    )
    assert capfd.readouterr() == ("", "")


def test_a_failing_logged_command_names_its_log_and_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    with pytest.raises(EnvironmentBroken) as raised:
        run_logged(["sh", "-c", "seq 100; exit 2"], log=log, timeout=10)
    assert raised.value.sentence == f"“sh” failed (exit code 2); the whole log is {log}."
    assert raised.value.details.splitlines() == [str(number) for number in range(86, 101)]


def test_a_logged_command_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    with pytest.raises(EnvironmentBroken, match=r"not finished within 0\.5 s") as raised:
        run_logged(["sh", "-c", "echo so far; exec sleep 30"], log=log, timeout=0.5)
    assert raised.value.details.endswith("so far")


def test_a_logged_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentBroken, match="“no-such-program” is not there"):
        run_logged(["no-such-program"], log=tmp_path / "log", timeout=10)


def test_a_logged_command_reads_a_file(tmp_path: Path) -> None:
    (tmp_path / "given").write_text("from a file\n")
    run_logged(["cat"], log=tmp_path / "log", timeout=10, stdin=tmp_path / "given")
    assert last_lines(tmp_path / "log", 1) == "from a file"


def test_last_lines_of_a_log_that_is_not_all_text(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"one\n\xff\nthree\n")
    assert last_lines(tmp_path / "log", 2) == "�\nthree"


def test_paths_are_words_of_a_command() -> None:
    assert run([Path(sys.executable), "-c", "print(1)"]).argv[0] == sys.executable


# A command that is given up ends with what it has started.


def await_pid(file: Path) -> int:
    """The pid of the child of `WITH_CHILD`, once it runs."""
    return converge(
        lambda: int(file.read_text()), until=bool, what="the child runs", timeout=SOON
    ).value


def is_gone(pid: int) -> bool:
    """Whether a process runs no more; one that nobody has asked after is still listed."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


def await_gone(pid: int) -> None:
    converge(lambda: is_gone(pid), until=bool, what=f"process {pid} is gone", timeout=SOON)


@pytest.mark.parametrize(
    "start",
    [
        lambda argv, tmp_path: run(argv, timeout=0.5),
        lambda argv, tmp_path: run_logged(argv, log=tmp_path / "log", timeout=0.5),
    ],
    ids=["run", "run_logged"],
)
def test_what_a_command_that_takes_too_long_has_started_ends_with_it(
    tmp_path: Path, start: Callable[[list[str], Path], object]
) -> None:
    begun = time.monotonic()
    with pytest.raises(EnvironmentBroken, match=r"within 0\.5 s"):
        start([*WITH_CHILD, str(tmp_path / "pid")], tmp_path)
    assert time.monotonic() - begun < 5
    await_gone(await_pid(tmp_path / "pid"))


def test_what_does_not_end_when_it_is_asked_to_is_killed(tmp_path: Path) -> None:
    stubborn = 'trap "" TERM; echo $$ >"$0"; while :; do sleep 0.1; done'
    with pytest.raises(CommandFailed):
        run(["sh", "-c", stubborn, str(tmp_path / "pid")], timeout=0.5)
    await_gone(await_pid(tmp_path / "pid"))


def test_an_interrupt_ends_what_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "pid"

    def interrupted(*_: object) -> None:
        await_pid(file)
        raise KeyboardInterrupt

    monkeypatch.setattr("subprocess.Popen.communicate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run([*WITH_CHILD, str(file)])
    await_gone(await_pid(file))


def test_commands_of_other_threads_can_be_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, raised = tmp_path / "pid", list[BaseException]()

    def command() -> None:
        try:
            run([*WITH_CHILD, str(file)])
        except CommandFailed as error:
            raised.append(error)

    class SlowlyKnown(subprocess.Popen[str]):
        """It runs for a while before whoever started it gets on."""

        def __init__(self, *words: Any, **how: Any) -> None:
            super().__init__(*words, **how)
            await_pid(file)
            time.sleep(0.2)

    monkeypatch.setattr(subprocess, "Popen", SlowlyKnown)
    thread = threading.Thread(target=command)
    thread.start()
    pid = await_pid(file)
    assert end_running() == 1
    thread.join(5)
    assert len(raised) == 1
    await_gone(pid)
    assert end_running() == 0


def test_a_command_does_not_get_the_signals_of_the_terminal() -> None:
    ids = "ps -o pgid= -o sid= -p $$"
    group, session = run(["sh", "-c", ids]).stdout.split()
    assert group == session
    assert run(["sh", "-c", ids]).stdout.split()[0] != group
