from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from meshproof.cluster.objects import KINDS, Key, Manifest, Objects, owned
from meshproof.documents import manifests_in
from meshproof.paths import PROJECT
from meshproof.suite.differences import LAST_APPLIED, departures, deviations, differences, stage_of
from meshproof.suite.model import Stage
from meshproof.suite.stages import (
    BACKWARDS,
    applied_documents,
    applied_files,
    deleted_keys,
    objects_after,
    output_lines,
)
from meshproof.suite.transitions import (
    REPLACEABLE,
    Undoing,
    achieved,
    exchangeable,
    path_to,
    tells_versions_apart,
    way_back,
    within_reach,
)
from tests.suites import NAMES, STAGES, objects_of_stages, stage_named

MANIFESTS = PROJECT / "manifests" / "voting"
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
    return objects_of_stages(NAMESPACE, MANIFESTS)


def live_at(name: str) -> Objects:
    """The objects of a stage as the API server has them: with more in them than was applied."""
    live = copy.deepcopy(wanted()[name])
    return {
        key: grown(value if key[0] == "Namespace" else applied(value))
        for key, value in live.items()
    }


def applied(manifest: Manifest, **more: Any) -> dict[str, Any]:
    """An object as it is live after it was applied by kubectl."""
    metadata = {"namespace": NAMESPACE, "annotations": {}, **manifest["metadata"]}
    text = json.dumps({"apiVersion": "v1", "kind": "Thing", **manifest, "metadata": metadata})
    annotations = {**metadata["annotations"], LAST_APPLIED: text}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}, **more}


def changed_at(name: str, key: Key) -> Objects:
    """The objects of a stage, one of them other than its manifest says."""
    live = live_at(name)
    return {**live, key: {**live[key], "metadata": {**live[key]["metadata"], "labels": {}}}}


def changed_by(name: str) -> list[Key]:
    """What a stage has and the one before it has not, or has otherwise."""
    index = NAMES.index(name)
    before = wanted()[NAMES[index - 1]] if index else {}
    return [key for key, manifest in wanted()[name].items() if before.get(key) != manifest]


def keeps(current: str, target: str) -> bool:
    """Whether a stage has all that another's commands bring, and nothing that they delete."""
    deleted = {*wanted()[FULL]} - {*wanted()[NAMES[-1]]} if target == NAMES[-1] else set()
    have = wanted()[current]
    own = changed_by(target)
    return not deleted & {*have} and all(have.get(k) == wanted()[target][k] for k in own)


def added_by(name: str) -> list[Key]:
    """What a stage has and the one before it has not."""
    index = NAMES.index(name)
    before = wanted()[NAMES[index - 1]] if index else {}
    return sorted(wanted()[name].keys() - before.keys())


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
    one = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "one"}}
    (tmp_path / "new.yaml").write_text(yaml.safe_dump({**one, "spec": {"from": "new"}}))
    before: Objects = {("Service", "one"): {"spec": {"from": "old"}}, ("Service", "two"): {}}
    now = objects_after("kubectl apply -f new.yaml", before, tmp_path)
    assert now == {
        ("Service", "one"): {"metadata": {"name": "one"}, "spec": {"from": "new"}},
        ("Service", "two"): {},
    }
    assert before["Service", "one"] == {"spec": {"from": "old"}}


@pytest.mark.parametrize(
    ("command", "keys"),
    [
        (
            "kubectl delete deployment a b --cascade=foreground --namespace voting",
            [("Deployment", "a"), ("Deployment", "b")],
        ),
        ("kubectl delete serviceaccount a --namespace voting", [("ServiceAccount", "a")]),
        ("kubectl apply -f a.yaml --namespace voting", []),
        ("kubectl create namespace voting", []),
    ],
)
def test_deleted_keys(command: str, keys: list[Key]) -> None:
    assert deleted_keys(command) == keys


