"""Building what is missing, once, and never using what is half-built.

An artefact is built in a folder of its own and renamed into place when it is
whole, so a run that was stopped leaves nothing that looks finished. A lock for
each artefact makes two runs at once share one build.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from meshproof.engine.engine import Engine
from meshproof.errors import EnvironmentBroken, MeshproofError, UsageFailure
from meshproof.process import run_logged
from meshproof.progress import Progress
from meshproof.supply.kept import note_checkout, note_use
from meshproof.supply.recipe import Recipe, in_order, inputs_of, key_of

#: Seconds: the longest build (Kubernetes, cold, 2 cores) takes about 10 minutes.
BUILD_TIMEOUT = 3600.0


@dataclass(frozen=True)
class Workbench:
    """What a recipe is given while it builds: where to write, what it needs, where to log."""

    recipe: Recipe
    out: Path
    log: Path
    image: str
    workshop: Workshop

    def artefact(self, name: str) -> Path:
        """The folder of an artefact that this recipe needs."""
        return self.workshop.folder(name)

    def image_of(self, name: str) -> str:
        """The engine's reference of an image that this recipe needs."""
        return self.workshop.image(name)

    def run(
        self, *argv: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        """Run a command with its output in the recipe's log."""
        run_logged(argv, log=self.log, timeout=BUILD_TIMEOUT, env=env, cwd=cwd)


class Workshop:
    """The recipes, the cache that they fill and the engine that holds their images."""

    def __init__(
        self,
        recipes: Mapping[str, Recipe],
        *,
        root: Path,
        cache: Path,
        project: Path | None = None,
        engine: Engine | None = None,
        progress: Progress | None = None,
    ) -> None:
        """``root`` is where the library's files are, ``project`` the one that has other recipes.

        ``engine`` may be missing as long as no image is asked for.
        """
        self.recipes = recipes
        self.project = project or root
        roots = (root, self.project)
        self.cache = cache
        self.progress = progress or Progress()
        self._engine = engine
        self._inputs: dict[str, dict[str, str]] = {}
        self._keys: dict[str, str] = {}
        for recipe in in_order(recipes, recipes):
            self._inputs[recipe.name] = inputs_of(recipe, roots, self._keys)
            self._keys[recipe.name] = key_of(recipe.name, self._inputs[recipe.name])

    @property
    def engine(self) -> Engine:
        """The container engine. Raises ``EnvironmentBroken`` where none was given."""
        if self._engine is None:
            raise EnvironmentBroken("Images can only be built with a container engine.")
        return self._engine

    def key(self, name: str) -> str:
        """The key of a recipe, by its name."""
        return self._keys[name]

    def folder(self, name: str) -> Path:
        """Where the artefact of a recipe is, or will be."""
        return self.cache / "artefacts" / f"{name}-{self._keys[name]}"

    def image(self, name: str) -> str:
        """The engine's reference of an image recipe's artefact."""
        return f"localhost/meshproof/{name}:{self._keys[name]}"

    def log(self, name: str) -> Path:
        """Where the whole output of a recipe's last build is."""
        return self.cache / "logs" / f"{name}-{self._keys[name]}.log"

    def has(self, name: str) -> bool:
        """Whether the artefact of a recipe is there, whole."""
        if self.recipes[name].image:
            return self._engine is not None and self._engine.has_image(self.image(name))
        return self.folder(name).is_dir()

    def note(self) -> None:
        """Note in the cache which keys this checkout's recipes have: what they name is kept."""
        with suppress(OSError):  # a cache that cannot be written to is none to be pruned
            note_checkout(self.cache, self.project, self._keys)

    def missing(self, wanted: Iterable[str]) -> list[str]:
        """What would have to be built for these, in order.

        A folder that is there needs nothing of what it was made from.
        """
        missing: dict[str, None] = {}

        def visit(name: str) -> None:
            if name in missing or self.has(name):
                return
            for need in self.recipes[name].needs:
                visit(need)
            missing[name] = None

        for name in wanted:
            visit(name)
        return list(missing)

    def provide(self, *wanted: str) -> None:
        """Build what is missing of these and of what they need.

        Raises ``UsageFailure`` for an unknown name and ``EnvironmentBroken``,
        with the log's name and last lines, where a build fails.
        """
        unknown = [name for name in wanted if name not in self.recipes]
        if unknown:
            raise UsageFailure(
                f"There is no recipe “{unknown[0]}”; there are: {', '.join(self.recipes)}."
            )
        self.note()
        missing = self.missing(wanted)
        for position, name in enumerate(missing, 1):
            following = f", next {missing[position]}" if position < len(missing) else ""
            with self._lock(name):
                if self.has(name):
                    continue  # another run has built it meanwhile
                title = f"build {name} ({position} of {len(missing)}{following})"
                with self.progress.step(title):
                    self._build(self.recipes[name])
        with suppress(OSError):
            for name in {*wanted, *missing}:
                note_use(self.cache, name, self._keys[name])

    def _lock(self, name: str) -> FileLock:
        folder = self.cache / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / f"{name}-{self._keys[name]}.lock")

    def _build(self, recipe: Recipe) -> None:
        log = self.log(recipe.name)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.unlink(missing_ok=True)
        parts = self.cache / "unfinished"
        parts.mkdir(parents=True, exist_ok=True)
        out = Path(tempfile.mkdtemp(prefix=f"{recipe.name}-", dir=parts))
        begun = time.monotonic()
        try:
            recipe.build(Workbench(recipe, out, log, self.image(recipe.name), self))
            if not recipe.image:
                record = {
                    "recipe": recipe.name,
                    "inputs": self._inputs[recipe.name],
                    "seconds": round(time.monotonic() - begun, 1),
                }
                (out / "recipe.json").write_text(json.dumps(record, indent=2) + "\n")
                out.chmod(0o755)
                final = self.folder(recipe.name)
                final.parent.mkdir(parents=True, exist_ok=True)
                os.rename(out, final)  # noqa: PTH104 - atomic, and says so
        except MeshproofError as error:
            if not log.exists():
                log.write_text(f"{error}\n")  # it failed in a step that keeps no log of its own
            raise EnvironmentBroken(
                f"The recipe “{recipe.name}” failed; its log is {log}. "
                f"Run it alone with `meshproof build {recipe.name}`.",
                str(error),
            ) from error
        finally:
            shutil.rmtree(out, ignore_errors=True)
