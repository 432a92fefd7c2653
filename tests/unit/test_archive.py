from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from meshproof.supply.archive import rename_images, renamed_manifest, repositories

APP, PAUSE = "localhost/meshproof/app:0123", "localhost/meshproof/pause:4567"
LAYER = bytes(range(256)) * 40
CONTENT = {
    "blobs/sha256/aaaa": LAYER,
    "blobs/sha256/bbbb": b"another layer",
    "blobs/sha256/c0f1": b'{"config": "app"}',
    "blobs/sha256/c0f2": b'{"config": "pause"}',
}
MANIFEST = [
    {
        "Config": "blobs/sha256/c0f1",
        "RepoTags": [APP],
        "Layers": ["blobs/sha256/aaaa", "blobs/sha256/bbbb"],
    },
    {"Config": "blobs/sha256/c0f2", "RepoTags": [PAUSE], "Layers": ["blobs/sha256/aaaa"]},
]
NAMES = {APP: ["registry/app:1.0", APP], PAUSE: ["registry:5000/pause:3.10"]}


def write(path: Path, content: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as archive:
        folder = tarfile.TarInfo("blobs/sha256")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("dddd/layer.tar")
        link.type, link.linkname = tarfile.SYMTYPE, "../blobs/sha256/aaaa"
        archive.addfile(link)


def read(path: Path) -> dict[str, bytes | None]:
    with tarfile.open(path) as archive:
        members = [(info, archive.extractfile(info) if info.isreg() else None) for info in archive]
        return {info.name: file.read() if file else None for info, file in members}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """What a newer engine saves: a docker manifest, and an OCI index beside it."""
    path = tmp_path / "saved.tar"
    index = {
        "index.json": b'{"manifests": []}',
        "oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
        "manifest.json": json.dumps(MANIFEST).encode(),
        "repositories": b'{"old": {}}',
    }
    write(path, CONTENT | index)
    return path


@pytest.fixture
def renamed(saved: Path, tmp_path: Path) -> dict[str, bytes | None]:
    rename_images(saved, tmp_path / "renamed.tar", NAMES, also=["registry/kindnetd:v1"])
    return read(tmp_path / "renamed.tar")


def as_json(data: bytes | None) -> Any:
    assert data is not None
    return json.loads(data)


def test_repositories_come_first(renamed: dict[str, bytes | None]) -> None:
    assert list(renamed)[:2] == ["repositories", "manifest.json"]


def test_repositories_hold_every_name_and_those_of_no_image(
    renamed: dict[str, bytes | None],
) -> None:
    assert as_json(renamed["repositories"]) == {
        "registry/app": {"1.0": "blobs/sha256/c0f1"},
        "localhost/meshproof/app": {"0123": "blobs/sha256/c0f1"},
        "registry:5000/pause": {"3.10": "blobs/sha256/c0f2"},
        "registry/kindnetd": {"v1": ""},
    }


def test_images_have_their_new_names_and_nothing_else_is_changed(
    renamed: dict[str, bytes | None],
) -> None:
    manifest = as_json(renamed["manifest.json"])
    assert [entry["RepoTags"] for entry in manifest] == list(NAMES.values())
    for before, after in zip(MANIFEST, manifest, strict=True):
        assert {**after, "RepoTags": before["RepoTags"]} == before


def test_layers_and_links_are_the_same_bytes(renamed: dict[str, bytes | None]) -> None:
    assert {name: renamed[name] for name in CONTENT} == CONTENT
    assert renamed["dddd/layer.tar"] is None


def test_the_index_with_the_old_names_is_dropped(renamed: dict[str, bytes | None]) -> None:
    assert not {"index.json", "oci-layout"} & set(renamed)


def test_an_image_without_a_new_name_is_an_error_and_nothing_is_written(
    saved: Path, tmp_path: Path
) -> None:
    with pytest.raises(KeyError, match="pause:4567"):
        rename_images(saved, tmp_path / "renamed.tar", {APP: ["registry/app:1.0"]})
    assert not (tmp_path / "renamed.tar").exists()


def test_an_untagged_image_is_an_error() -> None:
    with pytest.raises(KeyError):
        renamed_manifest([{"Config": "c0f1", "RepoTags": None}], NAMES)


def test_an_archive_without_a_manifest_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "layout.tar", {"index.json": b"{}"})
    with pytest.raises(KeyError, match=r"manifest\.json"):
        rename_images(tmp_path / "layout.tar", tmp_path / "renamed.tar", NAMES)


def test_older_archives_name_an_image_by_its_file_of_json() -> None:
    manifest = [{"Config": "c0f1.json", "RepoTags": ["app:1.0"]}]
    assert repositories(manifest) == {"app": {"1.0": "c0f1"}}