def test_what_is_deleted_is_no_longer_there() -> None:
    before: Objects = {("Deployment", "a"): {}, ("Deployment", "b"): {}, ("Service", "a"): {}}
    now = objects_after("kubectl delete deployment a --namespace voting", before, MANIFESTS)
    assert now.keys() == {("Deployment", "b"), ("Service", "a")}


def test_only_2_0_remains_in_the_end() -> None:
    names = {kind: {n for k, n in wanted()[NAMES[-1]] if k == kind} for kind in KINDS}
    new = {"voting-app-2-0", "voting-analytics-2-0", "voting-storage-2-0"}
    for kind in ("Deployment", "ServiceAccount", "AuthorizationPolicy"):
        assert names[kind] == new


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


MANIFEST = {"metadata": {"name": "a", "labels": {"x": "1"}}, "spec": {"replicas": 3}}


def test_what_was_applied_beyond_the_manifest_is_a_departure() -> None:
    assert departures(MANIFEST, MANIFEST) == []
    assert departures(MANIFEST, applied(MANIFEST, status={"ready": 3})) == []
    more = applied({**MANIFEST, "spec": {"replicas": 3, "command": ["x"]}})
    assert departures(MANIFEST, more) == ["was applied with another spec.command: missing"]
    fewer = applied({**MANIFEST, "spec": {"replicas": 2}})
    assert departures(MANIFEST, fewer) == ["spec.replicas: 2 instead of 3"]


def test_a_manifest_may_have_annotations_of_its_own() -> None:
    noted = {**MANIFEST, "metadata": {"name": "a", "annotations": {"note": "x"}}}
    assert departures(noted, applied(noted)) == []
    plain = {**MANIFEST, "metadata": {"name": "a"}}
    assert departures(plain, applied(noted)) != []


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
def test_a_namespace_on_its_way_out_is_no_stage_and_nothing_to_go_back_to(name: str) -> None:
    live = terminating(name)
    assert stage_of(live, wanted()) is None
    assert path_to(name, live, wanted()).start_over


def terminating(name: str) -> Objects:
    live = live_at(name)
    key = "Namespace", NAMESPACE
    return {**live, key: {**live[key], "status": {"phase": "Terminating"}}}


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


STRAY: Key = ("VirtualService", "stray")


#: The last stage that has all that ever was applied.
FULL = "rolled-out"
#: The first stage that leads to subsets.
APART = "lock-down"


def last_whole(current: str, latest: str) -> str:
    """The last stage up to one of which nothing is missing at another: none was deleted since."""
    names = NAMES[: NAMES.index(latest) + 1]
    return next(n for n in reversed(names) if wanted()[n].keys() <= wanted()[current].keys())


@pytest.mark.parametrize("target", NAMES)
@pytest.mark.parametrize("current", NAMES)
def test_the_way_from_any_stage_to_any_other(current: str, target: str) -> None:
    route = path_to(target, live_at(current), wanted())
    here, there = NAMES.index(current), NAMES.index(target)
    assert not route.start_over
    if here > there:
        # What the last stage deletes is put back before anything else.
        by = (FULL,) if current == NAMES[-1] and target != FULL else ()
        # Where every version is led to, there is nothing left of 2.0.
        if here >= NAMES.index("canary") and there < NAMES.index(APART):
            by = (*by, APART)
        assert (route.back, route.stages) == ((*by, target), ())
    else:
        assert (route.back, route.stages) == ((), NAMES[here + 1 : there + 1])


def test_versions_are_told_apart_from_the_lock_down_on() -> None:
    apart = [name for name in NAMES if tells_versions_apart(wanted()[name])]
    assert apart == list(NAMES[NAMES.index(APART) :])


