"""What was tested that is not the tutorial's own or not the default: one list, complete.

Each line says which expectations rest on it: whoever relies on one of these should know that its
proof is of a mesh, or of an application, that is other in this way. The lists stand in the
suites' files, and docs/machine.md has the settings behind those of the cluster and the mesh.
"""

from __future__ import annotations

from collections.abc import Iterable

from meshproof.mesh.capabilities import BY_PROXIES
from meshproof.suite.features import expectations_that_need
from meshproof.suite.model import Deviation
from meshproof.suite.registry import suites


def deviations() -> tuple[Deviation, ...]:
    """Return that of every suite, and those of each, all of them once."""
    return (observed(), *dict.fromkeys(one for suite in suites() for one in suite.deviations))


def observed() -> Deviation:
    """What the suites see by: the same for each, with what rests on it in all of them."""
    return Deviation(
        "counts and access logs",
        "Pods of the suites carry an annotation by which their sidecars keep count of what they "
        "served and refused, and an EnvoyFilter in each namespace of the suites, where the mesh "
        "takes one, has them log calls with both sides' identities.",
        "Istio's default settings leave both out; they are held against what never arrived, and "
        "say to whom something was served.",
        tuple(dict.fromkeys(expectations_that_need(BY_PROXIES, suites()))),
    )


def deviations_of(*, built: bool) -> list[Deviation]:
    """Return those of a run; ``built`` says that Meshproof built its cluster and mesh."""
    return [one for one in deviations() if built or not one.built]


def described(texts: Iterable[str]) -> list[Deviation]:
    """Return deviations by their texts; of one that is not in the list only the text is known."""
    known = {one.text: one for one in deviations()}
    return [known.get(text) or Deviation(text, text, "") for text in texts]
