"""What pytest was asked to run: whether features are among it, and what of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from meshproof.plugin.scenarios import OTHER_TAGS, folders_on_default
from meshproof.suite.breakages import breakages_folders
from meshproof.suite.registry import expectation_ids, sections, suites


def runs_features(config: pytest.Config) -> bool:
    """Whether the features, or some of them, are among what pytest was asked to run."""
    return _runs(config, _features(config))


def runs_on_a_cluster(config: pytest.Config) -> bool:
    """Whether what needs a cluster is among it: features, breakages, tests on the default suite."""
    tests = [folder.resolve() for folder in folders_on_default(config)]
    there = [folder for folder in (*breakages_folders(), *tests) if folder.is_dir()]
    return _runs(config, _features(config), *there)


def _runs(config: pytest.Config, *folders: Path) -> bool:
    paths = [_path(argument, config) for argument in config.args]
    return any(
        path == folder or folder in path.parents or path in folder.parents
        for folder in folders
        for path in paths
    )


def _features(config: pytest.Config) -> Path:
    """Where the suite's features are."""
    return Path(config.rootpath, config.getini("bdd_features_base_dir")).resolve()


def _path(argument: str, config: pytest.Config) -> Path:
    """The file or folder that an argument names."""
    return (config.invocation_params.dir / argument.split("::", maxsplit=1)[0]).resolve()


def refuse_unknown_markers(config: pytest.Config) -> None:
    """Raise ``pytest.UsageError`` for a misspelt ``-m``.

    It would select nothing, or everything; both look like success.
    """
    expression = config.getoption("markexpr", "") or ""
    known = {line.split(":")[0].split("(")[0] for line in config.getini("markers")}
    words = set(re.findall(r"[^\s()]+", expression)) - {"and", "or", "not"}
    for word in sorted(words - known):
        raise pytest.UsageError(
            f"-m names “{word}”, which is no section and no expectation; there are: "
            f"{', '.join([*sections(), *expectation_ids(), *OTHER_TAGS])}."
        )


def _narrows(argument: str, config: pytest.Config) -> bool:
    """Whether an argument names a part of the features, by a file or a scenario of it."""
    return _features(config) in _path(argument, config).parents


def selected(config: pytest.Config, *, whole: bool) -> str | None:
    """What the user selected, as typed, or None for everything.

    ``whole`` says that nothing was deselected. So it is everything where whole suites were asked
    for by their folders, and nothing else: the scope says which suites it is of.
    """
    paths = [argument for argument in config.args if _narrows(argument, config)]
    folders = {suite.features for suite in suites()}
    if whole and all("::" not in path and _path(path, config) in folders for path in paths):
        return None
    parts = [
        f"{flag} {config.getoption(name)}"
        for flag, name in (("-m", "markexpr"), ("-k", "keyword"))
        if config.getoption(name)
    ]
    return " ".join([*parts, *paths]) or "a part of the collection"
