from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from meshproof.paths import ROOT
from meshproof.tutorial.objects import KINDS, owned
from meshproof.tutorial.stages import (
    NAMES,
    STAGES,
    Objects,
    Stage,
    applied_documents,
    applied_files,
    deviations,
    differences,
    objects_at,
    output_lines,
    path_between,
    stage_named,
    stage_of,
)

MANIFESTS = ROOT / "manifests"
NAMESPACE = "elsewhere"

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=12,
)


@cache
def wanted() -> dict[str, Objects]:
    return {name: objects_at(name, NAMESPACE, MANIFESTS) for name in NAMES}


def live_at(name: str) -> Objects:
    """The objects of a stage as the API server has them: with more in them than was applied."""
    live = copy.deepcopy(wanted()[name])
    return {key: grown(value) for key, value in live.items()}


def grown(value: Any) -> Any:
    """A value with one field more in every table of it."""
    if isinstance(value, dict):
        return {"set by the server": {}, **{key: grown(below) for key, below in value.items()}}
    return [grown(below) for below in value] if isinstance(value, list) else value


@cache
def committed_documents() -> list[Any]:
    files = [f for folder in ("kubernetes", "istio") for f in (MANIFESTS / folder).rglob("*.yaml")]
    return [document for file in files for document in yaml.safe_load_all(file.read_text())]


# What the stages say.


def test_stages_have_names_of_their_own() -> None:
    assert len(set(NAMES)) == len(STAGES) > 0
    assert [stage_named(name) for name in NAMES] == list(STAGES)


def test_an_unknown_stage_names_the_known_ones() -> None:
    with pytest.raises(KeyError) as refused:
        stage_named("rolled-back")
    assert "no stage “rolled-back”" in str(refused.value)
    assert all(name in str(refused.value) for name in NAMES)


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_every_command_of_a_stage_is_for_the_namespace_that_is_followed(stage: Stage) -> None:
    lines = stage.command_lines(NAMESPACE)
    assert len(lines) == len(stage.commands) > 0
    assert all(NAMESPACE in line.split() for line in lines)
    assert [line.replace(NAMESPACE, "{namespace}") for line in lines] == [
        command.replace("{{", "{").replace("}}", "}") for command in stage.commands
    ]


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_every_file_that_a_stage_applies_is_there(stage: Stage) -> None:
    files = [file for command in stage.commands for file in applied_files(command)]
    assert [file for file in files if not (MANIFESTS / file).is_file()] == []


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_the_parts_of_a_file_are_together_the_whole(stage: Stage) -> None:
    parts: dict[str, list[str]] = {}
    for command in stage.commands:
        for file in applied_files(command):
            names = [
                document["metadata"]["name"] for document in applied_documents(command, MANIFESTS)
            ]
            parts.setdefault(file, []).extend(names)
    for file, names in parts.items():
        whole = yaml.safe_load_all((MANIFESTS / file).read_text())
        assert sorted(names) == sorted(document["metadata"]["name"] for document in whole)


@pytest.mark.parametrize(
    ("command", "files"),
    [
        ("kubectl apply -f a.yaml --namespace voting", ["a.yaml"]),
        ("kubectl apply --namespace voting -f 'a b.yaml' -f c.yaml", ["a b.yaml", "c.yaml"]),
        ("kubectl apply -f a.yaml -l part=one", ["a.yaml"]),
        ("kubectl create namespace voting", []),
        ("kubectl delete -f a.yaml", []),
        ("istioctl analyze -f a.yaml", []),
    ],
)
def test_applied_files(command: str, files: list[str]) -> None:
    assert applied_files(command) == files


# What a namespace holds at a stage.


@pytest.mark.parametrize("name", NAMES)
def test_the_objects_of_a_stage_are_those_of_the_committed_manifests(name: str) -> None:
    committed = [
        (document["kind"], {k: v for k, v in document.items() if k not in ("kind", "apiVersion")})
        for document in committed_documents()
    ]
    for (kind, named), manifest in wanted()[name].items():
        if (kind, named) != ("Namespace", NAMESPACE):
            assert named == manifest["metadata"]["name"]
            assert (kind, manifest) in committed


