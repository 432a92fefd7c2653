"""What users are greeted with: the steps that Meshproof's vocabulary does not have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_bdd import when

from meshproof.analysis.observation import Observation, unless
from meshproof.analysis.strength import AlwaysDemand
from meshproof.mesh.ingress import Ingress

#: The headers that each kind of user sends.
USERS: Mapping[str, Mapping[str, str]] = {"testers": {"tester": "yes"}, "everyone else": {}}


@dataclass(frozen=True)
class Greetings:
    """What came back, by the kind of user, and how sure that must make us."""

    answers: Mapping[str, Sequence[str]]
    demand: AlwaysDemand

    def show(self, user: str, shown: str) -> Observation:
        """Hold the greetings of a kind of user against a version: `version "v2"`, say."""
        answers, version = self.answers[user], shown.removeprefix("version ").strip('"')
        others = [answer for answer in answers if f"Hello from {version}" not in answer]
        claim = self.demand.claim(len(answers), len(others), "greetings")
        return Observation(
            results=[f"Greetings of {user} are of {version}: {claim}."],
            texts={f"greetings of {user}": "\n".join(answers)},
            problems=unless(claim.holds, f"{user}: not all are of {version}: {claim}"),
        )


@when("greetings are asked for by testers and by everyone else", target_fixture="answered")
def greetings_are_asked_for(ingress: Ingress, demand: AlwaysDemand) -> Greetings:
    """Ask in turn with and without the header, as often as the sample demands."""
    answers: dict[str, list[str]] = {user: [] for user in USERS}
    for _ in range(demand.samples):
        for user, headers in USERS.items():
            answer = ingress.request("GET", headers=headers)
            answers[user].append(f"{answer.status} {answer.body.strip()}")
    return Greetings(answers, demand)
