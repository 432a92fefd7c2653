"""Transitions between stages: forward by the tutorial's commands, back by objects.

The stages are those of ``wanted``, in the tutorial's order, with the objects of each
(see `meshproof.suite.stages.objects_of_stages`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from meshproof.cluster.objects import Key, Manifest, Objects
from meshproof.suite.differences import departures, stage_of
from meshproof.suite.stages import BACKWARDS, ISTIOS_KINDS_BACKWARDS

#: Kinds that can be put back by being applied again: no pod is made anew for them.
REPLACEABLE = {kind for kinds in ISTIOS_KINDS_BACKWARDS for kind in kinds} | {"Service"}


@dataclass(frozen=True)
class Route:
    """How to get to a stage: start over, go back by some stages, or neither; then enter stages."""

    stages: tuple[str, ...]
    back: tuple[str, ...] = ()
    start_over: bool = False


def path_to(
    target: str,
    live: Objects,
    wanted: Mapping[str, Objects],
    others: Iterable[Mapping[str, Objects]] = (),
) -> Route:
    """Plan the way to a stage, from the objects that are there and those of each stage.

    Forward where the namespace is behind; back where it is ahead, or at no stage; from the
    beginning where there is nothing to go back to. From no stage it goes back to one before
    the target, so that the target is entered by its own commands, unless what these do is
    done. Where it is at a stage of ``others``, which are what stages are by other manifests,
    that stage is as good as the same of its own, once what differs is exchanged. Raises
    ``KeyError`` for an unknown target.
    """
    names = tuple(wanted)
    goal = _place(target, names)
    current = stage_of(live, wanted)
    if not live:
        return Route(names[: goal + 1])
    if current and names.index(current) <= goal:
        return Route(names[names.index(current) + 1 : goal + 1])
    for at in (stage_of(live, other) for other in others if not current):
        index = min(names.index(at), goal) if at else 0
        if at and exchangeable(wanted[names[index]], live):
            return Route(names[index + 1 : goal + 1], (names[index],))
    latest = goal if current or achieved(target, live, wanted) else max(goal - 1, 0)
    for index in range(latest, -1, -1):
        name = names[index]
        # Only from a stage further on it is known why something is missing: it was deleted.
        if within_reach(wanted[name], live, deleted=current is not None):
            back = stations(current, name, wanted) if current else (name,)
            return Route(names[index + 1 : goal + 1], back)
    return from_the_beginning(target, names)


def achieved(stage: str, live: Objects, wanted: Mapping[str, Objects]) -> bool:
    """Whether a namespace has all that a stage's own commands bring, and nothing they delete."""
    names = tuple(wanted)
    index = names.index(stage)
    before, after = wanted[names[index - 1]] if index else {}, wanted[stage]
    brought = [key for key in after if before.get(key) != after[key]]
    return not (before.keys() - after.keys()) & live.keys() and all(
        key in live and not departures(after[key], live[key]) for key in brought
    )


def stations(origin: str, target: str, wanted: Mapping[str, Objects]) -> tuple[str, ...]:
    """Return the stages to go back by, and the target.

    After some of them something was deleted: it is put back there, before anything else is
    taken back. One of them is the first to tell versions apart, where the target does not: the
    workloads beyond it end there, before a route leads to every version.
    """
    names = tuple(wanted)
    between = range(names.index(origin) - 1, names.index(target), -1)
    by = {i for i in between if wanted[names[i]].keys() - wanted[names[i + 1]].keys()}
    if not tells_versions_apart(wanted[target]):
        apart = [i for i in between if tells_versions_apart(wanted[names[i]])]
        by |= {
            i for i in apart[-1:] if _deployments(wanted[origin]) - _deployments(wanted[names[i]])
        }
    return (*(names[i] for i in sorted(by, reverse=True)), target)


def tells_versions_apart(objects: Objects) -> bool:
    """Whether routes lead to subsets: without, a request may come to any version that is there."""
    return any(
        "subset" in entry["destination"]
        for (kind, _), manifest in objects.items()
        if kind == "VirtualService"
        for protocol in ("http", "tcp")
        for route in manifest["spec"].get(protocol, ())
        for entry in route.get("route", ())
    )


