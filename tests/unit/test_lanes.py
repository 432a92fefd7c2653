"""Lanes: a namespace each, and the tutorial's own manifests but for the host."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from meshproof.cluster.observability import with_statistics
from meshproof.documents import manifests_in, read_all
from meshproof.run.lanes import (
    Lane,
    further_lane,
    lane_number,
    manifests_of,
    namespaces_of_suites,
    other_namespaces,
)
from meshproof.suite.breakages import (
    Breakage,
    all_breakages,
    altered_manifests,
    manifests_below,
)
from meshproof.suite.registry import suites
from tests.suites import MANIFESTS


def stated(folder: Path) -> dict[str, list[Any]]:
    """What is applied, by file: breakages are not."""
    return {
        file.relative_to(folder).as_posix(): [*manifests_in(file)]
        for file in manifests_below(folder)
    }


def hostless(document: dict[str, Any]) -> dict[str, Any]:
    copied = deepcopy(document)
    for server in copied["spec"].get("servers", [copied["spec"]]):
        del server["hosts"]
    return copied


def hosts_of(document: dict[str, Any]) -> list[str]:
    servers = document["spec"].get("servers", [document["spec"]])
    return [host for server in servers for host in server.get("hosts", [])]


def test_the_first_lane_is_as_published_but_for_what_is_counted(
    tmp_path: Path,
) -> None:
    lane = lane_number(0, "voting")
    assert lane == Lane("voting", None)
    copy = stated(manifests_of(lane, MANIFESTS, tmp_path / "copy"))
    assert copy == {
        file: [with_statistics(one) for one in documents]
        for file, documents in stated(MANIFESTS).items()
    }
    assert lane.page("http://127.0.0.1:8080") == "http://127.0.0.1:8080"


def test_another_has_a_namespace_and_a_host_of_its_own() -> None:
    lane = lane_number(1, "voting")
    assert lane == Lane("voting-2", "voting-2.localhost")
    assert lane.page("http://127.0.0.1:8080") == "http://voting-2.localhost:8080"


@pytest.mark.parametrize("number", [0, 2])
def test_so_has_what_is_beside_a_lane(number: int) -> None:
    lane = lane_number(number, "voting")
    assert lane.beside("steady").namespace == f"{lane.namespace}-steady"
    assert lane.beside("steady").host == f"{lane.namespace}-steady.localhost"


def test_a_lanes_manifests_differ_in_the_host_alone(tmp_path: Path) -> None:
    copy = manifests_of(lane_number(1, "voting"), MANIFESTS, tmp_path / "copy")
    published, led = stated(MANIFESTS), stated(copy)
    assert published.keys() == led.keys()
    changed = [
        (before, after)
        for file in published
        for before, after in zip(map(with_statistics, published[file]), led[file], strict=True)
        if before != after
    ]
    # The Gateway, and each VirtualService for it: steps 1, 2a, 3 and 4a.
    assert [before["kind"] for before, _ in changed].count("Gateway") == 1
    assert [before["kind"] for before, _ in changed].count("VirtualService") == 4
    for before, after in changed:
        assert hosts_of(before) == ["*"]
        assert hosts_of(after) == ["voting-2.localhost"]
        assert hostless(before) == hostless(after)


def test_no_host_is_left_that_is_any(tmp_path: Path) -> None:
    copy = manifests_of(lane_number(1, "voting"), MANIFESTS, tmp_path / "copy")
    led = [
        document
        for file, documents in stated(copy).items()
        if file.startswith("istio/")
        for document in documents
        if document["kind"] in ("Gateway", "VirtualService")
    ]
    assert led and all(hosts_of(document) for document in led)
    assert not [document for document in led if "*" in hosts_of(document)]


@pytest.mark.parametrize("breakage", all_breakages(), ids=lambda breakage: breakage.name)
def test_so_are_the_manifests_of_every_breakage(breakage: Breakage, tmp_path: Path) -> None:
    (published,) = (
        suite.manifests
        for suite in suites()
        if breakage.expectation in {one.id for one in suite.expectations}
    )
    broken = altered_manifests(breakage, published, tmp_path / "broken")
    led = stated(manifests_of(lane_number(1, "voting"), broken, tmp_path / "copy"))
    assert led.keys() == stated(broken).keys()


def test_a_copy_is_made_once(tmp_path: Path) -> None:
    lane = lane_number(1, "voting")
    copy = manifests_of(lane, MANIFESTS, tmp_path / "copy")
    (copy / "marker").touch()
    assert manifests_of(lane, MANIFESTS, tmp_path / "copy") == copy
    assert (copy / "marker").exists()


def test_a_run_of_one_suite_is_in_its_namespace_or_the_one_that_was_chosen() -> None:
    assert namespaces_of_suites(["bookinfo"], None) == {"bookinfo": "bookinfo"}
    assert namespaces_of_suites(["bookinfo"], "books") == {"bookinfo": "books"}


def test_each_further_suite_has_a_namespace_that_is_told_by_its_name() -> None:
    both = ["voting", "bookinfo"]
    assert namespaces_of_suites(both, None) == {"voting": "voting", "bookinfo": "bookinfo"}
    assert namespaces_of_suites(both, "a") == {"voting": "a", "bookinfo": "a-bookinfo"}


def test_every_lane_of_a_further_suite_has_a_host_of_its_own() -> None:
    assert further_lane(0, "bookinfo") == Lane("bookinfo", "bookinfo.localhost")
    assert further_lane(1, "bookinfo") == Lane("bookinfo-2", "bookinfo-2.localhost")


def test_the_other_namespaces_of_a_run_are_those_of_all_its_suites() -> None:
    others = other_namespaces(Lane("bookinfo"), "voting", "bookinfo")
    assert {"voting", "voting-2", "bookinfo-2"} < others
    assert "bookinfo" not in others


@pytest.mark.parametrize(
    "text", ["", "---\n", "a: [", "replicas: 3\n", "{{ template }}\n", "- kind: Pod\n"]
)
def test_what_is_no_manifest_is_copied_as_it_is(tmp_path: Path, text: str) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "values.yaml").write_text(text)
    (source / "pod.yaml").write_text("---\n---\nkind: Pod\nmetadata: {name: a}\nspec: {}\n")
    copy = manifests_of(lane_number(0, "voting"), source, tmp_path / "copy")
    assert (copy / "values.yaml").read_text() == text
    (pod,) = read_all((copy / "pod.yaml").read_text())
    assert pod == with_statistics({"kind": "Pod", "metadata": {"name": "a"}, "spec": {}})


def test_text_stays_text_for_who_reads_it_by_yaml_1_1(tmp_path: Path) -> None:
    values = [
        "y",
        "n",
        "on",
        "1e3",
        "1234e56",
        "089",
        "0x1f",
        "null",
        "~",
        "2026-11-29",
        "a: b",
        "",
    ]
    source = tmp_path / "source"
    source.mkdir()
    pod = {"kind": "Pod", "metadata": {"labels": dict(enumerate(values))}, "spec": {"n": 1.5}}
    (source / "pod.yaml").write_text(json.dumps(pod))
    copy = manifests_of(lane_number(0, "voting"), source, tmp_path / "copy")
    text = (copy / "pod.yaml").read_text()
    assert all(f"{json.dumps(value)}\n" in text for value in values)
    assert "1.5\n" in text
