"""What can go wrong, as a user meets it: one plain sentence and an exit code.

The documented exit codes (docs/exit-codes.md): 0 accepted, 1 an expectation
failed, 2 usage, 3 the environment is broken, 4 partial, 129, 130 and 143
interrupted by SIGHUP, SIGINT and SIGTERM.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of the command and of a test run."""

    ACCEPTED = 0
    REJECTED = 1
    USAGE = 2
    ENVIRONMENT = 3
    PARTIAL = 4
    HUNG_UP = 129
    INTERRUPTED = 130
    TERMINATED = 143


class MeshproofError(Exception):
    """One sentence on what is wrong and what to do, with the output behind it.

    ``details`` holds what was run and what it printed; it is shown below the
    sentence and kept in the evidence.
    """

    exit_code = ExitCode.ENVIRONMENT

    def __init__(self, sentence: str, details: str = "") -> None:
        """Keep the sentence and, where a command was involved, its output."""
        super().__init__(sentence)
        self.sentence = sentence
        self.details = details.rstrip()

    def __str__(self) -> str:
        """Return the sentence, and the details below it."""
        return f"{self.sentence}\n{self.details}" if self.details else self.sentence


class PromiseBroken(AssertionError):
    """What was tested does not keep a promise: an answer, or none, that a reader would call broken.

    Raised where that is known. Only this and a failed assertion say that a promise is broken;
    whatever else goes wrong says nothing of it.
    """


class BrokenWhateverStruck(PromiseBroken):
    """A promise that is broken by something that was made and stays, whatever else happened.

    Nothing that strikes the ground meanwhile, a crowd or a lost node, explains it.
    """


class UsageFailure(MeshproofError):
    """The user asked for something that cannot be (exit code 2)."""

    exit_code = ExitCode.USAGE


class EnvironmentBroken(MeshproofError):
    """Nothing can be said of the mesh: machine, engine or cluster failed (exit code 3)."""

    exit_code = ExitCode.ENVIRONMENT
