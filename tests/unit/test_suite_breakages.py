from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import jsonpatch
import pytest
import yaml
from pytest_bdd.parser import FeatureParser
from pytest_bdd.scenario import make_python_name

from meshproof.analysis.sampling import chance_to_notice, samples_to_exclude
from meshproof.cluster.cluster import MENDING, OWNED, RUN, TUTORIAL, Cluster, Owner
from meshproof.cluster.objects import owned
from meshproof.documents import read_all, written
from meshproof.environment import leftovers
from meshproof.environment.leftovers import mend
from meshproof.paths import PROJECT
from meshproof.plugin.breakages import BreakageItem, _starts_over
from meshproof.probes.api_resources import Item
from meshproof.signoff.secrets import pattern_of, secrets_of
from meshproof.suite import breakages
from meshproof.suite.breakages import (
    Breakage,
    all_breakages,
    altered,
    altered_manifests,
    attribute,
    breakages_folders,
    broken,
    changes_in_place,
    changes_of,
    chosen,
    is_outside,
    read_breakage,
)
from meshproof.suite.registry import suites
from tests.forked import ran

MANIFESTS = PROJECT / "manifests" / "voting"
COMMITTED = all_breakages()
WHOLE = {
    "expectation": "D3",
    "breaks": "one pod too few",
    "because": "2 of 3",
    "files": {"a.yaml": {"patch": [{"object": "Deployment/app", "operations": []}]}},
}
DOCUMENTS = [
    {"kind": "Deployment", "metadata": {"name": "app"}, "spec": {"replicas": 3}},
    {"kind": "Service", "metadata": {"name": "app"}, "spec": {"ports": [{"port": 8080}]}},
]
TWO_REPLICAS = {"op": "replace", "path": "/spec/replicas", "value": 2}


@cache
def scenarios() -> list[tuple[str, set[str]]]:
    """Each scenario by what pytest calls it, the values of its rows behind, and its tags."""
    found = []
    for file in sorted((PROJECT / "features").rglob("*.feature")):
        feature = FeatureParser(str(file.parent), file.name).parse()
        for scenario in feature.scenarios.values():
            rows = [value for examples in scenario.examples for row in examples.examples
                    for value in row]  # fmt: skip
            tags = {tag for examples in scenario.examples for tag in examples.tags}
            name = f"test_{make_python_name(scenario.name)}[{' '.join(rows)}]"
            found.append((name.lower(), feature.tags | scenario.tags | tags))
    return found


def write(path: Path, content: object) -> Path:
    path.write_text(yaml.safe_dump(content))
    return path


# Reading.


def test_a_breakage_of_manifests(tmp_path: Path) -> None:
    breakage = read_breakage(write(tmp_path / "d3-few.yaml", WHOLE))
    assert (breakage.name, breakage.expectation, breakage.breaks) == (
        "d3-few",
        "D3",
        "one pod too few",
    )
    assert breakage.files == WHOLE["files"]
    assert breakage.object is None


def test_a_breakage_of_an_object(tmp_path: Path) -> None:
    change = {"path": "/api/v1/x", "operations": [TWO_REPLICAS]}
    content = {**WHOLE, "object": change}
    del content["files"]
    breakage = read_breakage(write(tmp_path / "d3-few.yaml", content))
    assert (breakage.files, breakage.object) == ({}, change)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "not a table"),
        ([], "not a table"),
        (
            {k: v for k, v in WHOLE.items() if k != "because"},
            "has the fields breaks, expectation, files",
        ),
        ({**WHOLE, "becuase": "a slip"}, "becuase"),
        ({**WHOLE, "expectation": "D99"}, "no expectation D99"),
        ({**WHOLE, "expectation": None}, "no expectation None"),
        ({**WHOLE, "object": {"path": "/", "operations": []}}, "either files or an object"),
        ({k: v for k, v in WHOLE.items() if k != "files"}, "either files or an object"),
    ],
)
def test_what_is_not_a_whole_breakage_is_refused_by_name(
    tmp_path: Path, content: object, reason: str
) -> None:
    with pytest.raises(ValueError, match=rf"^d3-few\.yaml: .*{reason}"):
        read_breakage(write(tmp_path / "d3-few.yaml", content))


def test_all_breakages_come_in_the_order_of_the_specification(tmp_path: Path) -> None:
    for name, of in (("d3-few", "D3"), ("a1-first", "A1"), ("d3-again", "D3")):
        write(tmp_path / f"{name}.yaml", {**WHOLE, "expectation": of})
    assert [m.name for m in all_breakages([tmp_path])] == ["d3-again", "d3-few", "a1-first"]


