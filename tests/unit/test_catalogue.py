from __future__ import annotations

import tomllib

import pytest
import yaml

from meshproof.engine.engine import Engine
from meshproof.paths import PROJECT, cache_dir
from meshproof.progress import Progress
from meshproof.suite.registry import suites
from meshproof.supply.catalogue import TOOLS, loaded
from meshproof.supply.go import MODULES
from meshproof.supply.images import IMAGES
from meshproof.supply.node import BAKED_IN
from meshproof.supply.recipe import Recipe, in_order
from meshproof.supply.workshop import Workshop

Recipes = dict[str, Recipe]


def test_recipes_do_not_need_each_other_and_all_needs_are_there(recipes: Recipes) -> None:
    assert {recipe.name for recipe in in_order(recipes, recipes)} == set(recipes)


def test_every_file_that_goes_into_a_recipe_is_in_the_checkout(recipes: Recipes) -> None:
    for recipe in recipes.values():
        for file in recipe.files:
            assert file.exists(), f"{recipe.name}: {file}"
            assert file.is_relative_to(PROJECT)


def test_every_wrapper_has_the_recipe_of_its_name(recipes: Recipes) -> None:
    for wrapper in MODULES.iterdir():
        assert recipes[wrapper.name].files == (wrapper,)


def test_every_image_folder_is_of_a_recipe_and_every_image_recipe_has_one(
    recipes: Recipes,
) -> None:
    made_elsewhere = {"debian", "node"}  # by mmdebstrap, and by kind itself
    used = {
        recipe.files[0]
        for recipe in recipes.values()
        if recipe.image and recipe.name not in made_elsewhere
    }
    assert used == {path for path in IMAGES.iterdir() if path.is_dir()}
    assert all((folder / "Dockerfile").is_file() for folder in used)


def test_every_recipe_says_what_it_makes_and_has_a_key_of_its_own(recipes: Recipes) -> None:
    shop = Workshop(recipes, root=PROJECT, cache=cache_dir(), progress=Progress(lambda line: None))
    assert len({shop.key(name) for name in recipes}) == len(recipes)
    assert all(recipe.about for recipe in recipes.values())


def test_tools_and_loaded_and_baked_images_are_made_by_recipes(recipes: Recipes) -> None:
    for name in TOOLS.values():
        assert not recipes[name].image
    for name in (*loaded().values(), *BAKED_IN.values()):
        assert recipes[name].image


def test_every_image_of_a_manifest_is_loaded_or_baked_in() -> None:
    asked = set()
    for folder in ("probes", "voting/kubernetes", "voting/istio"):
        for file in (PROJECT / "manifests" / folder).rglob("*.yaml"):
            for document in yaml.safe_load_all(file.read_text()):
                asked |= _images(document)
    assert asked
    assert asked <= set(loaded()) | set(BAKED_IN)


def _images(node: object) -> set[str]:
    if isinstance(node, dict):
        own = {str(node["image"])} if isinstance(node.get("image"), str) else set()
        return own.union(*map(_images, node.values()))
    if isinstance(node, list):
        return set().union(*map(_images, node))
    return set()


@pytest.mark.parametrize("name", ["kind", "kubernetes", "coredns"])
def test_another_go_is_another_key(
    recipes: Recipes, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    other = {**recipes}
    settings = {**recipes[name].settings, "go": "go1.99.0"}
    other[name] = Recipe(name, "", recipes[name].build, recipes[name].files, settings)
    keys = [Workshop(made, root=PROJECT, cache=cache_dir()).key(name) for made in (recipes, other)]
    assert keys[0] != keys[1]


def test_nothing_but_images_needs_an_engine(recipes: Recipes) -> None:
    shop = Workshop(
        recipes, root=PROJECT, cache=cache_dir(), engine=Engine("docker", "/nonexistent")
    )
    for name, recipe in recipes.items():
        if not recipe.image:
            assert not shop.has(name)


def test_the_package_holds_what_the_librarys_recipes_are_made_of(recipes: Recipes) -> None:
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    wheel = settings["tool"]["hatch"]["build"]["targets"]["wheel"]
    held = [PROJECT / name for name in (*wheel["packages"], *wheel["force-include"])]
    own = {image.recipe for suite in suites() for image in suite.images if image.folder}
    missing = [
        f"{name}: {file}"
        for name, recipe in recipes.items()
        if name not in own
        for file in recipe.files
        if not any(file.is_relative_to(folder) for folder in held)
    ]
    assert missing == []
    assert all(folder.is_dir() for folder in held)
    assert {str(to) for to in wheel["force-include"].values()} == {
        f"meshproof/_data/{name}" for name in wheel["force-include"]
    }
