from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from filelock import FileLock

from meshproof.engine.engine import Engine
from meshproof.errors import EnvironmentBroken, ExitCode, UsageFailure
from meshproof.progress import Progress
from meshproof.supply.recipe import Recipe
from meshproof.supply.workshop import Workbench, Workshop

Build = Callable[[Workbench], None]


@dataclass
class Bench:
    """Makes recipes and workshops over one cache, and counts what is built."""

    root: Path
    progress: Progress
    built: list[str] = field(default_factory=list)

    def recipe(self, name: str, *needs: str, settings: dict[str, str] | None = None) -> Recipe:
        def build(bench: Workbench) -> None:
            self.built.append(bench.recipe.name)
            (bench.out / "product").write_text(bench.recipe.name)

        return Recipe(name, f"makes {name}", build, settings=settings or {}, needs=needs)

    def workshop(self, *recipes: Recipe, engine: Engine | None = None) -> Workshop:
        return Workshop(
            {recipe.name: recipe for recipe in recipes},
            root=self.root,
            cache=self.root / "cache",
            engine=engine,
            progress=self.progress,
        )


@pytest.fixture
def bench(tmp_path: Path, progress: Progress) -> Bench:
    return Bench(tmp_path, progress)


def failing(build: Build) -> Recipe:
    return Recipe("broken", "does not work", build)


def test_an_artefact_is_built_once(bench: Bench) -> None:
    for _ in range(2):
        shop = bench.workshop(bench.recipe("kind"))
        shop.provide("kind")
        shop.provide("kind")
    assert bench.built == ["kind"]
    assert (shop.folder("kind") / "product").read_text() == "kind"


def test_an_artefact_can_be_read_by_everyone_and_says_what_it_is_made_of(bench: Bench) -> None:
    shop = bench.workshop(bench.recipe("kind", settings={"go": "1.26"}))
    shop.provide("kind")
    assert shop.folder("kind").stat().st_mode & 0o777 == 0o755
    record = json.loads((shop.folder("kind") / "recipe.json").read_text())
    assert record["recipe"] == "kind"
    assert record["inputs"]["setting:go"] == "1.26"


def test_needs_are_built_first_and_can_be_read(bench: Bench) -> None:
    def build(at: Workbench) -> None:
        (at.out / "copy").write_text((at.artefact("base") / "product").read_text())

    shop = bench.workshop(Recipe("top", "", build, needs=("base",)), bench.recipe("base"))
    shop.provide("top")
    assert (shop.folder("top") / "copy").read_text() == "base"


def test_progress_says_what_is_next(bench: Bench, lines: list[str]) -> None:
    bench.workshop(bench.recipe("top", "base"), bench.recipe("base")).provide("top")
    begun = [line.partition("▸ ")[2] for line in lines if "▸" in line]
    assert begun == ["build base (1 of 2, next top)", "build top (2 of 2)"]


def test_a_failure_names_the_log_and_its_last_lines(bench: Bench) -> None:
    def build(at: Workbench) -> None:
        (at.out / "half").touch()
        at.run("sh", "-c", "echo first; echo undefined: mainn; exit 2")

    shop = bench.workshop(failing(build))
    with pytest.raises(EnvironmentBroken) as raised:
        shop.provide("broken")
    log = shop.log("broken")
    assert raised.value.exit_code == ExitCode.ENVIRONMENT
    assert str(log) in raised.value.sentence
    assert "`meshproof build broken`" in raised.value.sentence
    assert "undefined: mainn" in raised.value.details
    assert log.read_text().splitlines()[-2:] == ["first", "undefined: mainn"]


def test_the_log_that_a_failure_names_is_there_even_if_nothing_was_logged(bench: Bench) -> None:
    def build(at: Workbench) -> None:
        raise EnvironmentBroken("“pip” failed with exit code 1.", "no matching distribution")

    shop = bench.workshop(failing(build))
    with pytest.raises(EnvironmentBroken):
        shop.provide("broken")
    assert "no matching distribution" in shop.log("broken").read_text()


@pytest.mark.parametrize(
    "error", [EnvironmentBroken("It failed."), OSError("disk full"), KeyboardInterrupt()]
)
def test_what_a_failed_or_stopped_build_leaves_does_not_look_finished(
    bench: Bench, error: BaseException
) -> None:
    errors = [error]

    def build(at: Workbench) -> None:
        (at.out / "half").touch()
        if errors:
            raise errors.pop()

    shop = bench.workshop(failing(build))
    with pytest.raises((EnvironmentBroken, OSError, KeyboardInterrupt)):
        shop.provide("broken")
    assert not shop.has("broken")
    assert list((bench.root / "cache" / "unfinished").iterdir()) == []
    shop.provide("broken")
    assert shop.has("broken")