@pytest.mark.parametrize("protocol", ["http", "tcp"])
def test_one_route_to_a_subset_tells_versions_apart(protocol: str) -> None:
    def routes(*destinations: dict[str, str]) -> Objects:
        entries = [{"route": [{"destination": entry}]} for entry in destinations]
        return {("VirtualService", "a"): {"metadata": {"name": "a"}, "spec": {protocol: entries}}}

    assert tells_versions_apart(routes({"host": "a"}, {"host": "a", "subset": "b"}))
    assert not tells_versions_apart(routes({"host": "a"}, {"host": "b"}))
    assert not tells_versions_apart({})


@pytest.mark.parametrize("target", NAMES)
def test_the_way_from_nothing_is_the_whole_way(target: str) -> None:
    route = path_to(target, {}, wanted())
    assert (route.back, route.start_over) == ((), False)
    assert route.stages == NAMES[: NAMES.index(target) + 1]


@pytest.mark.parametrize("name", NAMES)
def test_who_is_there_goes_nowhere(name: str) -> None:
    route = path_to(name, live_at(name), wanted())
    assert (route.start_over, route.back, route.stages) == (False, (), ())


@pytest.mark.parametrize("target", NAMES)
@pytest.mark.parametrize("current", NAMES)
def test_from_no_stage_the_target_is_entered_by_its_own_commands(current: str, target: str) -> None:
    # Unless it has what these bring already.
    live = {**live_at(current), STRAY: {"metadata": {"name": "stray"}}}
    route = path_to(target, live, wanted())
    before = target if keeps(current, target) else NAMES[max(NAMES.index(target) - 1, 0)]
    back = last_whole(current, before)
    assert route.back == (back,)
    assert not route.start_over
    assert route.stages == NAMES[NAMES.index(back) + 1 : NAMES.index(target) + 1]


@pytest.mark.parametrize("name", NAMES[1 : NAMES.index(FULL) + 1])
def test_where_an_object_is_other_it_is_made_anew_by_its_own_command(name: str) -> None:
    for key in added_by(name):
        route = path_to(FULL, changed_at(FULL, key), wanted())
        # Unless it can be put back.
        before = NAMES[NAMES.index(name) - 1]
        replaced = NAMES[NAMES.index(FULL) - 1] if key in changed_by(FULL) else FULL
        assert route.back == (replaced if key[0] in REPLACEABLE else before,)


@pytest.mark.parametrize("policy", ["voting-app-2-0", "voting-storage-1-0"])
def test_a_policy_of_an_earlier_stage_is_put_back_without_a_pod_made_anew(policy: str) -> None:
    route = path_to("canary", changed_at("canary", ("AuthorizationPolicy", policy)), wanted())
    assert (route.back, route.stages) == (("canary",), ())


def test_what_a_stage_deletes_must_be_gone_for_it_to_be_achieved() -> None:
    key = "ServiceAccount", "voting-app-1-0"
    live = {**live_at(NAMES[-1]), key: live_at(FULL)[key]}
    assert not achieved(NAMES[-1], live, wanted())
    assert achieved(NAMES[-1], live_at(NAMES[-1]), wanted())


@pytest.mark.parametrize("name", NAMES[1 : NAMES.index(FULL) + 1])
def test_where_an_object_is_missing_it_is_made_by_its_own_command(name: str) -> None:
    for key in added_by(name):
        live = {k: manifest for k, manifest in live_at(FULL).items() if k != key}
        route = path_to(FULL, live, wanted())
        assert route.back == (NAMES[NAMES.index(name) - 1],)


@pytest.mark.parametrize("target", NAMES)
def test_where_the_namespace_itself_is_other_it_starts_over(target: str) -> None:
    live = changed_at(NAMES[-1], ("Namespace", NAMESPACE))
    route = path_to(target, live, wanted())
    assert (route.start_over, route.back) == (True, ())
    assert route.stages == NAMES[: NAMES.index(target) + 1]


@pytest.mark.parametrize("live", [{}, None])
def test_there_is_no_way_to_an_unknown_stage(live: Objects | None) -> None:
    with pytest.raises(KeyError, match="rolled-back"):
        path_to("rolled-back", live_at(NAMES[0]) if live is None else live, wanted())


