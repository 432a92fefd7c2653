"""The tutorial as a short ordered list of stages, and the decisions about them.

A namespace is at a stage when its objects are those of the stage, asked of the
API server; no label or file says so. What a stage's objects are follows from
the commands themselves, so there is one source of truth.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from meshproof.cluster.cluster import OWNED
from meshproof.documents import manifests_in

#: Where kubectl keeps what was last applied to an object.
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
#: Istio's kinds, and the rest, in the order in which objects are taken back: what forbids
#: first, then what leads to a version, then what a route needs, then what answers.
ISTIOS_KINDS_BACKWARDS = (
    ("AuthorizationPolicy", "PeerAuthentication"),
    ("VirtualService",),
    ("DestinationRule", "Gateway"),
)
BACKWARDS = (
    *ISTIOS_KINDS_BACKWARDS,
    ("Deployment",),
    ("Service", "ServiceAccount", "Secret", "PersistentVolumeClaim"),
)
#: Kinds that can be put back by being applied again: no pod is made anew for them.
REPLACEABLE = {kind for kinds in ISTIOS_KINDS_BACKWARDS for kind in kinds} | {"Service"}

LOCK_DOWN = "kubectl apply -f istio/step-2b-add-routing-for-all-components.yaml"
ROUTING = "kubectl apply -f istio/step-3-add-routing-for-2.0-components.yaml"
CLEAN_UP = "kubectl apply -f istio/step-4b-remove-old-versions.yaml"
#: What goes in the end: Deployments, and the policies and accounts of the same names.
OLD = "voting-app-1-0 voting-analytics-1-0 voting-analytics-1-1 voting-storage-1-0"

Manifest = Mapping[str, Any]
#: Kind and name.
Key = tuple[str, str]
Objects = dict[Key, Manifest]


@dataclass(frozen=True)
class Stage:
    """A point of the tutorial.

    ``commands`` lead to it from the stage before; file names are relative to
    ``manifests/``, and ``{namespace}`` stands for the namespace. ``served``
    says that the page answers through the ingress from here on, and ``flagged`` that
    it does for holders of the feature flag, too, from the pods of 2.0.
    """

    name: str
    commands: tuple[str, ...]
    served: bool = False
    flagged: bool = False

    def command_lines(self, namespace: str) -> list[str]:
        """The commands as they are typed."""
        return [command.format(namespace=namespace) for command in self.commands]


STAGES: tuple[Stage, ...] = (
    Stage(
        "namespace",
        (
            "kubectl create namespace {namespace}",
            "kubectl label namespace {namespace} istio-injection=enabled",
        ),
    ),
    Stage(
        "deployed",
        (
            # Not in the tutorial's file, so that what it creates can be held against its list.
            "kubectl apply -f kubernetes/step-0-identities.yaml --namespace {namespace}",
            "kubectl apply -f kubernetes/step-1-create-voting-app.yaml --namespace {namespace}",
        ),
    ),
    Stage(
        "exposed",
        # Today's way to say `istioctl create`.
        ("kubectl apply -f istio/step-1-create-voting-app-gateway.yaml --namespace {namespace}",),
        served=True,
    ),
    Stage(
        "updated",
        (
            "kubectl apply -f kubernetes/step-2-update-voting-analytics-to-1.1.yaml"
            " --namespace {namespace}",
        ),
        served=True,
    ),
    Stage(
        "lock-down",
        # The tutorial's files, in an order that loses no request: as published, 2a sends
        # users to a subset that only 2b makes.
        (
            f"{LOCK_DOWN} -l rollout=subsets --namespace {{namespace}}",
            "kubectl apply -f istio/step-2a-update-voting-app-virtualservice.yaml"
            " --namespace {namespace}",
            f"{LOCK_DOWN} -l rollout=routes --namespace {{namespace}}",
            f"{LOCK_DOWN} -l rollout=strict --namespace {{namespace}}",
            "kubectl apply -f istio/step-2c-authorize-components.yaml --namespace {namespace}",
        ),
        served=True,
    ),
    Stage(
        "canary-routed",
        (
            f"{ROUTING} -l rollout=subsets --namespace {{namespace}}",
            f"{ROUTING} -l rollout=routes --namespace {{namespace}}",
            # Before there is a pod that they are for.
            "kubectl apply -f istio/step-3b-authorize-2.0-components.yaml --namespace {namespace}",
        ),
        served=True,
    ),
    Stage(
        "canary",
        (
            "kubectl apply -f kubernetes/step-3-update-voting-app-with-new-storage.yaml"
            " --namespace {namespace}",
        ),
        served=True,
        flagged=True,
    ),
    Stage(
        "rolled-out",
        ("kubectl apply -f istio/step-4a-route-all-to-2.0.yaml --namespace {namespace}",),
        served=True,
        flagged=True,
    ),
    Stage(
        "cleaned-up",
        (
            f"{CLEAN_UP} -l rollout=routes --namespace {{namespace}}",
            f"{CLEAN_UP} -l rollout=subsets --namespace {{namespace}}",
            # In the foreground: it ends once the pods have finished what they had.
            f"kubectl delete deployment {OLD} --cascade=foreground --ignore-not-found"
            " --namespace {namespace}",
            # Last: what they forbid stays forbidden as long as there is a pod.
            f"kubectl delete authorizationpolicy {OLD} --ignore-not-found"
            " --namespace {namespace}",
            f"kubectl delete serviceaccount {OLD} --ignore-not-found --namespace {{namespace}}",
        ),
        served=True,
        flagged=True,
    ),
)
NAMES = tuple(stage.name for stage in STAGES)


def stage_named(name: str) -> Stage:
    """Return a stage by its name. Raises ``KeyError``, naming the stages, for an unknown one."""
    for stage in STAGES:
        if stage.name == name:
            return stage
    raise KeyError(f"no stage “{name}”; the stages are: {', '.join(NAMES)}")


def applied_files(command: str) -> list[str]:
    """Return the files that a command applies, by its ``-f`` options."""
    words = shlex.split(command)
    if words[:2] != ["kubectl", "apply"]:
        return []
    return [words[i + 1] for i, word in enumerate(words) if word == "-f"]


def applied_documents(command: str, manifests: Path) -> list[Manifest]:
    """Return the objects that a command applies, by its ``-f`` and ``-l key=value`` options."""
    words = shlex.split(command)
    key, _, value = words[words.index("-l") + 1].partition("=") if "-l" in words else ("", "", "")
    return [
        document
        for file in applied_files(command)
        for document in manifests_in(manifests / file)
        if not key or document["metadata"].get("labels", {}).get(key) == value
    ]


def deleted_keys(command: str) -> list[Key]:
    """Return the objects that a command deletes, by kind and names."""
    words = shlex.split(command)
    if words[:2] != ["kubectl", "delete"]:
        return []
    kinds = {kind.lower(): kind for group in BACKWARDS for kind in group}
    # Names end where options begin.
    names = takewhile(lambda word: not word.startswith("-"), words[3:])
    return [(kinds[words[2]], name) for name in names]


def objects_after(command: str, objects: Objects, manifests: Path) -> Objects:
    """Return what a namespace with these objects holds once a command was run."""
    changed = {key: objects[key] for key in objects.keys() - set(deleted_keys(command))}
    for document in applied_documents(command, manifests):
        # The API server leaves kind and version out of the items of a list.
        key = document["kind"], document["metadata"]["name"]
        stated = document.keys() - {"apiVersion", "kind"}
        changed[key] = {name: document[name] for name in document if name in stated}
    return changed


def objects_of_stages(namespace: str, manifests: Path) -> dict[str, Objects]:
    """Return the objects that a namespace holds at each stage, as the manifests state them."""
    objects: Objects = {
        ("Namespace", namespace): {
            "metadata": {"labels": {"istio-injection": "enabled", **OWNED}},
            "status": {"phase": "Active"},  # one that is on its way out is no stage
        }
    }
    found = {}
    for stage in STAGES:
        for command in stage.commands:
            objects = objects_after(command, objects, manifests)
        found[stage.name] = objects
    return found


def differences(wanted: Any, live: Any, path: str = "") -> list[str]:
    """Say where a live object lacks what a manifest states; what it has beyond that does not count.

    Lists must have the same length and agree one by one.
    """
    if wanted == live:  # nearly always, and much faster than by its parts
        return []
    if isinstance(wanted, Mapping):
        if not isinstance(live, Mapping):
            return [f"{path}: {live!r} instead of {dict(wanted)!r}"]
        found = []
        for key, value in wanted.items():
            below = f"{path}.{key}" if path else str(key)
            if key not in live:
                found.append(f"{below}: missing")
            else:
                found += differences(value, live[key], below)
        return found
    if isinstance(wanted, list):
        if not isinstance(live, list) or len(live) != len(wanted):
            return [f"{path}: {live!r} instead of {wanted!r}"]
        return [
            line
            for index, (want, have) in enumerate(zip(wanted, live, strict=True))
            for line in differences(want, have, f"{path}[{index}]")
        ]
    return [f"{path}: {live!r} instead of {wanted!r}"]


def departures(wanted: Manifest, live: Manifest) -> list[str]:
    """Say where a live object is not as its manifest states it.

    What it has beyond the manifest does not count, unless it was applied: then it was
    applied from another manifest.
    """
    lines = differences(wanted, live)
    text = (live.get("metadata", {}).get("annotations") or {}).get(LAST_APPLIED)
    if lines or text is None:
        return lines
    applied = json.loads(text)
    metadata = applied["metadata"]
    metadata.pop("namespace", None)
    if not metadata.get("annotations"):
        metadata.pop("annotations", None)
    stated = {key: applied[key] for key in applied.keys() - {"apiVersion", "kind"}}
    return [f"was applied with another {line}" for line in differences(stated, wanted)]


def deviations(wanted: Objects, live: Objects) -> list[str]:
    """Say how the objects of a namespace differ from those of a stage; empty where it is there."""
    found = [f"{kind} {name}: missing" for kind, name in wanted.keys() - live.keys()]
    found += [f"{kind} {name}: not of this stage" for kind, name in live.keys() - wanted.keys()]
    for kind, name in wanted.keys() & live.keys():
        lines = departures(wanted[kind, name], live[kind, name])
        found += [f"{kind} {name}: {line}" for line in lines]
    return sorted(found)


def stage_of(live: Objects, wanted: Mapping[str, Objects]) -> str | None:
    """Return the stage whose objects these are, or None where it is none of them."""
    for name in reversed(NAMES):
        # What is there is told in no time, and mostly enough to say that it is another.
        if wanted[name].keys() == live.keys() and not deviations(wanted[name], live):
            return name
    return None


@dataclass(frozen=True)
class Route:
    """How to get to a stage: start over, go back by some stages, or neither; then enter stages."""

    stages: tuple[Stage, ...]
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
    goal = NAMES.index(stage_named(target).name)
    current = stage_of(live, wanted)
    if not live:
        return Route(STAGES[: goal + 1])
    if current and NAMES.index(current) <= goal:
        return Route(STAGES[NAMES.index(current) + 1 : goal + 1])
    for at in (stage_of(live, other) for other in others if not current):
        index = min(NAMES.index(at), goal) if at else 0
        if at and exchangeable(wanted[NAMES[index]], live):
            return Route(STAGES[index + 1 : goal + 1], (NAMES[index],))
    latest = goal if current or achieved(target, live, wanted) else max(goal - 1, 0)
    for index in range(latest, -1, -1):
        name = NAMES[index]
        # Only from a stage further on it is known why something is missing: it was deleted.
        if within_reach(wanted[name], live, deleted=current is not None):
            back = stations(current, name, wanted) if current else (name,)
            return Route(STAGES[index + 1 : goal + 1], back)
    return from_the_beginning(target)


def achieved(stage: str, live: Objects, wanted: Mapping[str, Objects]) -> bool:
    """Whether a namespace has all that a stage's own commands bring, and nothing they delete."""
    index = NAMES.index(stage)
    before, after = wanted[NAMES[index - 1]] if index else {}, wanted[stage]
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
    between = range(NAMES.index(origin) - 1, NAMES.index(target), -1)
    by = {i for i in between if wanted[NAMES[i]].keys() - wanted[NAMES[i + 1]].keys()}
    if not tells_versions_apart(wanted[target]):
        apart = [i for i in between if tells_versions_apart(wanted[NAMES[i]])]
        by |= {
            i for i in apart[-1:] if _deployments(wanted[origin]) - _deployments(wanted[NAMES[i]])
        }
    return (*(NAMES[i] for i in sorted(by, reverse=True)), target)


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


def from_the_beginning(target: str) -> Route:
    """Plan to start over. Raises ``KeyError`` for an unknown target."""
    goal = NAMES.index(stage_named(target).name)
    return Route(STAGES[: goal + 1], start_over=True)


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


def output_lines(text: str) -> list[str]:
    """Return the lines of a command's output, trimmed, without blank ones."""
    return [line.strip() for line in text.splitlines() if line.strip()]
