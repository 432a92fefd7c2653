"""Answers that were sampled: what each kind of user got, how soon, and in which shares.

Who asks whom, and what can be read off an answer, a suite's own steps say.
"""

from __future__ import annotations

from typing import Protocol

from pytest_bdd import parsers, then

from meshproof.analysis.observation import Observation
from meshproof.signoff.evidence import Evidence


class Answered(Protocol):
    """Answers by who got them."""

    def show(self, users: str, shown: str) -> Observation:
        """Hold all answers to a kind of user against what they must show."""
        ...


class Timed(Protocol):
    """Answers by who got them, with how long each took."""

    def come(self, users: str, least: float, most: float) -> Observation:
        """Hold how long the answers to a kind of user took against two limits, in seconds."""
        ...


class Shared(Protocol):
    """Answers of two kinds, sampled until their shares were decided."""

    def even(self, one: str, other: str) -> Observation:
        """Hold the shares of both kinds against even ones."""
        ...


@then(parsers.parse("every answer to {users} shows {shown}"))
def every_answer_shows(answered: Answered, evidence: Evidence, users: str, shown: str) -> None:
    """All that this kind of user got, as often as was demanded, shows this."""
    seen = evidence.tell(answered.show(users, shown))
    assert not seen.problem, seen.problem


@then(parsers.parse("every answer to {users} takes {least:g} to {most:g} seconds"))
def every_answer_comes(
    answered: Timed, evidence: Evidence, users: str, least: float, most: float
) -> None:
    """No answer to this kind of user comes sooner or later."""
    seen = evidence.tell(answered.come(users, least, most))
    assert not seen.problem, seen.problem


@then(parsers.parse("{one} and {other} each make up half of the answers"))
def shares_are_even(answered: Shared, evidence: Evidence, one: str, other: str) -> None:
    """The sequential test of each sample finds the shares of both kinds even."""
    seen = evidence.tell(answered.even(one, other))
    assert not seen.problem, seen.problem