def test_a_reason_may_span_lines() -> None:
    breakage = Breakage("x", "D3", "…", "voting-app.*2 of 3", {}, None)
    assert breakage.explains("AssertionError: [voting-app:\n2 of 3 pods]")
    assert not breakage.explains("voting-storage: 2 of 3")


# Changing manifests.


def test_a_patch_changes_its_object_alone_and_not_the_original() -> None:
    before = copy.deepcopy(DOCUMENTS)
    change = {"patch": [{"object": "Deployment/app", "operations": [TWO_REPLICAS]}]}
    deployment, service = altered(DOCUMENTS, change)
    assert deployment["spec"] == {"replicas": 2}
    assert service == DOCUMENTS[1]
    assert before == DOCUMENTS


def test_patches_follow_one_another_and_additions_come_last() -> None:
    added = {"kind": "Service", "metadata": {"name": "more"}}
    more = {"op": "add", "path": "/spec/paused", "value": True}
    change = {
        "patch": [
            {"object": "Deployment/app", "operations": [TWO_REPLICAS]},
            {"object": "Deployment/app", "operations": [more]},
        ],
        "add": [added],
    }
    assert altered(DOCUMENTS, change) == [
        {**DOCUMENTS[0], "spec": {"replicas": 2, "paused": True}},
        DOCUMENTS[1],
        added,
    ]


@pytest.mark.parametrize("name", ["Deployment/gone", "Service/Deployment", "app"])
def test_a_breakage_of_an_object_that_is_not_there_is_an_error(name: str) -> None:
    with pytest.raises(KeyError, match=name):
        altered(DOCUMENTS, {"patch": [{"object": name, "operations": [TWO_REPLICAS]}]})


def test_a_breakage_of_a_field_that_is_not_there_is_an_error() -> None:
    absent = {"op": "replace", "path": "/spec/gone", "value": 2}
    with pytest.raises(jsonpatch.JsonPatchException):
        altered(DOCUMENTS, {"patch": [{"object": "Deployment/app", "operations": [absent]}]})


def test_manifests_are_changed_in_a_copy(tmp_path: Path) -> None:
    source = tmp_path / "manifests"
    (source / "istio").mkdir(parents=True)
    (source / "istio" / "other.yaml").write_text("kind: Gateway\n")
    (source / "breakages").mkdir()
    (source / "breakages" / "x.yaml").write_text("expectation: D3\n")
    original = yaml.safe_dump_all(DOCUMENTS)
    (source / "a.yaml").write_text(original)
    breakage = Breakage("x", "D3", "…", "…", {
        "a.yaml": {"patch": [{"object": "Deployment/app", "operations": [TWO_REPLICAS]}]}
    }, None)  # fmt: skip
    copied = altered_manifests(breakage, source, tmp_path / "copy")
    first, second = yaml.safe_load_all((copied / "a.yaml").read_text())
    assert (first["spec"], second) == ({"replicas": 2}, DOCUMENTS[1])
    assert (copied / "istio" / "other.yaml").read_text() == "kind: Gateway\n"
    assert not (copied / "breakages").exists()
    assert (source / "a.yaml").read_text() == original


# Changing an object of the cluster.

LIVE: dict[str, Any] = {
    "metadata": {"name": "gateway", "resourceVersion": "7"},
    "spec": {"type": "LoadBalancer", "ports": [{"port": 80}, {"port": 15021}], "note": None},
    "status": {"loadBalancer": {}},
}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "add", "path": "/spec/sourceRanges", "value": ["192.0.2.0/24"]},
        {"op": "add", "path": "/spec/ports/0", "value": {"port": 22}},
        {"op": "replace", "path": "/spec/type", "value": "ClusterIP"},
        {"op": "replace", "path": "/spec/ports/1", "value": {"port": 22}},
        {"op": "replace", "path": "/spec/ports", "value": []},
        {"op": "remove", "path": "/spec/ports/0"},
        {"op": "remove", "path": "/spec/note"},
        {"op": "move", "from": "/spec/ports/0/port", "path": "/spec/port"},
    ],
    ids=lambda operation: f"{operation['op']} {operation['path']}",
)
def test_what_is_broken_can_be_mended(operation: dict[str, Any]) -> None:
    before = copy.deepcopy(LIVE)
    breaking, mending = changes_of(LIVE, [operation])
    assert breaking == [operation]
    bad = jsonpatch.apply_patch(LIVE, breaking)
    assert bad != LIVE
    assert jsonpatch.apply_patch(bad, mending) == LIVE == before
    assert not [o for o in mending if o["path"].startswith(("/metadata", "/status"))]


