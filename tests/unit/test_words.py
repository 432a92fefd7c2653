"""No word of a tutorial is in the library, the plugin or the vocabulary.

The words are taken from the suites' files: names of workloads, files and images, and the ids of
the page's elements.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from meshproof.documents import manifests_in
from meshproof.paths import PROJECT
from meshproof.suite.model import Suite
from meshproof.suite.registry import suites
from meshproof.suite.stages import applied_files
from tests.suites import STAGES, SUITE, objects_of_stages

#: Ids and names of apps that are everybody's words, too.
COMMON = {"details", "host", "problem", "reset", "status", "version"}


def words_of(suite: Suite) -> set[str]:
    """The words that only a suite's own files may hold; ids of its page in quotes."""
    files = {
        Path(file).name
        for stage in suite.stages
        for command in stage.commands
        for file in applied_files(command)
    }
    images = {image.name for image in suite.images}
    images |= {image.recipe for image in suite.images if image.folder}
    ids = set(suite.page) - COMMON
    page = {form for one in ids for form in (f'"{one}"', f'#{one}"', f"/{one}/")}
    apps = {workload.app for workload in suite.workloads} - COMMON
    return apps | files | images | page


def readers() -> Iterator[Path]:
    """The files that know no tutorial."""
    for file in sorted((PROJECT / "meshproof").rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            yield file


def words_in(text: str) -> list[str]:
    return sorted(word for suite in suites() for word in words_of(suite) if word in text)


def test_words_of_a_tutorial_are_found() -> None:
    assert words_in("the pods of voting-app-1-0 and a page's element “store”") == ["voting-app"]
    assert words_in("find('\"toggle\"')") == ['"toggle"']
    assert words_in("step-1-create-voting-app.yaml")[0] == "step-1-create-voting-app.yaml"
    assert words_in("a store of results") == []


def test_the_library_holds_no_word_of_a_tutorial() -> None:
    found = {
        file.relative_to(PROJECT).as_posix(): words
        for file in readers()
        if (words := words_in(file.read_text(errors="ignore")))
    }
    assert found == {}


# What a suite's file says of workloads is what the manifests say.


def test_workloads_are_those_of_the_manifests() -> None:
    deployments = [
        manifest["spec"]["template"]
        for objects in objects_of_stages("voting", SUITE.manifests).values()
        for (kind, _), manifest in objects.items()
        if kind == "Deployment"
    ]
    told = {
        (
            template["metadata"]["labels"]["app"],
            template["metadata"]["labels"]["version"],
            container["name"],
            port["containerPort"],
            port["name"],
        )
        for template in deployments
        for container in template["spec"]["containers"]
        for port in container["ports"]
    }
    stated = {(w.app, w.version, w.container, w.port, w.protocol) for w in SUITE.workloads}
    assert told == stated


def test_every_image_of_a_deployment_is_one_of_the_suites() -> None:
    files = {file for stage in STAGES for command in stage.commands
             for file in applied_files(command)}  # fmt: skip
    used = {
        container["image"]
        for file in files
        for manifest in manifests_in(SUITE.manifests / file)
        if manifest["kind"] == "Deployment"
        for container in manifest["spec"]["template"]["spec"]["containers"]
    }
    assert used == {image.name for image in SUITE.images}


def test_ids_are_those_of_the_page() -> None:
    page = (PROJECT / "images" / "voting" / "voting" / "page.html").read_text()
    assert set(SUITE.page) <= set(re.findall(r'id="([\w-]+)"', page))