# Between manifests that differ.
def by_other_manifests(kind: str, stage: str) -> Mapping[str, Objects]:
    """What stages are where all objects of a kind are others, from a stage on."""
    return {
        name: {
            key: altered(manifest)
            if key[0] == kind and NAMES.index(name) >= NAMES.index(stage)
            else manifest
            for key, manifest in objects.items()
        }
        for name, objects in wanted().items()
    }


def altered(manifest: Manifest) -> Manifest:
    metadata = manifest["metadata"]
    return {
        **manifest,
        "metadata": {**metadata, "labels": {**metadata.get("labels", {}), "a": "b"}},
    }


@pytest.mark.parametrize("target", NAMES[2:-1])
@pytest.mark.parametrize(
    ("kind", "current"),
    [("Deployment", name) for name in NAMES[2:-1]]
    + [("DestinationRule", name) for name in NAMES[NAMES.index("lock-down") : -1]],
)
def test_a_stage_by_other_manifests_becomes_that_of_its_own(
    kind: str, current: str, target: str
) -> None:
    other = by_other_manifests(kind, NAMES[1])
    live: Objects = {key: applied(manifest) for key, manifest in other[current].items()}
    at = min(NAMES.index(current), NAMES.index(target))
    route = path_to(target, live, wanted(), [wanted(), other])
    assert (route.back, route.start_over) == ((NAMES[at],), False)
    assert route.stages == NAMES[at + 1 : NAMES.index(target) + 1]


def test_an_account_of_other_manifests_is_not_exchanged_under_its_pods() -> None:
    other = by_other_manifests("ServiceAccount", NAMES[1])
    live: Objects = {key: applied(manifest) for key, manifest in other["canary"].items()}
    assert path_to("canary", live, wanted(), [other]).back == (NAMES[0],)
    assert not exchangeable(wanted()["canary"], live)
    assert not exchangeable(wanted()[FULL], live_at(NAMES[-1]))


def test_a_deployment_that_uses_another_claim_is_not_exchanged() -> None:
    key = "Deployment", "voting-storage-2-0"
    own = wanted()["canary"]
    other = copy.deepcopy(dict(own[key]))
    other["spec"]["template"]["spec"]["volumes"] = [{"name": "votes", "emptyDir": {}}]
    live: Objects = {k: applied(manifest) for k, manifest in {**own, key: other}.items()}
    assert not exchangeable(own, live)
    assert exchangeable(own, {k: live[k] for k in live if k != key})


def test_a_deployment_of_other_manifests_goes_first_and_is_made_anew() -> None:
    live = {**live_at("canary")}
    key = "Deployment", "voting-app-1-0"
    live[key] = applied(altered(wanted()["canary"][key]))
    live["Gateway", "more"] = applied({"metadata": {"name": "more"}})
    first, *groups = way_back(wanted()["canary"], live)
    assert first == Undoing((key,), ())
    assert [group.restore for group in groups if group.restore] == [(key,)]
    assert [group.remove for group in groups if group.remove] == [(("Gateway", "more"),)]


