"""What the commands of stages do to a namespace's objects.

A namespace is at a stage when its objects are those of the stage, asked of the
API server; no label or file says so. What a stage's objects are follows from
the commands themselves, so there is one source of truth.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from itertools import takewhile
from pathlib import Path

from meshproof.cluster.cluster import OWNED
from meshproof.cluster.objects import Key, Manifest, Objects
from meshproof.cluster.shape import DEFAULT, MeshShape
from meshproof.documents import manifests_in
from meshproof.suite.model import Stage

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


def objects_of_stages(
    stages: Iterable[Stage], namespace: str, manifests: Path, mesh: MeshShape = DEFAULT
) -> dict[str, Objects]:
    """Return the objects that a namespace holds at each stage, in the tutorial's order.

    They are as the manifests state them; ``mesh`` says how the namespace asks for injection.
    """
    label, value = mesh.injection
    objects: Objects = {
        ("Namespace", namespace): {
            "metadata": {"labels": {label: value, **OWNED}},
            "status": {"phase": "Active"},  # one that is on its way out is no stage
        }
    }
    found = {}
    for stage in stages:
        for command in stage.commands:
            objects = objects_after(command, objects, manifests)
        found[stage.name] = objects
    return found


def output_lines(text: str) -> list[str]:
    """Return the lines of a command's output, trimmed, without blank ones."""
    return [line.strip() for line in text.splitlines() if line.strip()]
