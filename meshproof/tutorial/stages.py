"""The tutorial as a short ordered list of stages, and the decisions about them.

A namespace is at a stage when its objects are those of the stage, asked of the
API server; no label or file says so. What a stage's objects are follows from
the commands themselves, so there is one source of truth.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from meshproof.cluster.cluster import OWNED

LOCK_DOWN = "kubectl apply -f istio/step-2b-add-routing-for-all-components.yaml"

Manifest = Mapping[str, Any]
#: Objects by kind and name.
Objects = dict[tuple[str, str], Manifest]


@dataclass(frozen=True)
class Stage:
    """A point of the tutorial.

    ``commands`` lead to it from the stage before; file names are relative to
    ``manifests/``, and ``{namespace}`` stands for the namespace. ``served``
    says that the page answers through the ingress from here on.
    """

    name: str
    commands: tuple[str, ...]
    served: bool = False

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


def applied_documents(command: str, manifests: Path) -> list[dict[str, Any]]:
    """Return the objects that a command applies, by its ``-f`` and ``-l key=value`` options."""
    words = shlex.split(command)
    key, _, value = words[words.index("-l") + 1].partition("=") if "-l" in words else ("", "", "")
    return [
        document
        for file in applied_files(command)
        for document in yaml.safe_load_all((manifests / file).read_text())
        if not key or document["metadata"].get("labels", {}).get(key) == value
    ]


def objects_at(name: str, namespace: str, manifests: Path) -> Objects:
    """Return the objects that a namespace holds at a stage, as the manifests state them."""
    objects: Objects = {
        ("Namespace", namespace): {
            "metadata": {"labels": {"istio-injection": "enabled", **OWNED}},
        }
    }
    for stage in STAGES[: NAMES.index(name) + 1]:
        for command in stage.commands:
            for document in applied_documents(command, manifests):
                # The API server leaves kind and version out of the items of a list.
                key = document.pop("kind"), document["metadata"]["name"]
                document.pop("apiVersion")
                objects[key] = document
    return objects


def differences(wanted: Any, live: Any, path: str = "") -> list[str]:
    """Say where a live object lacks what a manifest states; what it has beyond that does not count.

    Lists must have the same length and agree one by one.
    """
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
    return [] if wanted == live else [f"{path}: {live!r} instead of {wanted!r}"]


def deviations(wanted: Objects, live: Objects) -> list[str]:
    """Say how the objects of a namespace differ from those of a stage; empty where it is there."""
    found = [f"{kind} {name}: missing" for kind, name in wanted.keys() - live.keys()]
    found += [f"{kind} {name}: not of this stage" for kind, name in live.keys() - wanted.keys()]
    for kind, name in wanted.keys() & live.keys():
        lines = differences(wanted[kind, name], live[kind, name])
        found += [f"{kind} {name}: {line}" for line in lines]
    return sorted(found)


def stage_of(live: Objects, wanted: Mapping[str, Objects]) -> str | None:
    """Return the stage whose objects these are, or None where it is none of them."""
    for name in reversed(NAMES):
        if not deviations(wanted[name], live):
            return name
    return None


@dataclass(frozen=True)
class Route:
    """How to get from one stage to another: whether to start over, and the stages to go through."""

    start_over: bool
    stages: tuple[Stage, ...]


def path_between(current: str | None, target: str, *, exists: bool) -> Route:
    """Plan the way to a stage: nothing if it is there, forward if behind, else from the beginning.

    ``current`` is None where the namespace is at no stage; ``exists`` says
    whether there is one. Raises ``KeyError`` for an unknown target.
    """
    goal = NAMES.index(stage_named(target).name)
    here = NAMES.index(current) if current else -1
    start_over = exists and (current is None or here > goal)
    first = 0 if start_over else here + 1
    return Route(start_over, STAGES[first : goal + 1])


def output_lines(text: str) -> list[str]:
    """Return the lines of a command's output, trimmed, without blank ones."""
    return [line.strip() for line in text.splitlines() if line.strip()]
