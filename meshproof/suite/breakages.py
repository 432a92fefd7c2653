"""Deliberate breakages: what is changed, which expectation must turn red, and why it must.

A breakage changes either the manifests (the tutorial is then followed with the
changed ones) or one object of the cluster (which is put back afterwards).
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonpatch

from meshproof.cluster.cluster import MENDING, Cluster
from meshproof.cluster.objects import KINDS, Manifest, Objects, get, patch
from meshproof.documents import read, read_all, written
from meshproof.suite.registry import expectation_ids, suites
from meshproof.suite.transitions import exchangeable

#: The folder of a suite's breakages, below that of its manifests.
FOLDER = "breakages"
#: Set by the API server; no part of what an object means.
SERVER_SIDE = ("metadata", "status")

#: JSON Patch (RFC 6902).
Operations = list[Any]


@dataclass(frozen=True)
class Breakage:
    """One breakage. ``because`` is what the failure must say, as a regular expression.

    ``scenario`` (pytest's ``-k``) narrows what is run to the scenario that must notice;
    empty runs all that prove the expectation. Manifests are no part of what is said of
    one (``repr``): they may hold a Secret, and Allure writes a test's parameters down.
    """

    name: str
    expectation: str
    breaks: str
    because: str
    files: Mapping[str, Mapping[str, Any]] = field(repr=False)
    object: Mapping[str, Any] | None = field(repr=False)
    scenario: str = ""

    def explains(self, message: str) -> bool:
        """Whether a failure message gives the reason that this breakage must give."""
        return re.search(self.because, message, re.DOTALL) is not None


def read_breakage(file: Path) -> Breakage:
    """Read a breakage. Raises ``ValueError``, naming the file, where it is not a whole one."""
    content = read(file.read_text())
    if not isinstance(content, dict):
        raise ValueError(f"{file.name}: not a table of fields")
    needed, optional = {"expectation", "breaks", "because"}, {"files", "object", "scenario"}
    if not needed <= content.keys() <= needed | optional:
        raise ValueError(f"{file.name}: has the fields {', '.join(map(str, content))}")
    if content["expectation"] not in expectation_ids():
        raise ValueError(f"{file.name}: there is no expectation {content['expectation']}")
    if ("files" in content) == ("object" in content):
        raise ValueError(f"{file.name}: a breakage changes either files or an object")
    return Breakage(
        file.stem,
        content["expectation"],
        content["breaks"],
        content["because"],
        content.get("files", {}),
        content.get("object"),
        content.get("scenario", ""),
    )


def breakages_folders() -> list[Path]:
    """Return where the breakages of each suite are; a suite may have none."""
    return [suite.manifests / FOLDER for suite in suites()]


def all_breakages(folders: Iterable[Path] | None = None) -> list[Breakage]:
    """Read all breakages, those of all suites, in the order of the specification."""
    where = breakages_folders() if folders is None else folders
    breakages = [read_breakage(file) for folder in where for file in folder.glob("*.yaml")]
    ids = expectation_ids()
    return sorted(breakages, key=lambda one: (ids.index(one.expectation), one.name))


def chosen(name: str, expression: str) -> bool:
    """Whether a test's name has the words of an expression: some, joined by ``and``, or ``not``."""
    terms = [term.removeprefix("not ").strip() for term in expression.split(" and ")]
    wanted = [not term.startswith("not ") for term in expression.split(" and ")]
    found = [term.lower() in name.lower() for term in terms]
    return not expression or found == wanted


def altered(documents: Sequence[Mapping[str, Any]], change: Mapping[str, Any]) -> list[Any]:
    """Return a manifest's documents as a breakage changes them.

    Raises ``KeyError`` where it names an object that is not there, so that a
    breakage whose target was renamed does not pass for one that was noticed.
    """
    result = [json.loads(json.dumps(document)) for document in documents]
    names = [f"{document['kind']}/{document['metadata']['name']}" for document in result]
    touched = [entry["object"] for entry in change.get("patch", [])] + change.get("remove", [])
    unknown = set(touched) - set(names)
    if unknown:
        raise KeyError(", ".join(sorted(unknown)))
    for entry in change.get("patch", []):
        index = names.index(entry["object"])
        result[index] = jsonpatch.apply_patch(result[index], entry["operations"])
    for name in change.get("remove", []):
        del result[names.index(name)]
        names.remove(name)
    return [*result, *change.get("add", [])]


def changes_in_place(breakage: Breakage, source: Path) -> bool:
    """Whether a namespace comes to the manifests with a breakage, and back, as it is.

    Otherwise the tutorial may have to start over, both times. Raises ``OSError``, ``KeyError`` or
    ``JsonPatchException`` where what is changed is not there.
    """
    for name, change in breakage.files.items():
        documents = read_all((source / name).read_text())
        before, after = _by_name(documents), _by_name(altered(documents, change))
        if not (exchangeable(after, before) and exchangeable(before, after)):
            return False
    return True


def _by_name(documents: Iterable[Manifest]) -> Objects:
    return {(document["kind"], document["metadata"]["name"]): document for document in documents}


def altered_manifests(breakage: Breakage, source: Path, target: Path) -> Path:
    """Copy the manifests with a breakage's changes in them, breakages not. Returns the copy."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(FOLDER))
    for name, change in breakage.files.items():
        documents = read_all((source / name).read_text())
        (target / name).write_text(written(altered(documents, change)))
    return target


def is_outside(document: Mapping[str, Any]) -> bool:
    """Whether a manifest's object lies elsewhere than in the tutorial's namespace."""
    return document["kind"] not in (*KINDS, "Pod") or "namespace" in document["metadata"]


def manifests_below(folder: Path) -> list[Path]:
    """Return the manifests of a folder; breakages, which lie in it, are none."""
    files = sorted(folder.rglob("*.yaml"))
    return [file for file in files if FOLDER not in file.relative_to(folder).parts]


def change_manifests(
    folder: Path,
    chosen: Callable[[Mapping[str, Any]], bool],
    change: Callable[[dict[str, Any]], None],
) -> None:
    """Change the chosen objects of a folder's manifests; other files stay as they are."""
    for file in manifests_below(folder):
        documents = read_all(file.read_text())
        found = [document for document in documents if chosen(document)]
        for document in found:
            change(document)
        if found:
            file.write_text(written(documents))


def attribute(manifests: Path, annotations: Mapping[str, str]) -> None:
    """Have the manifests' objects that lie outside of the tutorial's namespace say whose they are.

    The namespace says it of what is in it; nobody could tell who left these.
    """

    def mark(document: dict[str, Any]) -> None:
        own = document["metadata"].get("annotations") or {}
        document["metadata"]["annotations"] = {**own, **annotations}

    change_manifests(manifests, is_outside, mark)


def marking(live: Mapping[str, Any], marks: Mapping[str, str]) -> Operations:
    """Return the operations that put annotations on an object."""
    missing = not live["metadata"].get("annotations")
    first = [{"op": "add", "path": "/metadata/annotations", "value": {}}] if missing else []
    path = "/metadata/annotations/{}".format
    return first + [{"op": "add", "path": path(n), "value": v} for n, v in marks.items()]


def unmarking(names: Iterable[str]) -> Operations:
    """Return the operations that take annotations from an object again."""
    return [{"op": "remove", "path": f"/metadata/annotations/{name}"} for name in names]


def meaning(live: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an object says, without what the API server adds."""
    return {key: value for key, value in live.items() if key not in SERVER_SIDE}


def changes_of(live: Mapping[str, Any], operations: Operations) -> tuple[Operations, Operations]:
    """Return the operations that break an object, and those that mend it again."""
    before = meaning(live)
    after = jsonpatch.apply_patch(before, operations)
    return operations, jsonpatch.make_patch(after, before).patch


@contextmanager
def broken(cluster: Cluster, breakage: Breakage) -> Iterator[None]:
    """Change an object of the cluster as a breakage says, and put it back at the end.

    Raises ``ValueError`` where the change is not in force once it is made.
    """
    if breakage.object is None:
        yield
        return
    path, operations = breakage.object["path"], breakage.object["operations"]
    before = get(cluster, path)
    breaking, mending = changes_of(before, operations)
    # For who cleans up after a run that is killed meanwhile.
    marks = {MENDING: json.dumps(mending), **cluster.ownership["annotations"]}
    patch(cluster, path, [*breaking, *marking(before, marks)])
    undoing = [*mending, *unmarking(marks)]
    try:
        live = get(cluster, path)
        if meaning(live) == meaning(before):
            # There is nothing to mend, and the patch for it would fail.
            marked = [name for name in marks if name in live["metadata"].get("annotations", {})]
            undoing = unmarking(marked)
            raise ValueError(f"{breakage.name} is not in force")
        yield
    finally:
        if undoing:
            patch(cluster, path, undoing)