def test_ports_are_named_as_the_api_server_names_them(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("spec: {portLevelMtls: {3306: {mode: PERMISSIVE}}, list: [{1: 2}]}")
    assert manifests_in(file) == (
        {"spec": {"portLevelMtls": {"3306": {"mode": "PERMISSIVE"}}, "list": [{"1": 2}]}},
    )


# How a namespace comes back.


def test_every_kind_has_its_turn_on_the_way_back() -> None:
    kinds = [kind for group in BACKWARDS for kind in group]
    assert sorted(kinds) == sorted(KINDS)
    assert set(KINDS) > REPLACEABLE


def test_nothing_is_taken_back_where_nothing_differs() -> None:
    for name in NAMES:
        assert within_reach(wanted()[name], live_at(name))
        assert way_back(wanted()[name], live_at(name)) == []


def test_objects_are_taken_back_in_an_order_that_loses_no_request() -> None:
    groups = way_back(wanted()["namespace"], live_at(NAMES[-1]))
    order = [kind for group in groups for kind in dict.fromkeys(key[0] for key in group.remove)]
    assert order.index("AuthorizationPolicy") < order.index("PeerAuthentication")
    assert order.index("PeerAuthentication") < order.index("VirtualService")
    for needed in ("DestinationRule", "Gateway"):
        assert order.index("VirtualService") < order.index(needed) < order.index("Deployment")
    assert order.index("Deployment") < order.index("Service")
    assert not any(group.restore for group in groups)


def test_a_route_to_a_subset_is_put_back_before_the_subset_goes() -> None:
    groups = way_back(wanted()["updated"], live_at("lock-down"))
    route, rule = ("VirtualService", "voting-app"), ("DestinationRule", "voting-app")
    (putting,) = [group for group in groups if group.restore]
    assert putting == Undoing((), (route,))
    assert groups.index(putting) < next(i for i, g in enumerate(groups) if rule in g.remove)


@pytest.mark.parametrize("stage", ["exposed", "lock-down"])
def test_users_are_led_elsewhere_before_a_version_is_led_on_elsewhere(stage: str) -> None:
    groups = way_back(wanted()[stage], live_at("rolled-out"))
    routes = [
        [name for kind, name in (*group.remove, *group.restore) if kind == "VirtualService"]
        for group in groups
    ]
    assert [names for names in routes if names] == [
        ["voting-app"], ["voting-analytics", "voting-storage"],
    ]  # fmt: skip


def test_a_version_is_led_on_before_users_are_led_there_again() -> None:
    live = live_at(NAMES[-1])
    live["VirtualService", "voting-app"] = live_at("canary")["VirtualService", "voting-app"]
    groups = way_back(wanted()[FULL], live)
    routes = [key[1] for group in groups for key in group.restore if key[0] == "VirtualService"]
    assert routes == ["voting-analytics", "voting-storage", "voting-app"]


def test_what_was_deleted_is_put_back_before_anything_leads_to_it() -> None:
    groups = way_back(wanted()[FULL], live_at(NAMES[-1]))
    order = [{kind for kind, _ in group.restore} for group in groups]
    assert order == [
        {"ServiceAccount"}, {"Deployment"}, {"DestinationRule"}, {"VirtualService"},
        {"AuthorizationPolicy"},
    ]  # fmt: skip
    assert not any(group.remove for group in groups)


def test_what_is_beyond_goes_once_what_was_deleted_is_back() -> None:
    live = {**live_at(NAMES[-1]), ("Service", "more"): applied({"metadata": {"name": "more"}})}
    groups = way_back(wanted()[FULL], live)
    assert [group.remove for group in groups] == [()] * 5 + [(("Service", "more"),)]


@pytest.mark.parametrize("kind", sorted(set(KINDS) - REPLACEABLE))
def test_what_pods_depend_on_is_not_put_back(kind: str) -> None:
    manifest: Objects = {(kind, "a"): {"metadata": {"name": "a"}, "spec": {"x": 1}}}
    other: Objects = {(kind, "a"): {"metadata": {"name": "a"}, "spec": {"x": 2}}}
    assert within_reach(manifest, manifest)
    assert not within_reach(manifest, other)
    assert not within_reach(manifest, other, deleted=True)


def test_what_is_missing_is_within_reach_only_where_it_was_deleted() -> None:
    manifest: Objects = {("Service", "a"): {"metadata": {"name": "a"}}}
    assert not within_reach(manifest, {})
    assert within_reach(manifest, {}, deleted=True)


def test_output_lines() -> None:
    assert output_lines("  one \n\n\ttwo\n  \n") == ["one", "two"]
    assert output_lines("") == []
