"""Whether the page can be reached through an ingress, or not yet."""

from __future__ import annotations

from meshproof.analysis.observation import Observation, unless
from meshproof.mesh.ingress import Ingress
from meshproof.suite.model import Served


def unreachable(ingress: Ingress, page: Served, count: int) -> Observation:
    """Ask for the page so often, where nobody is to be served: no answer, or a 404."""
    answers = [ingress.request("GET", page.path) for _ in range(count)]
    served = [str(answer) for answer in answers if answer.status not in (None, 404)]
    return Observation(
        baselines=[f"{len(served)} of {count} requests were served before; e.g. {answers[0]}."],
        problems=[f"{len(served)} of {count} requests were served: {one}" for one in served[:1]],
    )


def served(ingress: Ingress, page: Served, where: str) -> Observation:
    """Ask for the page once, and say ``where`` it was served."""
    answer = ingress.request("GET", page.path)
    if answer.status != 200:
        return Observation(problems=[str(answer)])
    another = f"{answer}, which is another page: it does not hold {page.holds.strip()}"
    return Observation(
        results=[f"{where}: {answer}."],
        problems=unless(page.by(answer.status, answer.body), another),
    )
