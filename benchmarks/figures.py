"""What a benchmark found: `bench.json`, and how one differs from an earlier one."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from benchmarks.costs import processors
from meshproof.errors import UsageFailure
from meshproof.paths import PROJECT
from meshproof.process import run

Unit = Literal["s", "1/s"]
#: A figure that changed by less than this part is called the same: runs differ as much.
NOISE = 0.1


@dataclass(frozen=True)
class Figure:
    """Something that was measured, and beside it what it is made of, where there is that.

    ``part`` is the part of the benchmark, ``unit`` seconds, or so many a second. ``ours`` and
    ``bare`` are medians of ``runs`` runs that took turns. ``busy`` and ``idle`` are seconds of all
    processors, where they were measured; ``bare_is`` says what the other was.
    """

    part: str
    name: str
    unit: Unit
    ours: float
    bare: float | None = None
    bare_is: str = ""
    busy: float | None = None
    idle: float | None = None
    runs: int = 1

    @property
    def ratio(self) -> float | None:
        """Ours for each of the bare one; None where there is none."""
        return self.ours / self.bare if self.bare else None


@dataclass(frozen=True)
class Machine:
    """What it was measured on."""

    processors: int
    processor: str
    memory_gib: float
    kernel: str


@dataclass(frozen=True)
class Bench:
    """A benchmark: when (UTC, ISO 8601), of which commit, by which command, on what, and what."""

    when: str
    commit: str
    command: str
    machine: Machine
    figures: list[Figure]


BENCH = TypeAdapter(Bench)


@dataclass(frozen=True)
class Change:
    """A figure now and earlier; None where only one of them has it."""

    part: str
    name: str
    unit: Unit
    before: float | None
    now: float | None

    @property
    def factor(self) -> float | None:
        """How much as large it is now; None where one is missing, or nothing was."""
        return self.now / self.before if self.before and self.now is not None else None

    @property
    def verdict(self) -> str:
        """In a word: better, worse, the same, new or gone."""
        if self.factor is None:
            return "new" if self.before is None else "gone" if self.now is None else "the same"
        if abs(self.factor - 1) < NOISE:
            return "the same"
        return "better" if (self.factor < 1) == (self.unit == "s") else "worse"


def this_machine() -> Machine:
    """Describe this machine."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    memory = Path("/proc/meminfo").read_text().split(maxsplit=2)[1]
    return Machine(
        processors(), models[0] if models else "unknown", int(memory) / 2**20, platform.release()
    )


def bench(figures: Sequence[Figure], command: str) -> Bench:
    """Put together what was found in this checkout, on this machine."""
    head = run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"], cwd=PROJECT
    ).stdout.strip()
    now = datetime.now(UTC).replace(microsecond=0).isoformat()
    return Bench(now, head, command, this_machine(), list(figures))


def write(found: Bench, file: Path) -> None:
    """Write it down."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(BENCH.dump_json(found, indent=1) + b"\n")


def read(file: Path) -> Bench:
    """Read what was written down. Raises ``UsageFailure`` where it is no benchmark."""
    try:
        return BENCH.validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        why = error.strerror if isinstance(error, OSError) else "its content is something else"
        raise UsageFailure(f"{file} is no bench.json of an earlier run: {why}.") from error


def compare(before: Bench, now: Bench) -> list[Change]:
    """Return each figure beside the earlier one, in the order of now; what is gone comes last."""
    earlier = {(figure.part, figure.name): figure for figure in before.figures}
    later = {(figure.part, figure.name): figure for figure in now.figures}
    every = {**later, **{key: figure for key, figure in earlier.items() if key not in later}}
    return [
        Change(
            *key, figure.unit,
            earlier[key].ours if key in earlier else None,
            later[key].ours if key in later else None,
        )
        for key, figure in every.items()
    ]  # fmt: skip


def as_rows(found: Bench) -> list[dict[str, object]]:
    """Return the figures as rows of a table, their ratio with them."""
    return [{**asdict(figure), "ratio": figure.ratio} for figure in found.figures]