@pytest.mark.parametrize("name", NAMES)
def test_every_object_of_a_stage_is_looked_at_and_is_ours(name: str) -> None:
    objects = wanted()[name]
    assert {kind for kind, _ in objects} <= {"Namespace", *KINDS}
    assert [key for key, manifest in objects.items() if not owned(manifest)] == []


def test_what_is_applied_again_replaces_what_was_there(tmp_path: Path) -> None:
    applied: list[str] = []
    for stage in STAGES:
        if any("delete" in command.split() for command in stage.commands):
            break
        for file in (file for command in stage.commands for file in applied_files(command)):
            target = tmp_path / file
            target.parent.mkdir(exist_ok=True)
            one = {"metadata": {"name": "one"}, "spec": {"from": file}}
            target.write_text(yaml.safe_dump({"kind": "Service", "apiVersion": "v1", **one}))
            applied.append(file)
        objects = objects_at(stage.name, NAMESPACE, tmp_path)
        objects.pop(("Namespace", NAMESPACE))
        found = [manifest["spec"]["from"] for manifest in objects.values()]
        assert found == applied[-1:]


# How a live object may differ.


@given(JSON)
def test_a_value_does_not_differ_from_itself_with_more_in_it(value: Any) -> None:
    assert differences(value, value) == []
    assert differences(value, grown(value)) == []


@given(JSON.filter(lambda value: value not in ({}, [])))
def test_no_value_stands_for_another(value: Any) -> None:
    assert differences(value, "another value") != []
    assert differences({"a": [value]}, {"a": ["another value"]}) != []
    assert differences({"a": value}, {}) == ["a: missing"]


@pytest.mark.parametrize(
    ("live", "lines"),
    [
        ({"spec": {"replicas": 3, "hosts": [{"name": "a"}, {"name": "b"}]}}, []),
        (
            {"spec": {"replicas": 3, "hosts": [{"name": "a", "x": 1}, {"name": "b"}]}, "status": 1},
            [],
        ),
        (
            {"spec": {"replicas": 2, "hosts": [{"name": "a"}, {"name": "b"}]}},
            ["spec.replicas: 2 instead of 3"],
        ),
        ({"spec": {"hosts": [{"name": "a"}, {"name": "b"}]}}, ["spec.replicas: missing"]),
        (
            {"spec": {"replicas": 3, "hosts": [{"name": "a"}, {"name": "c"}]}},
            ["spec.hosts[1].name: 'c' instead of 'b'"],
        ),
        (
            {"spec": {"replicas": 3, "hosts": [{"name": "b"}, {"name": "a"}]}},
            ["spec.hosts[0].name: 'b' instead of 'a'", "spec.hosts[1].name: 'a' instead of 'b'"],
        ),
        (
            {"spec": {"replicas": 3, "hosts": [{"name": "a"}]}},
            ["spec.hosts: [{'name': 'a'}] instead of [{'name': 'a'}, {'name': 'b'}]"],
        ),
        (
            {"spec": {"replicas": 3, "hosts": [{"name": "a"}, {"name": "b"}, {"name": "c"}]}},
            [
                "spec.hosts: [{'name': 'a'}, {'name': 'b'}, {'name': 'c'}] instead of "
                "[{'name': 'a'}, {'name': 'b'}]"
            ],
        ),
        (
            {"spec": {"replicas": 3, "hosts": {"0": "a"}}},
            ["spec.hosts: {'0': 'a'} instead of [{'name': 'a'}, {'name': 'b'}]"],
        ),
        (
            {"spec": None},
            ["spec: None instead of {'replicas': 3, 'hosts': [{'name': 'a'}, {'name': 'b'}]}"],
        ),
        ({}, ["spec: missing"]),
    ],
)
def test_differences_say_where(live: Any, lines: list[str]) -> None:
    manifest = {"spec": {"replicas": 3, "hosts": [{"name": "a"}, {"name": "b"}]}}
    assert differences(manifest, live) == lines