class Server:
    """One object of an API server, which may not take what it is given."""

    def __init__(self, *, takes: bool = True) -> None:
        self.live: dict[str, Any] = copy.deepcopy(LIVE)
        self.takes = takes
        self.patches = 0

    def get(self, cluster: Cluster, path: str) -> Mapping[str, Any]:
        assert path == "/the/object"
        return copy.deepcopy(self.live)

    def patch(self, cluster: Cluster, path: str, operations: list[Any]) -> None:
        assert path == "/the/object"
        self.patches += 1
        self.live["metadata"]["resourceVersion"] += "1"
        if self.takes:
            self.live = jsonpatch.apply_patch(self.live, operations)


REMOVED = {"op": "remove", "path": "/spec/note"}
FIREWALLED = Breakage("d6", "D6", "…", "…", {}, {"path": "/the/object", "operations": [REMOVED]})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Server:
    server = Server(takes=getattr(request, "param", True))
    monkeypatch.setattr(breakages, "get", server.get)
    monkeypatch.setattr(breakages, "patch", server.patch)
    monkeypatch.setattr(leftovers, "patch", server.patch)
    return server


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster("fake", tmp_path, tmp_path)


def test_an_object_is_broken_inside_and_mended_after(server: Server, cluster: Cluster) -> None:
    with broken(cluster, FIREWALLED):
        assert "note" not in server.live["spec"]
    assert server.live["spec"] == LIVE["spec"]


def test_who_comes_after_a_killed_run_can_mend_an_object(server: Server, tmp_path: Path) -> None:
    cluster = Cluster("fake", tmp_path, tmp_path, Owner("mine", "voting"))
    with broken(cluster, FIREWALLED):
        item = Item("Service", "a", "b", "1", "/the/object", owned=False, mending=mending(server))
        marks = server.live["metadata"]["annotations"]
        assert (marks[RUN], marks[TUTORIAL]) == ("mine", "voting")
        left = copy.deepcopy(server.live)
    assert "note" not in left["spec"]
    assert not server.live["metadata"]["annotations"]
    server.live = left
    mend(cluster, item)
    assert server.live["spec"] == LIVE["spec"]
    assert not server.live["metadata"]["annotations"]


def mending(server: Server) -> str:
    return str(server.live["metadata"]["annotations"][MENDING])


def test_other_annotations_stay(server: Server, cluster: Cluster) -> None:
    server.live["metadata"]["annotations"] = {"theirs": "1"}
    with broken(cluster, FIREWALLED):
        assert server.live["metadata"]["annotations"].keys() == {"theirs", MENDING}
    assert server.live["metadata"]["annotations"] == {"theirs": "1"}


def test_an_object_is_mended_also_where_what_was_done_meanwhile_failed(
    server: Server, cluster: Cluster
) -> None:
    with pytest.raises(AssertionError, match="red"), broken(cluster, FIREWALLED):
        raise AssertionError("red")
    assert server.live["spec"] == LIVE["spec"]


@pytest.mark.parametrize("server", [False], indirect=True)
def test_a_change_that_the_cluster_does_not_take_is_said_and_not_mended(
    server: Server, cluster: Cluster
) -> None:
    with pytest.raises(ValueError, match="d6 is not in force"), broken(cluster, FIREWALLED):
        pytest.fail("it is not broken")
    assert server.patches == 1


def test_a_breakage_of_manifests_leaves_the_cluster_alone(server: Server, cluster: Cluster) -> None:
    with broken(cluster, Breakage("x", "D3", "…", "…", {"a.yaml": {}}, None)):
        pass
    assert server.patches == 0


# Whose the objects are that lie outside of the tutorial's namespace.

OUTSIDE = """\
kind: PriorityClass
metadata: {name: first, annotations: {theirs: "1"}}
---
kind: DestinationRule
metadata: {name: rule, namespace: istio-system}
---
kind: Service
metadata: {name: app}
"""


