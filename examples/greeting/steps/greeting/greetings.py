"""What users are greeted with: the steps that Meshproof's vocabulary does not have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_bdd import parsers, then, when

from meshproof.analysis.observation import Observation, unless
from meshproof.analysis.strength import AlwaysDemand
from meshproof.mesh.ingress import Ingress
from meshproof.signoff.evidence import Evidence

#: The headers that each kind of user sends.
USERS: Mapping[str, Mapping[str, str]] = {"testers": {"tester": "yes"}, "everyone else": {}}


@dataclass(frozen=True)
class Greetings:
    """What came back, by the kind of user, and how sure that must make us."""

    answers: Mapping[str, Sequence[str]]
    demand: AlwaysDemand

    def of(self, user: str, version: str) -> Observation:
        """Hold the greetings of a kind of user against one version."""
        answers = self.answers[user]
        others = [answer for answer in answers if f"Hello from {version}" not in answer]
        claim = self.demand.claim(len(answers), len(others), "greetings")
        return Observation(
            results=[f"Greetings of {user} are of {version}: {claim}."],
            texts={f"greetings of {user}": "\n".join(answers)},
            problems=unless(claim.holds, f"{user}: not all are of {version}: {claim}"),
        )


@when("greetings are asked for by testers and by everyone else", target_fixture="greetings")
def greetings_are_asked_for(ingress: Ingress, demand: AlwaysDemand) -> Greetings:
    """Ask in turn with and without the header, as often as the sample demands."""
    answers: dict[str, list[str]] = {user: [] for user in USERS}
    for _ in range(demand.samples):
        for user, headers in USERS.items():
            answer = ingress.request("GET", headers=headers)
            answers[user].append(f"{answer.status} {answer.body.strip()}")
    return Greetings(answers, demand)


@then(parsers.parse('every greeting of {user} is of version "{version}"'))
def every_greeting_is_of(greetings: Greetings, evidence: Evidence, user: str, version: str) -> None:
    """Every answer to this kind of user says that it is from this version."""
    seen = evidence.tell(greetings.of(user, version))
    assert not seen.problem, seen.problem