def test_deviations_name_the_object() -> None:
    manifests: Objects = {
        ("Service", "a"): {"spec": {"port": 1}},
        ("Service", "b"): {},
        ("Service", "c"): {},
    }
    live: Objects = {
        ("Service", "a"): {"spec": {"port": 2}},
        ("Service", "b"): {"more": True},
        ("Gateway", "c"): {},
    }
    assert deviations(manifests, live) == [
        "Gateway c: not of this stage",
        "Service a: spec.port: 2 instead of 1",
        "Service c: missing",
    ]
    assert deviations(manifests, manifests) == deviations({}, {}) == []


# Which stage a namespace is at.


@pytest.mark.parametrize("name", NAMES)
def test_a_namespace_with_the_objects_of_a_stage_is_at_that_stage(name: str) -> None:
    assert stage_of(live_at(name), wanted()) == name


def test_where_two_stages_hold_the_same_it_is_the_one_further_on() -> None:
    same = live_at(NAMES[0])
    assert stage_of(same, dict.fromkeys(NAMES, wanted()[NAMES[0]])) == NAMES[-1]


def test_no_namespace_is_no_stage() -> None:
    assert stage_of({}, wanted()) is None


@pytest.mark.parametrize("name", NAMES)
def test_one_object_too_many_is_no_stage(name: str) -> None:
    assert stage_of({**live_at(name), ("Service", "stray"): {"metadata": {}}}, wanted()) is None


@pytest.mark.parametrize("name", NAMES)
def test_one_object_too_few_is_not_that_stage(name: str) -> None:
    whole = live_at(name)
    for missing in whole:
        live = {key: manifest for key, manifest in whole.items() if key != missing}
        assert stage_of(live, wanted()) != name


@pytest.mark.parametrize("name", NAMES)
def test_one_changed_object_is_no_stage(name: str) -> None:
    live = live_at(name)
    for key, manifest in live.items():
        unlabelled = {**manifest, "metadata": {**manifest["metadata"], "labels": {}}}
        assert stage_of({**live, key: unlabelled}, wanted()) is None
        stated = wanted()[name][key].keys() - {"metadata"}
        if stated:
            changed = {**manifest, **dict.fromkeys(stated, "changed")}
            assert stage_of({**live, key: changed}, wanted()) is None


@pytest.mark.parametrize("value", ["disabled", None])
def test_a_namespace_that_does_not_ask_for_injection_is_at_no_stage(value: str | None) -> None:
    for name in NAMES:
        live: dict[tuple[str, str], Any] = dict(live_at(name))
        live["Namespace", NAMESPACE]["metadata"]["labels"]["istio-injection"] = value
        assert stage_of(live, wanted()) is None


# How to get from one to another.


@pytest.mark.parametrize("target", NAMES)
@pytest.mark.parametrize("current", NAMES)
def test_the_way_from_any_stage_to_any_other(current: str, target: str) -> None:
    route = path_between(current, target, exists=True)
    assert route.start_over == (NAMES.index(current) > NAMES.index(target))
    passed = () if route.start_over else STAGES[: NAMES.index(current) + 1]
    assert (*passed, *route.stages) == STAGES[: NAMES.index(target) + 1]


@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize("target", NAMES)
def test_the_way_from_no_stage_is_the_whole_way(target: str, exists: bool) -> None:
    route = path_between(None, target, exists=exists)
    assert route.start_over is exists
    assert route.stages == STAGES[: NAMES.index(target) + 1]


@pytest.mark.parametrize("name", NAMES)
def test_who_is_there_goes_nowhere(name: str) -> None:
    route = path_between(name, name, exists=True)
    assert (route.start_over, route.stages) == (False, ())


def test_there_is_no_way_to_an_unknown_stage() -> None:
    with pytest.raises(KeyError, match="rolled-back"):
        path_between(NAMES[0], "rolled-back", exists=True)


def test_output_lines() -> None:
    assert output_lines("  one \n\n\ttwo\n  \n") == ["one", "two"]
    assert output_lines("") == []