def test_what_lies_outside_says_whose_it_is_and_nothing_else_does(tmp_path: Path) -> None:
    folder = tmp_path / "istio"
    folder.mkdir()
    (folder / "inside.yaml").write_text("kind: Service\nmetadata: {name:  app}\n")
    (folder / "outside.yaml").write_text(OUTSIDE)
    # Breakages lie among manifests and are none.
    (tmp_path / "breakages").mkdir()
    (tmp_path / "breakages" / "x.yaml").write_text("expectation: D3\n")
    for _ in range(2):
        attribute(tmp_path, Owner("mine", "voting").annotations)
    documents = yaml.safe_load_all((folder / "outside.yaml").read_text())
    said = {RUN: "mine", TUTORIAL: "voting"}
    assert [document["metadata"].get("annotations") for document in documents] == [
        {"theirs": "1"} | said, said, None,
    ]  # fmt: skip
    assert (folder / "inside.yaml").read_text() == "kind: Service\nmetadata: {name:  app}\n"


def test_of_the_committed_breakages_only_what_lies_outside_is_marked(tmp_path: Path) -> None:
    (breakage,) = (one for one in COMMITTED if one.name == "a3-priority-class")
    copied = altered_manifests(breakage, MANIFESTS, tmp_path / "manifests")
    before = {file: file.read_text() for file in copied.rglob("*.yaml")}
    attribute(copied, Owner("mine", "voting").annotations)
    (changed,) = (file for file, text in before.items() if file.read_text() != text)
    marked = [d for d in read_all(changed.read_text()) if "annotations" in d["metadata"]]
    assert [document["kind"] for document in marked] == ["PriorityClass"]


APPLIED = [
    (file.name, document)
    for kind in ("kubernetes", "istio")
    for file in sorted((MANIFESTS / kind).glob("*.yaml"))
    for document in read_all(file.read_text())
]
BROUGHT = [
    (breakage.name, document)
    for breakage in COMMITTED
    for change in breakage.files.values()
    for document in change.get("add", [])
]


@pytest.mark.parametrize(("where", "document"), APPLIED + BROUGHT)
def test_every_object_carries_its_owner(where: str, document: dict[str, Any]) -> None:
    assert document["metadata"]["labels"].items() >= OWNED.items(), where


def test_nothing_that_is_applied_lies_outside_but_what_a_breakage_brings() -> None:
    assert [where for where, document in APPLIED if is_outside(document)] == []
    outside = [where for where, document in BROUGHT if is_outside(document)]
    assert outside == ["a3-priority-class"]


# The committed breakages.


def test_every_expectation_of_the_first_section_has_a_breakage() -> None:
    assert {breakage.expectation for breakage in COMMITTED} >= {
        f"D{number}" for number in range(1, 9)
    }


@pytest.mark.parametrize("breakage", COMMITTED, ids=lambda breakage: breakage.name)
def test_a_committed_breakage_has_its_expectations_name_and_a_reason(
    breakage: Breakage,
) -> None:
    assert breakage.name.startswith(breakage.expectation.lower() + "-")
    assert breakage.breaks
    assert not breakage.explains("")  # anything would do as a reason then
    assert re.compile(breakage.because)


def test_what_is_said_of_a_committed_breakage_holds_no_secret() -> None:
    secrets = secrets_of(MANIFESTS)
    assert secrets
    for breakage in COMMITTED:
        said = repr(breakage).encode()
        for secret in secrets:
            assert not pattern_of(secret).search(said), (breakage.name, secret.name)


def manifests_for(breakage: Breakage) -> Path:
    """The manifests of the suite whose promise it breaks."""
    return next(
        suite.manifests
        for suite in suites()
        if breakage.expectation in {one.id for one in suite.expectations}
    )


@pytest.mark.parametrize("breakage", COMMITTED, ids=lambda breakage: breakage.name)
def test_a_committed_breakage_changes_what_is_committed(breakage: Breakage, tmp_path: Path) -> None:
    manifests = manifests_for(breakage)
    copied = altered_manifests(breakage, manifests, tmp_path / "manifests")
    changed = set()
    for file in copied.rglob("*.yaml"):
        name = file.relative_to(copied).as_posix()
        was, now = (manifests / name).read_text(), file.read_text()
        if now != was and read_all(now) != read_all(was):
            changed.add(name)
    assert changed == set(breakage.files)
    assert bool(changed) != bool(breakage.object)
    for name in changed:
        for document in read_all((copied / name).read_text()):
            assert owned(document), "what is not ours is never deleted"


@pytest.mark.parametrize(
    "breakage", [m for m in COMMITTED if m.object], ids=lambda breakage: breakage.name
)
def test_a_committed_breakage_of_an_object_has_a_path_and_operations(breakage: Breakage) -> None:
    assert breakage.object is not None
    assert breakage.object.keys() == {"path", "operations"}
    assert breakage.object["path"].startswith(("/api/v1/", "/apis/"))
    jsonpatch.JsonPatch.from_string(json.dumps(breakage.object["operations"]))
    for operation in breakage.object["operations"]:
        assert not operation["path"].startswith(("/metadata", "/status"))