def test_a_half_built_folder_is_never_used(bench: Bench) -> None:
    shop = bench.workshop(bench.recipe("kind"))
    half = bench.root / "cache" / "unfinished" / shop.folder("kind").name
    half.mkdir(parents=True)
    (half / "product").write_text("half")
    assert not shop.has("kind")
    shop.provide("kind")
    assert (shop.folder("kind") / "product").read_text() == "kind"


def test_a_log_holds_the_last_build_only(bench: Bench) -> None:
    words = ["first", "second"]

    def build(at: Workbench) -> None:
        at.run("sh", "-c", f"echo {words.pop(0)}; exit 1")

    shop = bench.workshop(failing(build))
    for _ in range(2):
        with pytest.raises(EnvironmentBroken):
            shop.provide("broken")
    assert "second" in shop.log("broken").read_text()
    assert "first" not in shop.log("broken").read_text()


def test_two_runs_at_once_share_one_build(bench: Bench) -> None:
    building, waiting, finish = threading.Event(), threading.Event(), threading.Event()
    built: list[str] = []

    def build(at: Workbench) -> None:
        built.append(at.recipe.name)
        building.set()
        assert finish.wait(10)

    class Second(Workshop):
        def _lock(self, name: str) -> FileLock:
            waiting.set()
            return super()._lock(name)

    recipe = Recipe("slow", "", build)
    first = bench.workshop(recipe)
    second = Second({"slow": recipe}, root=bench.root, cache=first.cache, progress=bench.progress)
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(first.provide, "slow")]
        assert building.wait(10)
        assert not second.has("slow")
        runs.append(pool.submit(second.provide, "slow"))
        assert waiting.wait(10)
        finish.set()
        for run in runs:
            run.result(10)
    assert built == ["slow"]
    assert second.has("slow")


def test_a_changed_input_gives_another_folder_and_keeps_the_old_one(bench: Bench) -> None:
    shops = [bench.workshop(bench.recipe("kind", settings={"go": go})) for go in ("1.26", "1.27")]
    for shop in shops:
        shop.provide("kind")
    old, new = (shop.folder("kind") for shop in shops)
    assert old != new
    assert old.is_dir()
    assert bench.built == ["kind", "kind"]


def test_a_changed_need_rebuilds_what_uses_it(bench: Bench) -> None:
    for go in ("1.26", "1.27"):
        base = bench.recipe("base", settings={"go": go})
        bench.workshop(bench.recipe("top", "base"), base, bench.recipe("apart")).provide(
            "top", "apart"
        )
    assert bench.built == ["base", "top", "apart", "base", "top"]


def test_missing_is_in_order_and_each_once(bench: Bench) -> None:
    names = {"top": ("left", "right"), "left": ("base",), "right": ("base",), "base": ()}
    shop = bench.workshop(*(bench.recipe(name, *needs) for name, needs in names.items()))
    assert shop.missing(["top", "base"]) == ["base", "left", "right", "top"]


def test_what_is_there_needs_nothing_of_what_it_was_made_from(bench: Bench) -> None:
    shop = bench.workshop(bench.recipe("top", "base"), bench.recipe("base"))
    shop.folder("top").mkdir(parents=True)
    assert shop.missing(["top"]) == []


def test_an_unknown_name_lists_the_known_ones(bench: Bench) -> None:
    shop = bench.workshop(bench.recipe("kind"), bench.recipe("istio"))
    with pytest.raises(UsageFailure) as raised:
        shop.provide("kind", "nonsense")
    assert raised.value.sentence == "There is no recipe “nonsense”; there are: kind, istio."
    assert bench.built == []


@dataclass(frozen=True)
class ImageStore(Engine):
    """An engine that has the images that it was given."""

    images: set[str] = field(default_factory=set)

    def has_image(self, reference: str) -> bool:
        return reference in self.images


def test_an_image_is_there_when_the_engine_has_it(bench: Bench) -> None:
    engine = ImageStore("docker", "docker")

    def build(at: Workbench) -> None:
        bench.built.append(at.recipe.name)
        assert at.workshop.engine is engine
        engine.images.add(at.image)

    recipe = Recipe("pause", "", build, image=True)
    shop = bench.workshop(recipe, engine=engine)
    assert not shop.has("pause")
    shop.provide("pause")
    shop.provide("pause")
    assert bench.built == ["pause"]
    assert shop.image("pause") == f"localhost/meshproof/pause:{shop.key('pause')}"
    assert not shop.folder("pause").exists()
    engine.images.clear()
    assert shop.missing(["pause"]) == ["pause"]


def test_without_an_engine_no_image_is_there_and_none_can_be_built(bench: Bench) -> None:
    def build(at: Workbench) -> None:
        at.workshop.engine.has_image("any")

    shop = bench.workshop(Recipe("pause", "", build, image=True))
    assert not shop.has("pause")
    with pytest.raises(EnvironmentBroken, match="only be built with a container engine"):
        shop.provide("pause")
