"""npm: packages exactly as a committed lock file names them, by version and content."""

from __future__ import annotations

import shutil

from meshproof.paths import DATA, cache_dir
from meshproof.supply.recipe import Recipe
from meshproof.supply.workshop import Workbench

LOCKS = DATA / "supply" / "npm"


def npm_recipe(name: str, about: str) -> Recipe:
    """Make the recipe of a lock file below supply/npm: its packages in ``node_modules``.

    npm compares each package with the lock's digest; no script of a package is run.
    """

    def build(bench: Workbench) -> None:
        for file in ("package.json", "package-lock.json"):
            shutil.copyfile(LOCKS / name / file, bench.out / file)
        bench.run(
            *("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"),
            cwd=bench.out,
            env={"npm_config_cache": str(cache_dir() / "npm")},
        )

    return Recipe(name, about, build, files=(LOCKS / name,))


ALLURE = npm_recipe("allure", "Allure's report generator")