@pytest.mark.parametrize(
    ("expression", "matches"),
    [
        ("", True),
        ("in_tls", True),
        ("In_TLS", True),
        ("in_tls and lock-down]", True),
        ("in_tls and not canary", True),
        ("in_tls and canary", False),
        ("not in_tls", False),
        ("plain_text", False),
    ],
)
def test_words_that_a_scenario_is_chosen_by(expression: str, matches: bool) -> None:
    assert chosen("test_a_client_is_refused_in_tls[lock-down]", expression) is matches


@pytest.mark.parametrize("breakage", COMMITTED, ids=lambda breakage: breakage.name)
def test_a_scenario_with_a_vote_must_notice_each_breakage(breakage: Breakage) -> None:
    proving = [(name, tags) for name, tags in scenarios() if breakage.expectation in tags]
    votes = [name for name, tags in proving if "finding" not in tags]
    # A word of an example's stands behind the scenario's own name.
    words = [word for word in breakage.scenario.split(" and ") if not word.startswith("not ")]
    assert any(all(word.lower().strip("[]") in name for word in words) for name in votes)


def test_the_tutorial_starts_over_for_what_cannot_be_put_back_or_bound_again() -> None:
    starting_over = {
        breakage.name
        for suite in suites()
        for breakage in all_breakages([suite.manifests / breakages.FOLDER])
        if not changes_in_place(breakage, suite.manifests)
    }
    assert starting_over == {
        "a3-priority-class", "a4-never-unchanged", "a4-no-way-back", "c2-unused-claim",
        "c7-no-claim",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("file", "target"),
    [("away.yaml", "Secret/one"), ("a.yaml", "Secret/away"), ("a.yaml", "Secret/one")],
    ids=["file", "object", "field"],
)
def test_a_breakage_whose_target_is_away_has_its_turn_and_says_so_then(
    tmp_path: Path, file: str, target: str
) -> None:
    (tmp_path / "a.yaml").write_text(written([{"kind": "Secret", "metadata": {"name": "one"}}]))
    operations = [{"op": "replace", "path": "/data/away", "value": ""}]
    change = {file: {"patch": [{"object": target, "operations": operations}]}}
    breakage = Breakage("stale", "D3", "", "", change, None)
    item = SimpleNamespace(breakage=breakage, suite=SimpleNamespace(manifests=tmp_path))
    assert not _starts_over(cast("BreakageItem", item))


def test_breakages_come_by_the_stages_of_their_scenarios() -> None:
    folders = map(str, breakages_folders())
    collected = ran(
        ["-m", "pytest", "--collect-only", "-q", "-n0", *folders], cwd=PROJECT, env=os.environ
    )
    assert collected.returncode == 0, collected.stdout
    names = [line.rpartition("::")[2] for line in collected.stdout.splitlines() if "::" in line]
    assert sorted(names) == sorted(breakage.name for breakage in COMMITTED)
    order = [
        "d3-two-app-pods", "d2-fourth-service", "a2-gateway-of-nobody", "u1-second-object",
        "t1-permissive", "u6-app-too-wide", "c6-app-2.0-cut-off", "c2-another-object",
        "c7-no-claim", "f2-old-route", "f4-votes-lost", "a4-no-way-back", "a1-stops-at-once",
    ]  # fmt: skip
    assert [name for name in names if name in order] == order


def shares_in(value: Any) -> Iterator[int]:
    """Each share, in percent, that a change of manifests has a route send elsewhere."""
    if isinstance(value, dict):
        if isinstance(value.get("weight"), int):
            yield value["weight"]
        for inner in value.values():
            yield from shares_in(inner)
    if isinstance(value, list):
        for inner in value:
            yield from shares_in(inner)


def test_no_leak_of_a_breakage_is_likely_to_be_missed_by_the_sample_that_looks_for_it() -> None:
    shares = {breakage.name: [*shares_in(breakage.files)] for breakage in COMMITTED}
    found = {name: min(those) for name, those in shares.items() if those}
    assert len(found) > 5
    sample = samples_to_exclude(0.01, 0.999)
    missed = {name: 1 - chance_to_notice(sample, share / 100) for name, share in found.items()}
    assert not {name: chance for name, chance in missed.items() if chance > 1e-8}