def _deployments(objects: Objects) -> set[Key]:
    return {key for key in objects if key[0] == "Deployment"}


def from_the_beginning(target: str, names: Sequence[str]) -> Route:
    """Plan to start over, by the stages' ``names``. Raises ``KeyError`` for an unknown target."""
    return Route(tuple(names[: _place(target, names) + 1]), start_over=True)


def _place(target: str, names: Sequence[str]) -> int:
    if target not in names:
        raise KeyError(f"no stage “{target}”; the stages are: {', '.join(names)}")
    return names.index(target)


def within_reach(wanted: Objects, live: Objects, *, deleted: bool = False) -> bool:
    """Whether a namespace can be brought back to a stage's objects, leaving its pods alone.

    All of them must be there, unless they were ``deleted`` since, and only Istio's and Services
    may differ.
    """
    return all(
        key[0] in REPLACEABLE or not departures(manifest, live[key]) if key in live else deleted
        for key, manifest in wanted.items()
    )


def exchangeable(wanted: Objects, live: Objects) -> bool:
    """Whether a namespace's objects can become those of a stage of other manifests as they are.

    Deployments are made anew where they differ; accounts, claims and secrets must be there. A
    claim stays bound once a pod has used it, so a Deployment must use the same.
    """
    return all(
        key[0] in REPLACEABLE
        or (key[0] == "Deployment" and (key not in live or _claims(manifest) == _claims(live[key])))
        or (key in live and not departures(manifest, live[key]))
        for key, manifest in wanted.items()
    )


def _claims(deployment: Manifest) -> set[str]:
    volumes = deployment["spec"]["template"]["spec"].get("volumes", ())
    claims = (volume.get("persistentVolumeClaim") for volume in volumes)
    return {claim["claimName"] for claim in claims if claim}


@dataclass(frozen=True)
class Undoing:
    """What is undone together: objects that go, and those that are put back as they were."""

    remove: tuple[Key, ...]
    restore: tuple[Key, ...]


def way_back(wanted: Objects, live: Objects) -> Sequence[Undoing]:
    """Plan how a namespace comes back to a stage that is within reach, one group after another.

    What leads users in is a group of its own. Going back it comes before the mesh's own routes:
    who still came to a version would find its way on to be another's. What was deleted is put
    back the other way round. A Deployment that differs goes first, to be made anew: its pods
    would be exchanged one after another.
    """
    other = [
        key for key in _deployments(wanted) & live.keys() if departures(wanted[key], live[key])
    ]
    if other:
        return [
            _undoing(other, ()),
            *way_back(wanted, {k: live[k] for k in live if k not in other}),
        ]
    beyond = live.keys() - wanted.keys()
    missing = wanted.keys() - live.keys()
    differing = {key for key in wanted.keys() & live.keys() if departures(wanted[key], live[key])}
    every = {**live, **wanted}
    ways_in = {key for key in every if _leads_users_in(key, every[key])}
    of_kinds = [{key for key in every if key[0] in kinds} for kinds in BACKWARDS]
    in_turn = [part for keys in of_kinds for part in (keys & ways_in, keys - ways_in)]
    if missing:
        # First what answers, last what forbids: nothing leads to what is not there yet.
        groups = [_undoing(set(), keys & (missing | differing)) for keys in reversed(in_turn)]
        groups += [_undoing(keys & beyond, set()) for keys in in_turn]
    else:
        groups = [_undoing(keys & beyond, keys & differing) for keys in in_turn]
    return [group for group in groups if group.remove or group.restore]


def _leads_users_in(key: Key, manifest: Manifest) -> bool:
    """Whether it is a VirtualService of a Gateway, and none of the mesh."""
    return key[0] == "VirtualService" and manifest["spec"].get("gateways", ["mesh"]) != ["mesh"]


def _undoing(remove: Iterable[Key], restore: Iterable[Key]) -> Undoing:
    return Undoing(tuple(sorted(remove)), tuple(sorted(restore)))
