"""Whether the page can be reached through an ingress, or not yet."""

from __future__ import annotations

from meshproof.analysis.observation import Observation
from meshproof.probes.ingress import Ingress


def unreachable(ingress: Ingress, count: int) -> Observation:
    """Ask for the page so often, where nobody is to be served: no answer, or a 404."""
    responses = [ingress.view() for _ in range(count)]
    served = [str(response) for response in responses if response.status not in (None, 404)]
    return Observation(
        baselines=[f"{len(served)} of {count} requests were served before; e.g. {responses[0]}."],
        problems=[f"{len(served)} of {count} requests were served: {one}" for one in served[:1]],
    )


def served(ingress: Ingress, where: str) -> Observation:
    """Ask for the page once, and say ``where`` it was served."""
    response = ingress.view()
    if response.status != 200:
        return Observation(problems=[str(response)])
    return Observation(results=[f"{where}: {response.page}."])
