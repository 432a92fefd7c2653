"""What the cache and the engine keep of what was built, for whom, and taking away the rest."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

if TYPE_CHECKING:
    from meshproof.engine.engine import Engine

NAMED = re.compile(r"(?:localhost/meshproof/)?(?P<name>.+)[-:](?P<key>[0-9a-f]{16})")
#: Seconds after which a folder that was begun is no build's any more: more than any takes.
ABANDONED = 24 * 3600.0
#: What package managers keep beside the artefacts, for all recipes together.
SHARED = ("go", "npm")


@dataclass(frozen=True)
class Kept:
    """An artefact that is there: a folder of the cache, or an image of the engine.

    ``size`` is in bytes; an image shares layers with others, which all of them count. ``used`` is
    when a run last asked for it (UTC), where that is known. ``checkouts`` are those whose recipes
    have its key.
    """

    name: str
    key: str
    image: bool
    size: int
    used: datetime | None
    checkouts: tuple[Path, ...]

    def __str__(self) -> str:
        """Return its name and key."""
        return f"{self.name}-{self.key}"


def note_checkout(cache: Path, root: Path, keys: Mapping[str, str]) -> None:
    """Note which keys the recipes of a checkout have: what is of none may go."""
    folder = cache / "checkouts"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{sha256(str(root).encode()).hexdigest()[:16]}.json"
    before = _read(file)
    known = before[1] if before else {}
    note = root, {**known, **keys}
    if note != before:
        with tempfile.NamedTemporaryFile("w", dir=folder, delete=False) as whole:
            json.dump({"root": str(root), "keys": note[1]}, whole)
        os.replace(whole.name, file)  # noqa: PTH105 - atomic, and says so


def note_use(cache: Path, name: str, key: str) -> None:
    """Note that an artefact is used now."""
    folder = cache / "used"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}-{key}").touch()


def kept(cache: Path, engine: Engine | None) -> list[Kept]:
    """List what is there, by name and key; images only where an ``engine`` is given.

    Raises ``EnvironmentBroken`` where the engine does not answer.
    """
    checkouts = dict(_checkouts(cache))
    folders = cache / "artefacts"
    found = [
        (match, False, size_of(folder))
        for folder in (folders.iterdir() if folders.is_dir() else ())
        if (match := NAMED.fullmatch(folder.name))
    ]
    found += [
        (match, True, engine.image_size(reference))
        for reference in (engine.image_references("localhost/meshproof/*") if engine else ())
        if engine and (match := NAMED.fullmatch(reference))
    ]
    return sorted(
        (
            Kept(
                match["name"],
                match["key"],
                image,
                size,
                _used(cache, match["name"], match["key"]),
                tuple(
                    r for r, keys in checkouts.items() if keys.get(match["name"]) == match["key"]
                ),
            )
            for match, image, size in found
        ),
        key=lambda each: (each.name, each.key),
    )


def prune(cache: Path, engine: Engine | None) -> tuple[list[Kept], list[Kept]]:
    """Take away what no checkout's keys name, and what ended builds left unfinished.

    Checkouts are those that have built or used something and are still there. Returns what is
    gone, and what a build or a container still uses. Raises ``EnvironmentBroken`` where the
    engine does not answer.
    """
    gone: list[Kept] = []
    in_use: list[Kept] = []
    for each in kept(cache, engine):
        if not each.checkouts:
            (gone if _removed(cache, engine, each) else in_use).append(each)
    _forget_checkouts(cache)
    unfinished = cache / "unfinished"
    for folder in unfinished.iterdir() if unfinished.is_dir() else ():
        if time.time() - folder.stat().st_mtime > ABANDONED:
            shutil.rmtree(folder, ignore_errors=True)
    return gone, in_use


def size_of(folder: Path) -> int:
    """Return how many bytes the files below a folder have; a link counts as none."""
    sizes = 0
    for place, _, files in os.walk(folder):
        for file in files:
            status = os.lstat(os.path.join(place, file))  # noqa: PTH118 - of 100 000 files
            sizes += status.st_size
    return sizes


def _removed(cache: Path, engine: Engine | None, each: Kept) -> bool:
    locks = cache / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(locks / f"{each}.lock", timeout=0):
            if each.image:
                removed = engine is not None and engine.remove_image(
                    f"localhost/meshproof/{each.name}:{each.key}"
                )
            else:
                # Out of its place first: half of it must not pass for the whole.
                parts = cache / "unfinished"
                parts.mkdir(parents=True, exist_ok=True)
                aside = Path(tempfile.mkdtemp(prefix=f"{each.name}-", dir=parts)) / "gone"
                (cache / "artefacts" / str(each)).rename(aside)
                shutil.rmtree(aside.parent, ignore_errors=True)
                removed = True
    except Timeout:
        return False
    if removed:
        for note in (cache / "used" / str(each), cache / "logs" / f"{each}.log"):
            note.unlink(missing_ok=True)
    return removed


def _used(cache: Path, name: str, key: str) -> datetime | None:
    try:
        used = (cache / "used" / f"{name}-{key}").stat().st_mtime
    except FileNotFoundError:
        return None
    return datetime.fromtimestamp(used, UTC)


def _checkouts(cache: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """The checkouts that are still there, with the keys of their recipes."""
    for file in sorted((cache / "checkouts").glob("*.json")):
        note = _read(file)
        if note and note[0].is_dir():
            yield note


def _forget_checkouts(cache: Path) -> None:
    for file in (cache / "checkouts").glob("*.json"):
        note = _read(file)
        if not note or not note[0].is_dir():
            file.unlink(missing_ok=True)


def _read(file: Path) -> tuple[Path, dict[str, str]] | None:
    """A checkout's place and its keys by recipe; None where the note is not there, or not whole."""
    try:
        note = json.loads(file.read_text())
        return Path(note["root"]), dict(note["keys"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
