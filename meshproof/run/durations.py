"""How long each test took in earlier runs: what an estimate of the end is made from."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from statistics import median
from tempfile import NamedTemporaryFile
from typing import Annotated

from filelock import FileLock
from pydantic import Field, TypeAdapter

from meshproof.paths import state_dir

#: So many runs count: a change of the suite or of the machine is noticed within a day's work.
RUNS = 10

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_FILE = TypeAdapter(dict[str, list[Seconds]])


class Durations:
    """Seconds by node id, the last ``RUNS`` of each. Only what passed is worth being added."""

    def __init__(self, path: Path, kept: dict[str, list[float]]) -> None:
        """Hold what was kept in ``path``; ``load`` reads it."""
        self.path = path
        self._kept = kept
        self._added: dict[str, list[float]] = defaultdict(list)

    @classmethod
    def load(cls, path: Path | None = None) -> Durations:
        """Read the file, by default the one in the state folder; one that is damaged holds none."""
        path = path or state_dir() / "durations.json"
        return cls(path, _read(path))

    def expected(self, node: str) -> float | None:
        """Return the median of a node's seconds; None where none are known."""
        known = self._known(node)
        return median(known) if known else None

    def add(self, node: str, seconds: float) -> None:
        """Add what a test took, in seconds."""
        self._added[node].append(seconds)

    def save(self) -> None:
        """Add to the file what was added here; what another run saved meanwhile stays.

        Raises ``OSError`` where the file cannot be written.
        """
        if not self._added:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self.path}.lock"):
            self._kept = _read(self.path)
            self._kept |= {node: self._known(node) for node in self._added}
            self._added.clear()
            _write(self.path, _FILE.dump_json(self._kept, indent=1))

    def _known(self, node: str) -> list[float]:
        return [*self._kept.get(node, ()), *self._added.get(node, ())][-RUNS:]


def _read(path: Path) -> dict[str, list[float]]:
    try:
        return _FILE.validate_json(path.read_bytes())
    except (OSError, ValueError):  # an estimate is not worth an error
        return {}


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as draft:
        try:
            draft.write(content)
            draft.close()
            Path(draft.name).replace(path)
        except BaseException:
            Path(draft.name).unlink()
            raise
