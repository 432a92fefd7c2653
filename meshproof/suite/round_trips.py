"""Ways between stages, and what a step changes that is taken twice (A4)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from meshproof.cluster.objects import Manifest, Objects, namespace_object
from meshproof.process import Completed
from meshproof.suite.stages import output_lines
from meshproof.suite.tutorial import Tutorial

#: What kubectl says of an object that a command does not change, by the command.
UNCHANGED = {"apply": " unchanged", "label": " not labeled"}


@dataclass(frozen=True)
class Transition:
    """A way that was gone: between which stages, to where it led, and what it took.

    ``namespaces`` are the namespace's uids before and after: others, where it was started
    over. ``commands`` is how many of the tutorial's were run, ``seconds`` how long it took.
    ``forward`` says that it leads on in the tutorial.
    """

    origin: str
    target: str
    reached: str | None
    namespaces: tuple[str, str]
    commands: int
    seconds: float
    forward: bool = False

    @property
    def problems(self) -> list[str]:
        """What is wrong with it; empty where nothing is."""
        found = []
        if self.reached != self.target:
            found.append(f"{self}: it led to {self.reached or 'no stage'}")
        if self.namespaces[0] != self.namespaces[1]:
            found.append(f"{self}: the namespace was started over")
        if self.commands and not self.forward:
            found.append(f"{self}: it took {self.commands} commands forward again")
        return found

    def __str__(self) -> str:
        """Return the way in a line."""
        return f"{self.origin} → {self.target} in {self.seconds:.1f} s"


def go(tutorial: Tutorial, target: str) -> Transition:
    """Bring a namespace from the stage that it is at to another. Raises as `Tutorial.follow_to`."""
    origin, before, begun = tutorial.stage(), _uid(tutorial), time.monotonic()
    done = tutorial.follow_to(target)
    seconds = time.monotonic() - begun
    names, namespaces = tutorial.suite.stage_names, (before, _uid(tutorial))
    forward = origin in names and names.index(target) > names.index(origin)
    return Transition(
        str(origin), target, tutorial.stage(), namespaces, len(done), seconds, forward
    )


def _uid(tutorial: Tutorial) -> str:
    namespace = namespace_object(tutorial.cluster, tutorial.namespace) or {"metadata": {}}
    return str(namespace["metadata"].get("uid"))


def pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return stages that are no neighbours, the earlier one first."""
    return [(low, high) for index, low in enumerate(names) for high in names[index + 2 :]]


def draw_pair(names: Sequence[str], seed: int | None) -> tuple[str, str]:
    """Draw two stages that are no neighbours, each pair as likely; the earlier one first.

    The same seed draws the same pair.
    """
    return Random(f"{seed}: two stages").choice(pairs(names))  # noqa: S311 (no secret)


def walk(names: Sequence[str], low: str, high: str) -> list[str]:
    """Return the stages to come by: back from the last one by one, and once between these two."""
    backwards = list(reversed(names))
    at = backwards.index(high) + 1
    return [*backwards[:at], low, high, *backwards[at:]]


def changes_told(done: Completed) -> list[str]:
    """Say what a command that was run a second time changed, or how it failed, by what it printed.

    Empty where it changed nothing: `kubectl create` refuses what is there already,
    `kubectl delete --ignore-not-found` says nothing of what is gone.
    """
    verb, lines = done.argv[1], output_lines(done.stdout)
    if verb == "create":
        refused = not done.ok and "AlreadyExists" in done.stderr
        return [] if refused and not lines else [*lines, f"exit code {done.exit_code}"]
    if not done.ok:
        return [f"exit code {done.exit_code}: {done.stderr.strip()}"]
    unchanged = UNCHANGED.get(verb)
    return [line for line in lines if not (unchanged and line.endswith(unchanged))]


def changes_seen(before: Objects, after: Objects) -> list[str]:
    """Say which objects came, went, were made anew or were written to; empty where none."""
    found = [f"{kind} {name}: gone" for kind, name in before.keys() - after.keys()]
    found += [f"{kind} {name}: new" for kind, name in after.keys() - before.keys()]
    for key in before.keys() & after.keys():
        was, now = (_version(objects[key]) for objects in (before, after))
        if was != now:
            found.append(f"{' '.join(key)}: {was} before, {now} after")
    return sorted(found)


def _version(manifest: Manifest) -> str:
    metadata = manifest["metadata"]
    return f"uid {metadata['uid']} at version {metadata['resourceVersion']}"
