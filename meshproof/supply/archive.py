"""Docker archives: renaming the images in one, for readers that are particular about it."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# Newer engines write an OCI index beside the docker manifest, with the old names in it.
REWRITTEN = ("manifest.json", "repositories", "index.json", "oci-layout")


def renamed_manifest(
    manifest: Sequence[Mapping[str, Any]], names: Mapping[str, Sequence[str]]
) -> list[dict[str, Any]]:
    """Give each image of a docker manifest its new names.

    Raises ``KeyError`` for an image that has none.
    """
    renamed = []
    for entry in manifest:
        old = [tag for tag in entry["RepoTags"] or [] if tag in names]
        if not old:
            raise KeyError(f"no name for the image tagged {entry['RepoTags']}")
        renamed.append({**entry, "RepoTags": [name for tag in old for name in names[tag]]})
    return renamed


def repositories(manifest: Sequence[Mapping[str, Any]], also: Sequence[str] = ()) -> dict[str, Any]:
    """Make the ``repositories`` entry of an archive: repository, tag, image.

    ``also`` are names that stand in it although no image in the archive has them.
    """
    table: dict[str, dict[str, str]] = {}
    rows = [(name, str(entry["Config"])) for entry in manifest for name in entry["RepoTags"]]
    for name, config in [*rows, *((name, "") for name in also)]:
        repository, _, tag = name.rpartition(":")
        table.setdefault(repository, {})[tag] = config.removesuffix(".json")
    return table


def rename_images(
    source: Path, target: Path, names: Mapping[str, Sequence[str]], also: Sequence[str] = ()
) -> None:
    """Copy a docker archive with its images renamed and ``repositories`` first.

    kind reads the first entry of ``manifest.json`` only, but all of
    ``repositories`` where that comes first. ``names`` maps each image's name in
    the engine to its new ones.
    """
    with tarfile.open(source) as before:
        member = before.extractfile("manifest.json")
        if member is None:
            raise KeyError("manifest.json")
        manifest = renamed_manifest(json.load(member), names)
        with tarfile.open(target, "w") as after:
            _add(after, "repositories", repositories(manifest, also))
            _add(after, "manifest.json", manifest)
            for info in before:
                if info.name not in REWRITTEN:
                    after.addfile(info, before.extractfile(info) if info.isreg() else None)


def _add(archive: tarfile.TarFile, name: str, content: object) -> None:
    data = json.dumps(content).encode()
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))
