"""Lanes: places beside each other on one cluster and one mesh, each with a way in of its own.

A lane is a namespace that the tutorial is followed in and the host that users of it ask for.
The first lane has the way in for any host, as the tutorial publishes it; only one can.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from meshproof.cluster.images import Images
from meshproof.cluster.manifests import as_applied
from meshproof.cluster.shape import DEFAULT, MeshShape
from meshproof.documents import read_all, written
from meshproof.suite.breakages import FOLDER as BREAKAGES

#: Every name below it is this machine itself, for browsers without being told so (RFC 6761).
DOMAIN = "localhost"
ANY_HOST = ["*"]
#: Lanes at most: each has some ten pods of its own.
MOST = 8


@dataclass(frozen=True)
class Lane:
    """A namespace, and the host by which users come in; None is any host, as published."""

    namespace: str
    host: str | None = None

    def beside(self, suffix: str) -> Lane:
        """A place of a scenario's own beside it, with a host of its own."""
        return own_lane(f"{self.namespace}-{suffix}")

    def page(self, loopback: str) -> str:
        """The page's address for a browser on this machine, by the gateway's loopback address."""
        return loopback.replace("127.0.0.1", self.host) if self.host else loopback


def own_lane(namespace: str) -> Lane:
    """Return a lane whose host is told by its namespace."""
    return Lane(namespace, f"{namespace}.{DOMAIN}")


def lane_number(number: int, namespace: str) -> Lane:
    """Return a lane by its number, from 0; ``namespace`` is that of the first, as published."""
    return own_lane(f"{namespace}-{number + 1}") if number else Lane(namespace)


def namespaces_of_suites(names: Sequence[str], namespace: str | None) -> dict[str, str]:
    """Return the namespace of each suite of a run, by its name.

    ``names`` are in the order of the run. The first suite has ``namespace``, where one was chosen,
    and each further one a namespace that is told by it and the suite; else they have their names.
    """
    first = names[:1]
    return {
        name: name if namespace is None else namespace if name in first else f"{namespace}-{name}"
        for name in names
    }


def further_lane(number: int, namespace: str) -> Lane:
    """Return a lane of a further suite by its number, from 0, whose host is its own in any case."""
    return own_lane(lane_number(number, namespace).namespace)


def manifests_of(
    lane: Lane,
    source: Path,
    target: Path,
    images: Images | None = None,
    mesh: MeshShape = DEFAULT,
) -> Path:
    """Return the manifests to follow in a lane: a copy of those published, for here.

    In the copy, made in ``target`` where it is not there yet, all manifests are as they are applied
    on such a mesh with ``images`` of a registry (``as_applied``), and Gateways and their
    VirtualServices that are for any host are for the lane's alone.
    """
    if lane.host is None:  # the same namespace may have been another lane's, with a host
        target = target.with_name(f"{target.name}-for-any-host")
    if not target.exists():
        partial = target.with_name(f"{target.name}.partial")
        shutil.copytree(source, partial, ignore=shutil.ignore_patterns(BREAKAGES))
        for file in partial.rglob("*.yaml"):
            documents = _objects_in(file)
            here = [_led_to(as_applied(one, mesh, images), lane.host) for one in documents]
            if here != documents:
                file.write_text(written(here))
        partial.rename(target)
    return target


def _objects_in(file: Path) -> list[dict[str, Any]]:
    """The objects that a file states; none where it is no manifest, whatever else it is for.

    A command that applies it all the same is for kubectl to refuse.
    """
    try:
        documents = read_all(file.read_text())
    except yaml.YAMLError:
        return []
    stated = [one for one in documents if one is not None]
    return stated if all(isinstance(one, dict) and "kind" in one for one in stated) else []


def _led_to(document: dict[str, Any], host: str | None) -> dict[str, Any]:
    if host is None:
        return document
    spec = document.get("spec", {})  # a Secret has none
    if document["kind"] == "VirtualService" and "gateways" in spec and spec["hosts"] == ANY_HOST:
        return {**document, "spec": {**spec, "hosts": [host]}}
    if document["kind"] == "Gateway":
        servers = [
            {**server, "hosts": [host]} if server["hosts"] == ANY_HOST else server
            for server in spec["servers"]
        ]
        return {**document, "spec": {**spec, "servers": servers}}
    return document


def other_namespaces(lane: Lane, *namespaces: str) -> set[str]:
    """Return the namespaces that the other lanes of a run may have, by those of its suites."""
    return {
        lane_number(number, namespace).namespace
        for namespace in namespaces
        for number in range(MOST)
    } - {lane.namespace}
